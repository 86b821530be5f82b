"""A job that testifies, and then does not end by itself."""

import time
from datetime import UTC, datetime
from typing import Any

from aegis_web.context import current_run
from aegis_web.registry import service
from tests.engine.witness import testify


@service(runs_in="thread")
def sleep_on() -> None:
    """Testifies and waits for a stop."""
    testify()
    run = current_run()
    while not run.stop_requested():
        time.sleep(0.05)


def declare(scheduler: Any) -> None:
    """Declares one long job."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    scheduler.add_job(sleep_on, "interval", seconds=1, start_date=start, id="long", name="long")
