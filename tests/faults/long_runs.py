"""Three runs that are asked to end while they work: of 1, of 20 and of 40 seconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.witness import say

SECONDS = (1, 20, 40)
TIMES: dict[str, tuple[int, int]] = {}


def work(seconds: int) -> None:
    """Testifies and works so long, without ever looking whether it should stop."""
    say("begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
    say("end")


def declare(scheduler: Any) -> None:
    """Declares one run of each length, due at once, and a job that is due each second."""
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for seconds in SECONDS:
        name = f"for-{seconds}"
        scheduler.add_job(work, "date", run_date=soon, args=[seconds], id=name, name=name)
    scheduler.add_job(work, "interval", seconds=1, args=[0], id="each", name="each")
