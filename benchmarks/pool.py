"""No-op runs through the pool of processes, a second: the bare pool, and with the ledger.

    .venv/bin/python -m benchmarks.pool [--runs 10000] [--postgres]

The bare pool is the product's own, fed without a database. With the ledger each run has its row,
its times and its captured output, as shipped (SQLite in WAL mode, synchronous FULL). As many
processes as the machine has processors; they are warm in both.
"""

import argparse
import threading
import time

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, JobFacts, Outcome
from aegis_web.engine.executors.processes import ProcessExecutor
from aegis_web.engine.pulse import Pulse
from aegis_web.runs.models import Lane, RunStatus
from benchmarks.databases import arguments, scratch
from benchmarks.nodes import PROCESSES, RECIPE, VAULT, BenchmarkNode, known_functions

FACTS = JobFacts(1, 1, "noop", "noop", "nodes.noop_in_process", {}, None)
WARM = 200


def bare(runs: int) -> float:
    """Runs a second through the pool alone."""
    pulse, outcomes, done = Pulse(), [0], threading.Event()

    def report(outcome: Outcome) -> None:
        assert outcome.status is RunStatus.SUCCEEDED
        outcomes[0] += 1
        if outcomes[0] in (WARM, WARM + runs):
            done.set()

    executor = ProcessExecutor(PROCESSES, RECIPE, known_functions(), VAULT, pulse, report)
    began = 0.0
    for number in (WARM, runs):
        pulse.begin(1, time.monotonic(), utc_now_us())
        attempts = [Attempt(n, 1, 1, FACTS, None, None, Lane.PROCESS, {}) for n in range(number)]
        began = time.monotonic()
        executor.start(attempts)
        while not done.wait(0.5):
            pulse.beat(time.monotonic(), utc_now_us())
        done.clear()
    seconds = time.monotonic() - began
    executor.shutdown()
    return runs / seconds


def with_ledger(url: str, runs: int) -> float:
    """Runs a second, from the due instant until the last one is recorded."""
    node = BenchmarkNode(url)
    node.store(WARM, "nodes.noop_in_process")
    node.scheduler.start()
    node.seconds_until_recorded(node.make_due())
    with node.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
        connection.exec_driver_sql("DELETE FROM jobs")
    node.store(runs, "nodes.noop_in_process")
    seconds = node.seconds_until_recorded(node.make_due())
    recorded = node.scalar("SELECT count(*) FROM runs WHERE status = 2")
    node.close()
    if recorded != runs:
        raise SystemExit(f"{recorded} of {runs} runs were recorded")
    return runs / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for repetition in range(options.repeat):
            alone = bare(options.runs)
            print(f"{repetition + 1}. bare pool: {alone:.0f} runs/s in {PROCESSES} processes")
            for name, url in urls.items():
                kept = with_ledger(url.format(repetition), options.runs)
                print(f"   with the ledger, {name}: {kept:.0f} runs/s, {kept / alone:.2f} of it")


if __name__ == "__main__":
    main()
