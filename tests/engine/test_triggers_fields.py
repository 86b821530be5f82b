"""APScheduler's cron keyword fields: its meaning, our clock changes, no half-read text."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger as ApsCron
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from aegis_web.engine.triggers import FieldsTrigger, preview
from aegis_web.errors import Invalid

ZONE = ZoneInfo("UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(trigger: FieldsTrigger, after: str, n: int = 3) -> list[str]:
    return [f"{fire:%Y-%m-%d %H:%M:%S}" for fire in preview(trigger, at(after), n)]


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of numbers that APScheduler takes."""
    number, half = st.integers(low, high), (high - low) // 2
    single = st.one_of(
        st.just("*"),
        st.integers(1, half).map(lambda n: f"*/{n}"),
        number.map(str),
        st.tuples(number, number).map(lambda p: f"{min(p)}-{max(p)}"),
        st.tuples(st.integers(low, low + half - 1), st.integers(1, half)).map(
            lambda p: f"{p[0]}/{p[1]}"
        ),
    )
    return st.lists(single, min_size=1, max_size=2).map(",".join)


WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
POSITIONS = st.tuples(
    st.sampled_from(["1st", "2nd", "3rd", "4th", "5th", "last"]), st.sampled_from(WEEKDAYS)
).map(" ".join)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "year": st.sampled_from(["*", "2026", "2026-2028", "*/2"]),
        "month": st.one_of(numbers(1, 12), st.sampled_from(["jan", "mar-jun", "feb,dec"])),
        "day": st.one_of(numbers(1, 31), POSITIONS, st.just("last"), st.just("1,last")),
        "week": st.sampled_from(["*", "1", "20-40", "*/3", "53"]),
        "day_of_week": st.one_of(
            numbers(0, 6), st.sampled_from(WEEKDAYS), st.sampled_from(["mon-fri", "sat,sun"])
        ),
        "hour": numbers(0, 23),
        "minute": numbers(0, 59),
        "second": numbers(0, 59),
    },
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(fields=FIELDS, after=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001
def test_fire_times_equal_apschedulers_where_the_clock_never_changes(
    fields: dict[str, str], after: datetime
) -> None:
    start = after.replace(tzinfo=UTC)
    assume("5th" not in fields.get("day", "") or "year" not in fields)
    try:
        theirs = ApsCron(**fields, timezone="UTC")
        ours = FieldsTrigger(fields, ZONE)
    except (ValueError, Invalid):
        reject()
    previous: datetime | None = start
    for fire in preview(ours, start, 5):
        previous = theirs.get_next_fire_time(previous, previous)
        assert fire == previous


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # left out: the lowest below the last one given, every one above it
        ({"hour": 9}, ["2026-01-01 09:00:00", "2026-01-02 09:00:00", "2026-01-03 09:00:00"]),
        ({"minute": 5}, ["2026-01-01 00:05:00", "2026-01-01 01:05:00", "2026-01-01 02:05:00"]),
        ({"month": "*/6"}, ["2026-07-01 00:00:00", "2027-01-01 00:00:00", "2027-07-01 00:00:00"]),
        ({"second": "*/30"}, ["2026-01-01 00:00:30", "2026-01-01 00:01:00", "2026-01-01 00:01:30"]),
        # 0 is Monday, and all fields must fit
        ({"day_of_week": 0}, ["2026-01-05 00:00:00", "2026-01-12 00:00:00", "2026-01-19 00:00:00"]),
        (
            {"day": 13, "day_of_week": "fri"},
            ["2026-02-13 00:00:00", "2026-03-13 00:00:00", "2026-11-13 00:00:00"],
        ),
        (
            {"day": "1st mon", "hour": 8},
            ["2026-01-05 08:00:00", "2026-02-02 08:00:00", "2026-03-02 08:00:00"],
        ),
        (
            {"day": "last", "hour": 8},
            ["2026-01-31 08:00:00", "2026-02-28 08:00:00", "2026-03-31 08:00:00"],
        ),
        ({"year": 2090, "month": 3}, ["2090-03-01 00:00:00"]),
        (
            {"week": 53, "day_of_week": "sun"},
            ["2027-01-03 00:00:00", "2033-01-02 00:00:00", "2038-01-03 00:00:00"],
        ),
    ],
)
def test_the_fields_mean_what_they_mean_in_apscheduler(
    fields: dict[str, object], expected: list[str]
) -> None:
    trigger = FieldsTrigger(fields, ZONE)  # type: ignore[arg-type]
    assert fires(trigger, "2026-01-01", len(expected)) == expected


