"""What a change of the clock does to a trigger, in words; the rules are those of docs/cron.md."""

from datetime import UTC, datetime, timedelta

import pytest

from aegis_web.engine.clockmarks import clock_marks, coming_change
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    IntervalTrigger,
    Trigger,
    preview,
    zone_named,
)

BERLIN = zone_named("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the day before clocks go forward
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the day before they go back
SUMMER = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=366)


def cron(text: str, zone: str = "Europe/Berlin") -> CronTrigger:
    return CronTrigger(parse(text), zone_named(zone))


def every(number: int, unit: str) -> IntervalTrigger:
    return IntervalTrigger(number, unit, datetime(2026, 1, 4, 1, 30, tzinfo=UTC), BERLIN)


def marked(trigger: Trigger, now: datetime) -> dict[str, str]:
    """The marks beside the next 40 fire times, by time on the clock."""
    times = preview(trigger, now, 40)
    marks = clock_marks(trigger, now, times)
    assert list(marks) == [time for time in times if time in marks]
    return {
        f"{time.astimezone(trigger.zone):%H:%M}": marks[time].words(time)
        for time in times
        if time in marks and marks[time].moved
    }


@pytest.mark.parametrize(
    ("text", "spring", "autumn"),
    [
        (
            "30 2 * * *",
            {"03:00": "clocks go forward at 02:00: runs at 03:00 instead of 02:30"},
            {"02:30": "clocks go back at 03:00: runs once, at the first 02:30"},
        ),
        (
            "0 2,3 * * *",
            {"03:00": "clocks go forward at 02:00: runs once, at 03:00"},
            {"02:00": "clocks go back at 03:00: runs once, at the first 02:00"},
        ),
        (
            "*/30 2 * * *",
            {
                "02:00": "clocks go forward on Sunday 29 March 2026 at 02:00: no runs from 02:00 "
                "to 03:00, which does not come"
            },
            {"02:00": "clocks go back at 03:00: runs again from 02:00 to 03:00, which comes twice"},
        ),
        (
            "5 */2 * * *",
            {"04:05": "clocks go forward at 02:00: no run at 02:05, which does not come"},
            {"02:05": "clocks go back at 03:00: runs again, at the second 02:05"},
        ),
        ("0 * * * *", {}, {}),
        ("0 9 * * 1-5", {}, {}),
    ],
)
def test_fire_times_that_a_change_moves_say_so(
    text: str, spring: dict[str, str], autumn: dict[str, str]
) -> None:
    assert marked(cron(text), SPRING) == spring
    assert marked(cron(text), AUTUMN) == autumn


def test_intervals_of_hours_move_on_the_clock_and_those_of_days_do_not() -> None:
    later = "clocks go forward at 02:00: 1h later by the clock from here on"
    assert marked(every(12, "hours"), SPRING) == {"03:30": later}
    assert marked(every(15, "minutes"), SPRING) == {}
    moved = "clocks go forward at 02:00: runs at 03:00 instead of 02:30"
    assert marked(every(1, "days"), SPRING) == {"03:00": moved}


def test_a_time_that_comes_twice_says_which_it_is() -> None:
    once = DateTrigger(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), BERLIN)
    assert marked(once, AUTUMN) == {"02:30": "clocks go back at 03:00: this is the first 02:30"}
    assert coming_change(once, once.at, SUMMER + YEAR) is None


def test_the_first_fire_time_after_a_change_says_that_it_is_as_ever() -> None:
    trigger = cron("0 9 * * *")
    times = preview(trigger, SPRING, 10)
    ((time, mark),) = clock_marks(trigger, SPRING, times).items()
    assert (time, mark.moved) == (times[0], False)
    assert mark.words(time) == "clocks go forward at 02:00: still at 09:00"


def test_a_change_that_comes_later_is_told_where_it_moves_something() -> None:
    autumn = "Clocks go back on Sunday 25 October 2026 at 03:00: runs once, at the first 02:30."
    assert coming_change(cron("30 2 * * *"), SUMMER, SUMMER + YEAR) == autumn
    spring = coming_change(cron("30 2 28 3 *"), SUMMER, SUMMER + YEAR)
    assert spring is not None
    assert spring.startswith("Clocks go forward on Sunday 28 March 2027 at 02:00")
    for trigger in (cron("0 9 * * *"), cron("30 2 * * *", "UTC"), cron("0 * * * *")):
        assert coming_change(trigger, SUMMER, SUMMER + YEAR) is None


def test_what_lies_before_the_start_or_after_the_end_is_not_told() -> None:
    plain = cron("30 2 * * *")
    november = datetime(2026, 11, 1, tzinfo=UTC)
    begins = CronTrigger(plain.expression, BERLIN, starts_at=november)
    told = coming_change(begins, SUMMER, SUMMER + YEAR)
    assert told is not None
    assert "28 March 2027" in told
    ends = CronTrigger(plain.expression, BERLIN, ends_at=SUMMER + timedelta(days=60))
    assert coming_change(ends, SUMMER, SUMMER + YEAR) is None
