"""The forecast of many jobs: processor time and seconds until it is kept.

    .venv/bin/python -m benchmarks.forecast [--jobs 10000] [--postgres]

Jobs with 20 good runs each: all hourly; all of them every minute; every second, each with a phase
of its own; a mixture of what teams have; and each with fire times that no other job shares.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from aegis_web import create_core
from aegis_web.clock import utc_now
from aegis_web.config import load_settings
from aegis_web.engine.triggers import from_json
from aegis_web.forecast.actions import make_forecast
from aegis_web.jobs.models import Job
from aegis_web.runs.models import Run, RunStatus
from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode, job_row

RUNS = 20  # of each job
BATCH = 500
MIXTURE = ("0 3 * * *", "H H * * *", "*/5 * * * *", "H/10 * * * *", "0 * * * *", "* * * * *")


def cron(text: str, number: int) -> dict[str, Any]:
    seed = {"seed": str(number)} if "H" in text else {}
    return {"kind": "cron", "expression": text, "zone": "Europe/Berlin", **seed}


def seconds(every: int, number: int) -> dict[str, Any]:
    anchor = utc_now() - timedelta(days=1, seconds=number * 1.01)
    text = anchor.isoformat()
    return {"kind": "interval", "every": every, "unit": "seconds", "anchor": text, "zone": "UTC"}


def mixed(number: int) -> dict[str, Any]:
    place = number % (len(MIXTURE) + 2)
    if place < len(MIXTURE):
        return cron(MIXTURE[place], number)
    return seconds((5, 90)[place - len(MIXTURE)], number)


def alone(number: int) -> dict[str, Any]:
    starts_at = (utc_now() + timedelta(seconds=number + 60)).isoformat()
    return {**cron("*/7 8-18 * * *", number), "starts_at": starts_at}


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "hourly": lambda number: cron("0 * * * *", number),
    "every minute": lambda number: cron("* * * * *", number),
    "every second": lambda number: seconds(1, number),
    "a mixture": mixed,
    "none like another": alone,
}


def store(node: BenchmarkNode, jobs: int, trigger: Callable[[int], dict[str, Any]]) -> None:
    """Insert the jobs and their runs."""
    now = utc_now()
    for begin in range(0, jobs, BATCH):
        numbers = range(begin + 1, min(begin + BATCH, jobs) + 1)
        rows = []
        for number in numbers:
            rule = trigger(number)
            due = from_json(rule).next_after(now)
            assert due is not None
            rows.append({"id": number, **job_row(str(number), "nodes.noop", rule, due)})
        runs = [run_row(number, now - timedelta(hours=n + 1)) for number in numbers
                for n in range(RUNS)]  # fmt: skip
        with node.engine.begin() as connection:
            connection.execute(insert(Job), rows)
            connection.execute(insert(Run), runs)
    node.analyze()


def run_row(job_id: int, at: Any) -> dict[str, Any]:
    took = timedelta(seconds=(2, 20, 70, 400)[job_id % 4])
    times = {"fire_at": at, "queued_at": at, "started_at": at, "finished_at": at + took}
    return {"job_id": job_id, "status": RunStatus.SUCCEEDED, **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls, tempfile.TemporaryDirectory() as folder:
        for name, url in urls.items():
            print(f"{name}, {options.jobs} jobs: {'processor':>20} {'until kept':>12}")
            for kind, trigger in KINDS.items():
                node = BenchmarkNode(url.format("forecast"))
                store(node, options.jobs, trigger)
                node.close()
                env = {"AEGIS_DATA_DIR": folder, "DATABASE_URL": url.format("forecast")}
                app = create_core(load_settings(env), migrating=False)
                with app.app_context():
                    began, used = time.monotonic(), time.process_time()
                    expected = make_forecast()
                    used, took = time.process_time() - used, time.monotonic() - began
                assert expected is not None
                print(f"  {kind:20} {used:18.1f} s {took:10.1f} s, {expected.rough} by day")


if __name__ == "__main__":
    main()
