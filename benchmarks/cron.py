"""The next fire time of a cron rule, beside APScheduler's CronTrigger and cronsim.

    .venv/bin/python -m benchmarks.cron [--steps 3000]

Walks from fire time to fire time, so that no answer is remembered, and prints microseconds of
CPU time per step. The zone's clock changes are known, as they are in a process after its first job.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger as ApsCron
from cronsim import CronSim

from aegis_web.engine import clockchange
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)
EXPRESSIONS = ("*/5 * * * *", "30 2 * * *", "0 9 * * 1-5", "15 14 1 * *", "0 0 29 2 *")


def ours(text: str) -> Callable[[datetime], datetime | None]:
    return CronTrigger(parse(text), ZONE).next_after


def apscheduler(text: str) -> Callable[[datetime], datetime | None]:
    fields = text.split()
    minute, hour, day, month, weekday = fields
    if weekday != "*":
        weekday = "mon-fri"
    trigger = ApsCron(
        minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=ZONE
    )
    return lambda instant: trigger.get_next_fire_time(instant, instant)  # type: ignore[no-any-return]


def cronsim(text: str) -> Callable[[datetime], datetime | None]:
    return lambda instant: next(CronSim(text, instant.astimezone(ZONE)))


def microseconds(following: Callable[[datetime], datetime | None], steps: int) -> float:
    """The time of one step, walking `steps` of them, from the start again after 2090."""
    seconds, done = 0.0, 0
    while done < steps:
        clockchange._next_fire.cache_clear()  # no answer of the walk before
        instant: datetime | None = START
        began = time.process_time()
        while instant is not None and instant.year < 2090 and done < steps:
            instant = following(instant)
            done += 1
        seconds += time.process_time() - began
    return seconds / done * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    steps = parser.parse_args().steps
    microseconds(ours("7 7 * * *"), 30_000)
    print(f"{'us for each next()':<20}{'ours':>8}{'APScheduler':>14}{'cronsim':>10}{'times':>8}")
    for text in EXPRESSIONS:
        mine = microseconds(ours(text), steps)
        theirs, other = microseconds(apscheduler(text), steps), microseconds(cronsim(text), steps)
        print(f"{text:<20}{mine:8.1f}{theirs:14.1f}{other:10.1f}{theirs / mine:8.1f}")


if __name__ == "__main__":
    main()
