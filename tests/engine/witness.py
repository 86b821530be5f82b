"""Jobs that testify: each run appends a line to a file that no part of the product reads."""

import os
from datetime import UTC, datetime
from typing import Any

from aegis_web.context import current_run
from aegis_web.registry import service

JOBS = 10


@service(runs_in="thread")
def testify() -> None:
    """Writes down that it ran, for which fire time, and in which process."""
    run = current_run()
    assert run.fire_time is not None
    line = f"{run.job_name} {run.fire_time.isoformat()} {os.getpid()}\n"
    file = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())  # one write: lines of several processes do not mix
    os.close(file)


def declare(scheduler: Any) -> None:
    """Declares jobs that are due every second."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(JOBS):
        name = f"each-second-{number}"
        scheduler.add_job(testify, "interval", seconds=1, start_date=start, id=name, name=name)
