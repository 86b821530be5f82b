"""What the product costs at rest: start, memory and CPU of arbiter and worker together.

    .venv/bin/python -m benchmarks.idle [--seconds 30]

Starts gunicorn with our configuration on a fresh data folder, waits for the first page,
lets it stand, and prints one line each. The start is compared with the time that importing
Flask, SQLAlchemy and Flask-Security alone takes in the same run.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import psutil


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_page(url: str) -> None:
    """Return when `url` answers."""
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.01)


def start(folder: str) -> tuple[subprocess.Popen[bytes], float]:
    """A started server, and the seconds until its first page."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "AEGIS_DATA_DIR": folder}
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "app:app"], env=env, stdout=subprocess.DEVNULL
    )
    first_page(f"http://127.0.0.1:{port}/")
    return server, time.monotonic() - began


def import_seconds() -> float:
    """Seconds that a process takes to import the three large libraries."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import flask, sqlalchemy, flask_security"], check=True)
    return time.monotonic() - began


def family(pid: int) -> list[psutil.Process]:
    """A process and its children."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its children have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in family(pid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    imports = import_seconds()
    with tempfile.TemporaryDirectory() as folder:
        for which in ("first", "second"):
            server, seconds = start(folder)
            print(f"{which} start to first page: {seconds:.2f} s (imports alone {imports:.2f} s)")
            if which == "second":
                before = cpu_seconds(server.pid)
                time.sleep(options.seconds)
                share = (cpu_seconds(server.pid) - before) / options.seconds
                pss = sum(process.memory_full_info().pss for process in family(server.pid))
                print(f"idle: {pss / 1e6:.0f} MB PSS, {share:.2%} of a core")
            server.send_signal(signal.SIGTERM)
            began = time.monotonic()
            server.wait(40)
            print(f"{which} stop: {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main()
