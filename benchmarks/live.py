"""Live pages: how soon a line of a log is on the page, and what forty open tabs cost others.

    .venv/bin/python -m benchmarks.live [--lines 50] [--tabs 40] [--postgres]

A line's time runs from the commit that stores it to the end of the answer that holds it, which the
stream's event asked for. Then one person opens that many tabs, of which the newest three keep
their streams; half of /healthz's answers took at most p50, 19 of 20 at most p95. The stop is
counted from SIGTERM.
"""

import argparse
import http.client
import time
import zlib
from statistics import median
from urllib.parse import urlsplit

from sqlalchemy import insert

from aegis_web.clock import to_us, utc_now
from aegis_web.runs.models import Run, RunLog, RunStatus
from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode
from benchmarks.pages import Viewer, served

ASKED = 100  # times /healthz


class Stream:
    """One open tab's stream."""

    def __init__(self, viewer: Viewer, path: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(viewer.url).netloc, timeout=30)
        self.connection.request("GET", path, headers={"Cookie": viewer.cookie_header()})
        self.answer = self.connection.getresponse()

    def news(self) -> None:
        """Return at the next change."""
        while self.answer.readline() != b"data: changed\n":
            pass


def log_latencies(viewer: Viewer, node: BenchmarkNode, lines: int) -> list[float]:
    """Seconds from each line's commit to the answer that holds it."""
    now, took = utc_now(), []
    with node.engine.begin() as connection:
        run = {"job_id": 1, "kind": 1, "status": RunStatus.RUNNING, "queued_at": now}
        run_id = connection.execute(
            insert(Run).returning(Run.id), {**run, "started_at": now}
        ).scalar_one()
    stream = Stream(viewer, f"/live/runs/{run_id}")
    stream.news()
    for number in range(lines):
        time.sleep(0.037)  # so that lines and looks fall at all distances
        text = f"{to_us(utc_now())}\tinfo\tline {number} of the run\n".encode()
        piece = {"run_id": run_id, "sequence": number, "lines": zlib.compress(text)}
        with node.engine.begin() as connection:
            connection.execute(insert(RunLog), {**piece, "written_at": utc_now()})
        began = time.perf_counter()
        stream.news()
        page = viewer.read(f"/runs/{run_id}/log", htmx=True)
        took.append(time.perf_counter() - began)
        assert f"line {number} of" in page
    stream.connection.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--tabs", type=int, default=40)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            with served(url.format("live")) as viewer:
                node = BenchmarkNode(url.format("live"), empty=False)
                node.store(1)
                took = sorted(log_latencies(viewer, node, options.lines))
                node.close()
                tabs = [Stream(viewer, "/live/all") for _ in range(options.tabs)]
                health = sorted(viewer.milliseconds("/healthz") for _ in range(ASKED))
                stopping = time.perf_counter()
            stopped = time.perf_counter() - stopping
            for tab in tabs:
                tab.connection.close()
            print(
                f"{name}: a line is there after p50 {median(took) * 1000:.0f} ms, p95"
                f" {took[int(len(took) * 0.95)] * 1000:.0f} ms; {options.tabs} tabs: /healthz p50"
                f" {median(health):.1f} ms, p95 {health[int(ASKED * 0.95)]:.1f} ms,"
                f" stop {stopped:.1f} s"
            )


if __name__ == "__main__":
    main()
