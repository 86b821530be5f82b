"""Cron against a walk over every minute that shares no code with it, and against cronsim."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from aegis_web.engine.cron import CronError, CronExpression, parse

MINUTE = timedelta(minutes=1)
DAYS = 6  # of each window; the change lies in its middle

CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # half an hour back
    ("Australia/Lord_Howe", "2026-10-03T15:30"),  # half an hour on
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),  # midnight is skipped
    ("America/Sao_Paulo", "2019-02-17T02:00"),  # the hour before midnight comes twice
    ("Pacific/Apia", "2011-12-30T10:00"),  # a whole day is skipped
    ("America/Juneau", "1983-10-30T10:00"),  # two hours back
    ("Asia/Pyongyang", "2018-05-04T15:00"),  # half an hour on, for good
    ("UTC", "2026-02-28T12:00"),
]
CRONSIM_IS_WRONG = (
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # it moves by whole hours
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),  # `* 0 * * *` fires at 01:00
    ("Pacific/Apia", "2011-12-30T10:00"),
)


@dataclass(frozen=True)
class Written:
    """A field as text, with what the text means."""

    text: str
    values: frozenset[int]


@lru_cache
def minutes_around(zone_name: str, change: str) -> list[tuple[datetime, datetime]]:
    """(instant, what the clock shows) of each minute of the window."""
    zone = ZoneInfo(zone_name)
    start = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=DAYS / 2)
    instants = [start + MINUTE * n for n in range(DAYS * 1440)]
    return [(instant, instant.astimezone(zone).replace(tzinfo=None)) for instant in instants]


def walk(fields: list[Written], zone: str, change: str) -> list[datetime]:
    """The fire times in the window but not at its start, minute by minute as cron(8) has it."""
    minute, hour, dom, month, dow = fields
    both = dom.text.startswith("*") or dow.text.startswith("*")
    wildcard = minute.text.startswith("*") or hour.text.startswith("*")
    weekdays = {value % 7 for value in dow.values}

    def matches(wall: datetime) -> bool:
        if wall.minute not in minute.values or wall.hour not in hour.values:
            return False
        by_date, by_weekday = wall.day in dom.values, wall.isoweekday() % 7 in weekdays
        fits = (by_date and by_weekday) if both else (by_date or by_weekday)
        return fits and wall.month in month.values

    found = []
    minutes = minutes_around(zone, change)
    highest = minutes[0][1]
    for instant, wall in minutes[1:]:
        if wildcard or wall == highest + MINUTE:
            fires = matches(wall)
        else:  # all that the clock went past since it was last this far
            gap = (wall - highest) // MINUTE
            fires = any(matches(highest + MINUTE * n) for n in range(1, gap + 1))
        if fires:
            found.append(instant)
        highest = max(highest, wall)
    return found


def field(low: int, high: int, names: list[str] | None = None) -> st.SearchStrategy[Written]:
    """Any field from `low` to `high` that crontab(5) allows, and wrapping ranges of names."""
    number = st.integers(low, high)
    step = st.integers(1, high + 5)
    pair = st.tuples(number, number).map(sorted)
    kinds: list[st.SearchStrategy[Written]] = [
        number.map(lambda a: Written(str(a), frozenset({a}))),
        step.map(lambda n: Written(f"*/{n}", frozenset(range(low, high + 1, n)))),
        pair.map(lambda p: Written(f"{p[0]}-{p[1]}", frozenset(range(p[0], p[1] + 1)))),
        st.tuples(number, step).map(
            lambda p: Written(f"{p[0]}/{p[1]}", frozenset(range(p[0], high + 1, p[1])))
        ),
        st.tuples(pair, step).map(
            lambda p: Written(
                f"{p[0][0]}-{p[0][1]}/{p[1]}", frozenset(range(p[0][0], p[0][1] + 1, p[1]))
            )
        ),
    ]
    if names:
        kinds.append(
            st.tuples(st.sampled_from(names), st.sampled_from(names)).map(named(names, low))
        )
    part = st.one_of(kinds)
    listed = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: Written(
            ",".join(part.text for part in parts), frozenset().union(*(p.values for p in parts))
        )
    )
    everything = st.just(Written("*", frozenset(range(low, high + 1))))
    return st.one_of(everything, listed)


def named(names: list[str], low: int):  # type: ignore[no-untyped-def]
    def written(ends: tuple[str, str]) -> Written:
        values, index = set(), names.index(ends[0])
        while True:
            values.add(low + index)
            if names[index] == ends[1]:
                return Written(f"{ends[0]}-{ends[1]}".title(), frozenset(values))
            index = (index + 1) % len(names)

    return written


MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
EXPRESSIONS = st.tuples(
    field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 7, WEEKDAYS)
).map(list)
EVERY_DAY = st.tuples(
    field(0, 59),
    field(0, 23),
    st.just(Written("*", frozenset(range(1, 32)))),
    st.just(Written("*", frozenset(range(1, 13)))),
    st.just(Written("*", frozenset(range(8)))),
).map(list)


def text_of(fields: list[Written]) -> str:
    return " ".join(field.text for field in fields)


def all_after(text: str, zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    expression, instant = parse(text), start
    while (following := expression.next_after(instant, zone)) is not None:
        yield following
        instant = following


def usable(text: str) -> CronExpression:
    """The expression, unless it is refused for the one reason that a random one can have."""
    try:
        return parse(text)
    except CronError as error:
        if "never fires" not in str(error):
            raise
        return reject()


def until(fires: Iterator[datetime], end: datetime) -> list[datetime]:
    found = []
    for fire in fires:
        if fire > end:
            break
        found.append(fire)
    return found


@pytest.mark.parametrize(("zone_name", "change"), CHANGES)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(fields=st.one_of(EXPRESSIONS, EVERY_DAY), data=st.data())
def test_fire_times_counts_and_newest_equal_a_walk_over_every_minute(
    zone_name: str, change: str, fields: list[Written], data: st.DataObject
) -> None:
    text = text_of(fields)
    expression = usable(text)
    zone = ZoneInfo(zone_name)
    window = minutes_around(zone_name, change)
    start, end = window[0][0], window[-1][0]
    expected = walk(fields, zone_name, change)

    assert until(all_after(text, zone, start), end) == expected

    edges = st.integers(0, len(window) * 60 - 60)
    first, last = sorted(data.draw(st.tuples(edges, edges)))
    low, high = start + timedelta(seconds=first), start + timedelta(seconds=last)
    inside = [fire for fire in expected if low < fire <= high]
    limit = data.draw(st.integers(1, 30))
    assert expression.count(low, high, zone) == len(inside)
    assert expression.last(low, high, zone, limit) == inside[-limit:]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    fields=EXPRESSIONS,
    change=st.sampled_from([c for c in CHANGES if c not in CRONSIM_IS_WRONG]),
)
def test_fire_times_equal_cronsim_where_cronsim_is_right(
    fields: list[Written], change: tuple[str, str]
) -> None:
    """Besides those changes `a-a/n` is left out, which it reads as `a/n`; and wrapping names."""
    text = text_of(fields)
    for part in text.replace(",", " ").split():
        ends = part.split("/")[0].split("-")
        assume(not ("/" in part and len(ends) == 2 and ends[0] == ends[1]))
    zone = ZoneInfo(change[0])
    start = minutes_around(*change)[0][0]
    usable(text)
    try:
        theirs = CronSim(text, start.astimezone(zone))
    except CronSimError:
        reject()
    expected = [fire.astimezone(UTC) for fire in islice(theirs, 15)]
    assert list(islice(all_after(text, zone, start), 15)) == expected
