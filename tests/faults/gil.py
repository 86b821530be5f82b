"""Jobs that hold the interpreter's lock for ten seconds: nothing else in their process turns."""

import ctypes
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.witness import say

HELD_SECONDS = 10
TIMES = {"each": (1, 0)}


def hold() -> None:
    """Sleeps in C without giving the lock back."""
    say("begin")
    ctypes.PyDLL(None).usleep(HELD_SECONDS * 1_000_000)
    say("end")


def work() -> None:
    """Testifies."""
    say("begin")
    say("end")


def declare(scheduler: Any) -> None:
    """Declares one job that holds the lock once, and one that is due each second."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    scheduler.add_job(hold, "date", run_date=soon, id="hold", name="hold")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    scheduler.add_job(work, "interval", seconds=1, start_date=start, id="each", name="each")
