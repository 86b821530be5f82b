"""Pages of the dashboard while a herd runs: how long a viewer waits, at worst.

    .venv/bin/python -m benchmarks.pages [--jobs 10000] [--postgres]

Starts the server as users do, signs in through the set-up link, and opens the pages one after the
other: before, in the first herd that a fresh database sees, and in the next one. Between the two
the database gathers its statistics, as PostgreSQL does by itself within a minute.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median

from benchmarks.databases import arguments, scratch
from benchmarks.idle import first_page, free_port
from benchmarks.nodes import BenchmarkNode

PATHS = ("/", "/jobs", "/jobs/1", "/runs", "/system")
CALM_SECONDS = 3.0


class Viewer:
    """A browser without a window: cookies, pages, one form."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.cookies = CookieJar()
        self.open = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies)
        ).open
        link = re.search(r"/set-up/\S+", log.read_text())
        assert link is not None
        page = self.read(link[0])
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None
        password = "a long phrase for benchmarks"
        typed = {
            "csrf_token": token[1],
            "email": "viewer@example.org",
            "password": password,
            "password_again": password,
        }
        self.read(link[0], urllib.parse.urlencode(typed).encode())
        assert "Sign out" in self.read("/")

    def cookie_header(self) -> str:
        """Its cookies as a request sends them."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)

    def read(self, path: str, data: bytes | None = None, *, htmx: bool = False) -> str:
        request = urllib.request.Request(self.url + path, data)
        if htmx:
            request.add_header("HX-Request", "true")
        request.add_header("Referer", self.url + path)
        with self.open(request, timeout=60) as answer:
            return str(answer.read().decode())

    def milliseconds(self, path: str) -> float:
        began = time.perf_counter()
        self.read(path)
        return (time.perf_counter() - began) * 1000


@contextmanager
def served(database_url: str) -> Iterator[Viewer]:
    """A signed-in viewer of a fresh server."""
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder, "log")
        env = {
            **os.environ,
            "PORT": str(port),
            "AEGIS_DATA_DIR": folder,
            "DATABASE_URL": database_url,
            "AEGIS_SERVICES": "benchmarks.nodes",
        }
        subprocess.run([sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
                       env=env, check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        with log.open("w") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "app:app"], env=env, stdout=output, stderr=output
            )
        try:
            url = f"http://127.0.0.1:{port}"
            first_page(url)
            yield Viewer(url, log)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(40)


def watch(
    viewer: Viewer, until: float, node: BenchmarkNode | None = None
) -> dict[str, list[float]]:
    """Milliseconds by page, round and round until then, or until nothing is due or runs."""
    found: dict[str, list[float]] = {path: [] for path in PATHS}
    while time.time() < until or (node is not None and node.unfinished()):
        for path in PATHS:
            found[path].append(viewer.milliseconds(path))
    return found


def herd(viewer: Viewer, node: BenchmarkNode) -> tuple[dict[str, list[float]], float]:
    """Milliseconds by page while all jobs run, and how long that took."""
    due = node.make_due().timestamp()
    time.sleep(max(0.0, due - time.time()))
    found = watch(viewer, due + 0.1, node)
    return found, time.time() - due


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            with served(url.format("pages")) as viewer:
                node = BenchmarkNode(url.format("pages"), empty=False)
                node.store(options.jobs)
                calm = watch(viewer, time.time() + CALM_SECONDS)
                first, _ = herd(viewer, node)
                node.analyze()
                second, seconds = herd(viewer, node)
                node.close()
            print(f"{name}, {options.jobs} jobs, a herd of {seconds:.2f} s: ms, median and worst")
            print(f"  {'page':10} {'before':>14} {'first herd ever':>16} {'next herd':>16}")
            for path in PATHS:
                shown = (f"{median(ms[path]):8.1f} {max(ms[path]):7.1f}" for ms in
                         (calm, first, second))  # fmt: skip
                print(f"  {path:8}", *shown)


if __name__ == "__main__":
    main()
