"""The death of one of two nodes: how long new fire times and its queued runs wait.

    .venv/bin/python -m benchmarks.failover [--repeat 5] [--postgres]

Two nodes as processes of their own, 20 jobs due each second that take 10 ms. One is killed
(SIGKILL). New fire times are those after the kill: the largest lateness. Its queued runs are those
that had been handed to it and not begun: the longest time from the kill to their start.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode, work

JOBS = 20


def be_a_node(url: str) -> None:
    """In a process of its own: turn until it is killed."""
    node = BenchmarkNode(url, empty=False)
    node.scheduler.start()
    print("ready", flush=True)
    threading.Event().wait()


def start(url: str) -> subprocess.Popen[str]:
    code = f"from benchmarks.failover import be_a_node; be_a_node({url!r})"
    node = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert node.stdout is not None
    assert node.stdout.readline() == "ready\n"
    return node


def once(url: str) -> tuple[float, float, int]:
    """Worst lateness of new fire times, worst wait of what was handed over, and its number."""
    first = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    watcher = BenchmarkNode(url)
    for number in range(JOBS):
        anchor = first + timedelta(milliseconds=50 * number)
        watcher.scheduler.add_job(work, "interval", seconds=1, start_date=anchor, id=str(number))
    watcher.scheduler.start(paused=True)  # stores them
    watcher.scheduler.shutdown()
    nodes = [start(url) for _ in range(2)]
    threading.Event().wait(max(0.0, first.timestamp() - time.time()) + 5)
    owner = nodes[0].pid
    killed_us = time.time_ns() // 1000
    os.kill(owner, signal.SIGKILL)
    threading.Event().wait(8)
    late = watcher.rows(
        "SELECT max(started_at - fire_at) AS late FROM runs WHERE fire_at > :at AND fire_at < :end",
        at=killed_us,
        end=killed_us + 5_000_000,
    )[0].late
    waited = watcher.rows(
        "SELECT started_at - :at AS waited FROM runs WHERE fire_at <= :at AND started_at > :at",
        at=killed_us,
    )
    nodes[1].kill()
    for node in nodes:
        node.wait()
    watcher.close()
    worst = max((row.waited for row in waited), default=0)
    return late / 1e6, worst / 1e6, len(waited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            found = [once(url.format(f"failover-{n}")) for n in range(options.repeat)]
            print(
                f"{name}, {options.repeat} kills: new fire times late by at most"
                f" {max(f[0] for f in found):.3f} s; runs that waited when it died"
                f" ({sum(f[2] for f in found)}) began within {max(f[1] for f in found):.3f} s"
            )


if __name__ == "__main__":
    main()
