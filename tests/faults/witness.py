"""Jobs that testify at start and end, in a file that no part of the product reads.

A line is "begin|end job fire-time attempt process instant", instants in microseconds.
"""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aegis_web.context import current_run

START = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# By job: the seconds between its fire times, and the microseconds of its first after START.
TIMES = {f"each-{1 + n % 3}-{n}": (1 + n % 3, n % 6 * 160_000) for n in range(12)}


def say(word: str) -> None:
    """Append one line; one write, so that lines of several processes do not mix."""
    run = current_run()
    fire = -1 if run.fire_time is None else (run.fire_time - EPOCH) // timedelta(microseconds=1)
    now = time.time_ns() // 1000
    line = f"{word} {run.job_name} {fire} {run.attempt} {os.getpid()} {now}\n"
    file = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def testify() -> None:
    """Works for a moment."""
    say("begin")
    time.sleep(0.01)
    say("end")


async def testify_async() -> None:
    """Waits for a moment."""
    say("begin")
    await asyncio.sleep(0.01)
    say("end")


def declare(scheduler: Any) -> None:
    """Declares jobs that are due every one to three seconds, at moments all over the second."""
    for number, (name, (seconds, offset)) in enumerate(TIMES.items()):
        function = testify_async if number % 4 == 3 else testify
        start = START + timedelta(microseconds=offset)
        scheduler.add_job(
            function, "interval", seconds=seconds, start_date=start, id=name, name=name
        )
