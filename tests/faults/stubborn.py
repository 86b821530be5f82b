"""Jobs that fail twice before they succeed, and may be run again after their process died."""

import asyncio
import time
from datetime import timedelta
from typing import Any

from aegis_web.context import current_run
from aegis_web.registry import service
from tests.faults.witness import START, say

FAILURES = 2  # of each run, before an attempt succeeds
# By job: the seconds between its fire times, and the microseconds of its first after START.
TIMES = {f"stubborn-{n}": (2, n * 400_000) for n in range(4)}


def refuse_at_first() -> None:
    """Raises in the first attempts of a run."""
    if current_run().attempt <= FAILURES:
        raise ConnectionError("the other side is busy")


@service(idempotent=True)
def try_hard() -> None:
    """Testifies; fails at first."""
    say("begin")
    time.sleep(0.1)
    refuse_at_first()
    say("end")


@service(idempotent=True)
async def try_hard_async() -> None:
    """Testifies; fails at first."""
    say("begin")
    await asyncio.sleep(0.1)
    refuse_at_first()
    say("end")


def declare(scheduler: Any) -> None:
    """Declares them, due every two seconds, with attempts to spare."""
    for number, (name, (seconds, offset)) in enumerate(TIMES.items()):
        scheduler.add_job(
            try_hard_async if number % 2 else try_hard,
            "interval",
            seconds=seconds,
            start_date=START + timedelta(microseconds=offset),
            id=name,
            name=name,
            overlap="run",
            retries=50,
            retry_delay_seconds=0,
            retry_errors=["OSError"],
            on_lost="rerun",
        )
