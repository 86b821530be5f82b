"""Interval triggers: anchored, elapsed below a day, wall-clock time from a day up."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_web.engine.triggers import IntervalTrigger, preview
from aegis_web.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(trigger: IntervalTrigger, after: str, n: int) -> list[str]:
    return [f"{fire:%m-%d %H:%M}" for fire in preview(trigger, at(after), n)]


def test_the_anchor_itself_is_a_fire_time_and_nothing_comes_before_it() -> None:
    trigger = IntervalTrigger(4, "hours", at("2026-01-01T06:30"), BERLIN)
    assert fires(trigger, "2020-01-01", 3) == ["01-01 06:30", "01-01 10:30", "01-01 14:30"]
    assert trigger.next_after(at("2026-01-01T06:30")) == at("2026-01-01T10:30")
    assert trigger.count_between(at("2020-01-01"), at("2026-01-01T06:30")) == 1
    assert trigger.count_between(at("2020-01-01"), at("2026-01-01T06:29")) == 0


def test_hours_are_elapsed_time_over_a_change_of_the_clock() -> None:
    trigger = IntervalTrigger(12, "hours", at("2026-03-28T00:00"), BERLIN)
    assert fires(trigger, "2026-03-28T12:00", 3) == ["03-29 00:00", "03-29 12:00", "03-30 00:00"]


@pytest.mark.parametrize(
    ("anchor", "after", "expected"),
    [
        # 06:30 in Berlin, before and after the change
        ("2026-03-20T05:30", "2026-03-28T04:00", ["03-28 05:30", "03-29 04:30", "03-30 04:30"]),
        ("2026-10-20T04:30", "2026-10-24T04:00", ["10-24 04:30", "10-25 05:30", "10-26 05:30"]),
        # 02:30, which is skipped on 29 March and comes twice on 25 October
        ("2026-03-20T01:30", "2026-03-28T00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("2026-10-20T00:30", "2026-10-24T00:00", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
    ],
)
def test_days_keep_the_time_of_day(anchor: str, after: str, expected: list[str]) -> None:
    assert fires(IntervalTrigger(1, "days", at(anchor), BERLIN), after, 3) == expected


def test_weeks_keep_weekday_and_time_of_day() -> None:
    trigger = IntervalTrigger(2, "weeks", at("2026-03-16T08:00"), BERLIN)
    assert fires(trigger, "2026-03-16T08:00", 2) == ["03-30 07:00", "04-13 07:00"]


def test_an_anchor_on_the_second_pass_fires_there_and_later_days_on_the_first() -> None:
    trigger = IntervalTrigger(1, "days", at("2026-10-25T01:30"), BERLIN)
    assert fires(trigger, "2026-10-24", 2) == ["10-25 01:30", "10-26 01:30"]
    assert trigger.count_between(at("2026-10-24"), at("2026-10-26T01:30")) == 2


def test_two_days_that_fall_on_one_instant_are_one_fire_time() -> None:
    trigger = IntervalTrigger(1, "days", at("2011-12-28T10:00"), ZoneInfo("Pacific/Apia"))
    assert fires(trigger, "2011-12-29", 3) == ["12-29 10:00", "12-30 10:00", "12-31 10:00"]
    assert trigger.count_between(at("2011-12-29"), at("2011-12-31T10:00")) == 3


def test_limits_hold_and_both_ends_are_included() -> None:
    trigger = IntervalTrigger(
        1,
        "hours",
        at("2026-01-01T00:00"),
        BERLIN,
        starts_at=at("2026-01-02T00:00"),
        ends_at=at("2026-01-02T02:00"),
    )
    assert fires(trigger, "2025-01-01", 9) == ["01-02 00:00", "01-02 01:00", "01-02 02:00"]
    assert trigger.count_between(at("2025-01-01"), at("2027-01-01")) == 3
    assert trigger.last_between(at("2025-01-01"), at("2027-01-01"), 2) == [
        at("2026-01-02T01:00"),
        at("2026-01-02T02:00"),
    ]
    assert trigger.next_after(at("2026-01-02T02:00")) is None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    every=st.integers(1, 400),
    unit=st.sampled_from(["seconds", "minutes", "hours", "days", "weeks"]),
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
    anchor=st.datetimes(datetime(2011, 12, 20), datetime(2012, 1, 5)),  # noqa: DTZ001 - made aware
    ahead=st.integers(0, 40),
    limit=st.integers(1, 50),
)
def test_count_and_newest_equal_walking(
    every: int, unit: str, zone: str, anchor: datetime, ahead: int, limit: int
) -> None:
    trigger = IntervalTrigger(every, unit, anchor.replace(tzinfo=UTC), ZoneInfo(zone))
    walked = preview(trigger, trigger.anchor - timedelta(days=1), 60)
    assert walked == sorted(set(walked))
    assert walked[0] == trigger.anchor
    after, until = walked[ahead], walked[ahead + 15] + timedelta(microseconds=1)
    assert trigger.count_between(after, until) == 15
    assert trigger.last_between(after, until, limit) == walked[ahead + 1 : ahead + 16][-limit:]


def test_a_backlog_of_years_of_seconds_is_counted_and_not_walked() -> None:
    trigger = IntervalTrigger(1, "seconds", at("2000-01-01"), BERLIN)
    until = at("2026-01-01")
    assert trigger.count_between(at("2000-01-01"), until) == 820_540_800
    assert trigger.last_between(at("2000-01-01"), until, 2) == [
        until - timedelta(seconds=1),
        until,
    ]


@pytest.mark.parametrize(
    ("every", "unit", "words"),
    [
        (30, "minutes", "Every 30 minutes"),
        (1, "minutes", "Every minute"),
        (2, "hours", "Every 2 hours"),
        (1, "seconds", "Every second"),
        (1, "days", "Every day at 06:30"),
        (2, "days", "Every 2 days at 06:30"),
        (1, "weeks", "Every week on Thursday at 06:30"),
        (3, "weeks", "Every 3 weeks on Thursday at 06:30"),
    ],
)
def test_words(every: int, unit: str, words: str) -> None:
    assert IntervalTrigger(every, unit, at("2026-01-01T05:30"), BERLIN).words() == words


@pytest.mark.parametrize("every", [0, -1, 3651, 10**12, True, 1.5, "2", None])
def test_it_refuses_a_length_that_cannot_be(every: object) -> None:
    with pytest.raises(Invalid) as refusal:
        IntervalTrigger(every, "days", at("2026-01-01"), BERLIN)  # type: ignore[arg-type]
    assert refusal.value.errors == {"every": "Every must be a whole number from 1 to 3,650 days."}


def test_it_refuses_an_unknown_unit_an_end_before_the_start_and_a_time_without_zone() -> None:
    with pytest.raises(Invalid, match="seconds, minutes, hours, days, weeks"):
        IntervalTrigger(1, "fortnights", at("2026-01-01"), BERLIN)
    with pytest.raises(Invalid, match="ends_at: The end lies before the start"):
        IntervalTrigger(1, "days", at("2026-01-01"), BERLIN, at("2026-02-01"), at("2026-01-31"))
    with pytest.raises(Invalid, match="anchor: "):
        IntervalTrigger(1, "days", datetime(2026, 1, 1), BERLIN)  # noqa: DTZ001 - the point
