"""The fire times to come, held against the triggers themselves, one fire time after the other."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine.blackouts import Blackout
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
)
from aegis_web.forecast import streams
from aegis_web.forecast.streams import (
    DAYS,
    Expectation,
    Fires,
    Source,
    Stream,
    Walk,
    beginning,
    source_of,
    streams_of,
)

NOW = datetime(2026, 10, 22, 9, 7, 13, 250_000, tzinfo=UTC)  # Berlin's clock goes back on the 25th
START, END = beginning(NOW), beginning(NOW) + timedelta(days=DAYS)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
FREEZE = Blackout("Freeze", NOW + 20 * HOUR, NOW + 50.5 * HOUR)
JOB = Expectation(1, None, "skip", 1)
TRIGGERS: dict[str, Trigger] = {
    "nightly": CronTrigger(parse("30 2 * * *"), BERLIN),
    "often": CronTrigger(parse("*/7 8-18 * * 1-5"), BERLIN),
    "minutely": CronTrigger(parse("* * * * *"), BERLIN),
    "seconds": IntervalTrigger(7, "seconds", NOW - 31 * HOUR, BERLIN),
    "interval": IntervalTrigger(90, "seconds", NOW + HOUR, BERLIN, ends_at=NOW + 70 * HOUR),
    "days": IntervalTrigger(2, "days", NOW - 100 * HOUR, BERLIN),
    "fields": FieldsTrigger({"hour": "*/5", "minute": "3", "second": "*/20"}, BERLIN),
    "once": DateTrigger(NOW + 30 * HOUR, BERLIN),
}


def cron(text: str, seed: str = "") -> CronTrigger:
    return CronTrigger(parse(text, seed), BERLIN)


def walked(trigger: Trigger, blackouts: Sequence[Blackout] = ()) -> list[datetime]:
    """The fire times of a trigger from now to the end, one after the other."""

    def following() -> Counter[datetime]:
        at = trigger.next_after(NOW)
        while at is not None:
            yield at
            at = trigger.next_after(at)

    times = takewhile(lambda at: at < END, following())
    return [at for at in times if not any(each.holds(at) for each in blackouts)]


def fires(source: Source, blackouts: Sequence[Blackout] = ()) -> Fires:
    return Walk(START).fires(Stream(source, [JOB]), blackouts)


def times_of(found: Fires) -> list[datetime]:
    return [START + second * SECOND for second in found.seconds]


@pytest.mark.parametrize("blackouts", [(), (FREEZE,)], ids=["always", "freeze"])
@pytest.mark.parametrize("name", TRIGGERS)
def test_they_are_those_of_the_trigger_without_the_forbidden_ones(
    name: str, blackouts: Sequence[Blackout]
) -> None:
    trigger = TRIGGERS[name]
    expected = walked(trigger, blackouts)
    found = fires(Source(trigger, NOW), blackouts)
    assert found.total == len(expected)
    if found.seconds:
        assert times_of(found) == [at - (at - START) % SECOND for at in expected]
    elif expected:
        quarters = Counter((at - START) // timedelta(minutes=15) for at in expected)
        assert list(found.counts) == [quarters[place] for place in range(DAYS * 96)]


def test_beyond_the_budget_they_are_counted_by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BUDGET", 10)
    found = fires(Source(TRIGGERS["often"], NOW), [FREEZE])
    by_day = Counter((at - START).days for at in walked(TRIGGERS["often"], [FREEZE]))
    assert found.rough
    assert list(found.counts) == [by_day[day] for day in range(DAYS)]


def test_a_fire_time_set_by_hand_comes_before_those_of_the_trigger() -> None:
    trigger = TRIGGERS["nightly"]
    by_hand = NOW + 40 * HOUR
    source = source_of(trigger, by_hand, NOW, calendar_id=None)
    late = [at for at in walked(trigger) if at > by_hand]
    assert times_of(fires(source))[1:] == late
    assert times_of(fires(source))[0] == by_hand - (by_hand - START) % SECOND
    assert times_of(fires(source, [FREEZE])) == [at for at in late if not FREEZE.holds(at)]


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_fire_time_that_is_to_be_skipped_is_none(by_hand: bool) -> None:
    trigger = TRIGGERS["nightly"]
    due = NOW + HOUR if by_hand else walked(trigger)[0]
    source = source_of(trigger, due, NOW, calendar_id=None, skips=(due,))
    assert times_of(fires(source)) == [at for at in walked(trigger) if at > due]


def test_jobs_that_fire_together_are_one_stream() -> None:
    def number(*triggers: Trigger) -> int:
        return len(streams_of([(Source(each, NOW), JOB) for each in triggers], START))

    def every(seconds: int, later: timedelta) -> Trigger:
        return IntervalTrigger(seconds, "seconds", START - 100 * HOUR + later, BERLIN)

    assert number(cron("0 2 * * *"), cron("00 2 * * *")) == 1
    assert number(cron("0 2 * * *"), CronTrigger(parse("0 2 * * *"), ZoneInfo("UTC"))) == 2
    assert number(*(cron("H/5 * * * *", str(seed)) for seed in range(100))) == 5
    assert number(every(90, 0 * SECOND), every(90, 900 * SECOND), every(90, SECOND / 3)) == 1
    assert number(every(90, 0 * SECOND), every(90, SECOND), every(60, SECOND)) == 3
    assert number(TRIGGERS["fields"], TRIGGERS["once"], TRIGGERS["days"]) == 3
