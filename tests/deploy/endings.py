"""A team's own module: one function for each way in which work meets the end of its process."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aegis_web.context import current_run
from aegis_web.registry import service


def brief() -> str:
    """Take two seconds."""
    time.sleep(2)
    return "done"


def polite() -> None:
    """Work until asked to stop."""
    run = current_run()
    while not run.stop_requested():
        time.sleep(0.05)


def stubborn() -> None:
    """Never end and never look."""
    threading.Event().wait()


@service(runs_in="thread")
def deaf() -> None:
    """Never end, where nobody can make it."""
    threading.Event().wait()


async def asleep() -> None:
    """Wait for something that never comes."""
    await asyncio.Event().wait()


def every_second() -> None:
    """Do nothing, often."""


def declare(scheduler: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for function in (polite, stubborn, deaf, asleep):
        scheduler.add_job(function, trigger="date", run_date=soon, id=function.__name__)
    scheduler.add_job(brief, trigger="interval", seconds=1, id="brief")
    scheduler.add_job(every_second, trigger="interval", seconds=1, id="every_second")