def test_a_fixed_time_fires_once_over_each_change_of_the_clock() -> None:
    trigger = FieldsTrigger({"hour": "2", "minute": "30"}, ZoneInfo("Europe/Berlin"))
    assert fires(trigger, "2026-03-28T12:00", 2) == ["2026-03-29 01:00:00", "2026-03-30 00:30:00"]
    assert fires(trigger, "2026-10-24T12:00", 2) == ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]


def test_the_hour_left_out_is_a_wildcard_that_follows_the_clock() -> None:
    trigger = FieldsTrigger({"minute": "30"}, ZoneInfo("Europe/Berlin"))
    assert fires(trigger, "2026-10-25T00:00", 2) == ["2026-10-25 00:30:00", "2026-10-25 01:30:00"]


def test_seconds_of_years_are_counted_and_not_walked() -> None:
    trigger = FieldsTrigger({"second": "*"}, ZoneInfo("Europe/Berlin"))
    start, end = at("2016-01-01"), at("2026-01-01")
    assert trigger.count_between(start, end) == (end - start) // timedelta(seconds=1)
    assert trigger.last_between(start, end, 2) == [end - timedelta(seconds=1), end]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hour": 9, "minute": 0}, "Every day at 09:00"),
        ({"hour": 6, "minute": 30}, "Every day at 06:30"),
        ({"day_of_week": "mon", "hour": 8}, "Every Monday at 08:00"),
        ({"day_of_week": "mon-fri", "hour": 8}, "At 08:00, Monday to Friday"),
        ({"minute": "*/5"}, "Every 5 minutes"),
        ({"second": "*/10"}, "Every 10 seconds"),
        ({"second": "*"}, "Every second"),
        ({"second": 30}, "Every minute at second 30"),
        ({"second": "5,7"}, "At seconds 5 and 7 of every minute"),
        ({"hour": 3, "second": 15}, "Every minute from 03:00 to 03:59, at second 15"),
        ({"hour": 3, "minute": 0, "second": 15}, "Every day at 03:00:15"),
        (
            {"hour": "9-17", "minute": "*/15", "second": "*/20"},
            "Every 20 seconds in these minutes: every 15 minutes from 09:00 to 17:45",
        ),
        ({"day": "last", "hour": 8}, "On the last day of every month at 08:00"),
        ({"day": "2nd tue", "hour": 8}, "On the second Tuesday of every month at 08:00"),
        (
            {"day": "13", "day_of_week": "fri"},
            "Every Friday that falls on the 13th of the month, at 00:00",
        ),
        ({"week": "1-3", "day_of_week": "mon"}, "Every Monday at 00:00, in ISO weeks 1 to 3"),
        ({"year": 2027, "month": 3, "day": 1}, "On 1 March at 00:00, in 2027"),
    ],
)
def test_words(fields: dict[str, object], words: str) -> None:
    assert FieldsTrigger(fields, ZONE).words() == words  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"hour": "24"}, "hour", "24 is above 23"),
        ({"day_of_week": "7"}, "day_of_week", "0 (Monday) to 6 (Sunday)"),
        ({"day_of_week": "foo"}, "day_of_week", '"foo" is none of mon'),
        ({"month": "0"}, "month", "0 is below 1"),
        ({"day": "6th mon"}, "day", '"6th mon" is not understood'),
        ({"day": "1st foo"}, "day", '"1st foo" is not understood'),
        ({"hour": True}, "hour", "not bool"),
        ({"hour": 9.5}, "hour", "not float"),
        ({"minute": [0, 30]}, "minute", "not list"),
        ({"hour": ""}, "hour", "nothing"),
        ({"hour": "1," * 101}, "hour", "more than 200 characters"),
        ({"hours": 9}, "hours", "There are: year, month, day, week"),
        ({"month": 2, "day": 30}, "fields", "never fire"),
        ({"year": "2025-2027", "month": 2, "day": 29}, "fields", "never fire"),
        ({"year": "1970-9999", "month": 2, "day": 30}, "fields", "never fire"),
    ],
)
def test_it_refuses_and_names_the_field(fields: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        FieldsTrigger(fields, ZONE)  # type: ignore[arg-type]
    assert words in refusal.value.errors[field]


def test_equal_fields_make_equal_triggers() -> None:
    one = FieldsTrigger({"minute": 0, "hour": 9}, ZONE)  # type: ignore[dict-item]
    other = FieldsTrigger({"hour": "9", "minute": "0"}, ZONE)
    assert one == other
    assert hash(one) == hash(other)
    assert one.to_json() == other.to_json()
    assert one != FieldsTrigger({"hour": "9", "minute": "1"}, ZONE)
