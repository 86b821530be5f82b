"""A large store: how long a node takes to start, and what a stored job costs it in memory.

    .venv/bin/python -m benchmarks.large [--jobs 100000] [--postgres]

Memory is what the process grows by between a store with no job and one with all of them, once the
node has turned for some seconds; divided by their number.
"""

import argparse
import os
import subprocess
import sys
import threading
import time

import psutil

from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode

SETTLE_SECONDS = 3.0


def measure(url: str) -> None:
    """In a process of its own: start on what is stored, print seconds, bytes and CPU share."""
    node = BenchmarkNode(url, empty=False)
    began = time.monotonic()
    node.scheduler.start()
    while node.scheduler.node.pulse.node_id == 0:
        threading.Event().wait(0.001)
    seconds = time.monotonic() - began
    threading.Event().wait(SETTLE_SECONDS)
    process = psutil.Process(os.getpid())
    used = time.process_time()
    threading.Event().wait(10)
    share = (time.process_time() - used) / 10
    print(seconds, process.memory_full_info().uss, share, flush=True)
    node.close()


def measured(url: str) -> tuple[float, float, float]:
    code = f"from benchmarks.large import measure; measure({url!r})"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    seconds, size, share = map(float, output.split())
    return seconds, size, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            node = BenchmarkNode(url.format("large"))
            _, empty, _ = measured(url.format("large"))
            node.store(options.jobs)
            seconds, full, share = measured(url.format("large"))
            node.close()
            print(
                f"{name}, {options.jobs} jobs: start {seconds:.2f} s,"
                f" {(full - empty) / options.jobs:.0f} bytes for each, idle {share:.2%} of a core"
            )


if __name__ == "__main__":
    main()
