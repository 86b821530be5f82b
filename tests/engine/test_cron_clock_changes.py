"""Cron over changes of the clock, by instants worked out by hand."""

# ruff: noqa: E501 - the table reads better with a case on each line

import struct
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine import clockchange
from aegis_web.engine.cron import parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(text: str, zone: str, after: str, until: str) -> list[str]:
    expression, found = parse(text), []
    instant = expression.next_after(at(after), ZoneInfo(zone))
    while instant is not None and instant <= at(until):
        found.append(f"{instant:%m-%d %H:%M}")
        instant = expression.next_after(instant, ZoneInfo(zone))
    assert expression.count(at(after), at(until), ZoneInfo(zone)) == len(found)
    return found


@pytest.mark.parametrize(
    ("zone", "text", "after", "until", "expected"),
    [
        # Berlin: on 29 March 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00
        ("Europe/Berlin", "30 2 * * *", "2026-03-28", "2026-03-31", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("Europe/Berlin", "0,30 2 * * *", "2026-03-28T12:00", "2026-03-29T12:00", ["03-29 01:00"]),
        ("Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00", "2026-03-29T12:00", ["03-29 01:00"]),
        ("Europe/Berlin", "*/30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["03-30 00:00", "03-30 00:30"]),
        ("Europe/Berlin", "0 */2 * * *", "2026-03-28T22:00", "2026-03-29T03:00", ["03-28 23:00", "03-29 02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24", "2026-10-27", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("Europe/Berlin", "*/30 2 * * *", "2026-10-24T12:00", "2026-10-25T12:00", ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"]),
        ("Europe/Berlin", "0 * * * *", "2026-10-24T23:30", "2026-10-25T02:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("Europe/Berlin", "0 0-23 * * *", "2026-10-24T23:30", "2026-10-25T02:30", ["10-25 00:00", "10-25 02:00"]),
        # New York: 8 March and 1 November
        ("America/New_York", "30 2 * * *", "2026-03-07", "2026-03-10", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        ("America/New_York", "30 1 * * *", "2026-10-31", "2026-11-03", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
        ("America/New_York", "30 */1 * * *", "2026-11-01T04:45", "2026-11-01T07:45", ["11-01 05:30", "11-01 06:30", "11-01 07:30"]),
        # Lord Howe moves by half an hour: 4 October 02:00 -> 02:30, 5 April 02:00 -> 01:30
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-02", "2026-10-05", ["10-02 15:45", "10-03 15:30", "10-04 15:15"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-03", "2026-04-06", ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
        ("Australia/Lord_Howe", "*/15 1 * * *", "2026-04-04T13:55", "2026-04-04T16:00", ["04-04 14:00", "04-04 14:15", "04-04 14:30", "04-04 14:45", "04-04 15:00", "04-04 15:15"]),
        ("Australia/Lord_Howe", "* 9 * * *", "2024-10-05T12:00", "2024-10-05T22:02", ["10-05 22:00", "10-05 22:01", "10-05 22:02"]),
        # Casablanca leaves its summer time for Ramadan: 15 February to 22 March
        ("Africa/Casablanca", "30 2 * * *", "2026-02-14", "2026-02-17", ["02-14 01:30", "02-15 01:30", "02-16 02:30"]),
        ("Africa/Casablanca", "30 2 * * *", "2026-03-21", "2026-03-24", ["03-21 02:30", "03-22 02:00", "03-23 01:30"]),
        # Sao Paulo has no change in 2026; in 2018 the midnight of 4 November was skipped
        ("America/Sao_Paulo", "30 2 * * *", "2026-10-17", "2026-10-19", ["10-17 05:30", "10-18 05:30"]),
        ("America/Sao_Paulo", "0 0 * * *", "2018-11-03", "2018-11-06", ["11-03 03:00", "11-04 03:00", "11-05 02:00"]),
        ("America/Sao_Paulo", "30 0 * * *", "2018-11-03", "2018-11-06", ["11-03 03:30", "11-04 03:00", "11-05 02:30"]),
        # Apia has no change in 2026; in 2011 it had no 30 December at all
        ("Pacific/Apia", "30 2 * * *", "2026-09-26", "2026-09-28", ["09-26 13:30", "09-27 13:30"]),
        ("Pacific/Apia", "30 2 * * *", "2011-12-29", "2012-01-01", ["12-29 12:30", "12-30 10:00", "12-30 12:30", "12-31 12:30"]),
        ("Pacific/Apia", "0 0 * * *", "2011-12-29", "2012-01-01", ["12-29 10:00", "12-30 10:00", "12-31 10:00"]),
        ("Pacific/Apia", "0 12 30 12 *", "2011-12-01", "2012-12-01", ["12-30 10:00"]),
        ("Pacific/Apia", "0 */12 30 12 *", "2011-12-01", "2012-12-01", []),
    ],
)  # fmt: skip
def test_fire_times_around_a_change(
    zone: str, text: str, after: str, until: str, expected: list[str]
) -> None:
    assert fires(text, zone, after, until) == expected


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Pacific/Apia"])
def test_a_year_without_a_change_has_each_daily_time_once(zone: str) -> None:
    start, end = at("2026-01-01"), at("2027-01-01")
    assert parse("30 2 * * *").count(start, end, ZoneInfo(zone)) == 365
    assert parse("*/15 * * * *").count(start, end, ZoneInfo(zone)) == 365 * 96


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_a_fixed_time_fires_once_on_every_day_of_a_year_with_changes(zone: str) -> None:
    start, end = at("2026-01-01"), at("2027-01-01")
    for text in ("45 1 * * *", "15 2 * * *", "0 3 * * *"):
        assert parse(text).count(start, end, ZoneInfo(zone)) == 365


def test_a_year_of_minutes_is_counted_exactly() -> None:
    start, end = at("2026-01-01"), at("2027-01-01")
    for zone in ("UTC", "Europe/Berlin", "Australia/Lord_Howe"):
        assert parse("* * * * *").count(start, end, ZoneInfo(zone)) == 525_600
    assert parse("* * * * *").count(start, start, ZoneInfo("UTC")) == 0
    assert parse("* * * * *").count(end, start, ZoneInfo("UTC")) == 0


def test_the_second_pass_is_found_from_within_the_first_even_when_the_next_match_is_far() -> None:
    yearly = parse("*/20 2 25 10 *")
    first_pass = at("2026-10-25T00:40")
    assert yearly.next_after(first_pass, ZoneInfo("Europe/Berlin")) == at("2026-10-25T01:00")


def test_the_newest_fire_times_come_oldest_first_from_a_long_range() -> None:
    start, end, zone = at("1976-01-01"), at("2026-01-01"), ZoneInfo("Europe/Berlin")
    newest = parse("* * * * *").last(start, end, zone, 3)
    assert newest == [end - timedelta(minutes=2), end - timedelta(minutes=1), end]
    assert parse("0 0 29 2 */7").last(start, end, zone, 5) == [
        at("1976-02-28T23:00"),
        at("2004-02-28T23:00"),
    ]
    assert parse("* * * * *").last(start, end, zone, 0) == []
    assert parse("* * * * *").last(end, start, zone, 5) == []


@pytest.mark.parametrize(
    ("zone", "year", "expected"),
    [
        ("America/Recife", 2000, ["2000-02-27T02:00", "2000-10-08T03:00", "2000-10-15T02:00"]),
        ("Pacific/Apia", 2011, ["2011-04-02T14:00", "2011-09-24T14:00", "2011-12-30T10:00"]),
    ],
)
def test_changes_that_lie_close_together_are_all_seen(
    zone: str, year: int, expected: list[str]
) -> None:
    def us(text: str) -> int:
        return clockchange.to_us(at(text))

    changes = clockchange.changes_between(
        ZoneInfo(zone), us(f"{year}-02-01"), us(f"{year}-12-31T23:00")
    )
    assert [f"{clockchange.from_us(change[0]):%Y-%m-%dT%H:%M}" for change in changes] == expected


def offset_changes(data: bytes) -> list[int]:
    """The seconds at which a compiled zone file (RFC 8536) changes the offset."""

    def counts(start: int) -> tuple[int, ...]:
        return struct.unpack(">6l", data[start + 20 : start + 44])

    utc_flags, std_flags, leaps, times, types, letters = counts(0)
    second = 44 + times * 5 + types * 6 + letters + leaps * 8 + std_flags + utc_flags
    _, _, _, times, types, _ = counts(second)
    start = second + 44
    instants = struct.unpack(f">{times}q", data[start : start + 8 * times])
    kinds = data[start + 8 * times : start + 9 * times]
    first_type = start + 9 * times
    offsets = [struct.unpack_from(">l", data, first_type + 6 * n)[0] for n in range(types)]
    shown = [offsets[0], *(offsets[kind] for kind in kinds)]
    changed = zip(instants, pairwise(shown), strict=True)
    return [instant for instant, (before, after) in changed if before != after]


def test_no_zone_changes_its_clock_twice_within_a_sample() -> None:
    zones = files("tzdata").joinpath("zones").read_text().split()
    assert len(zones) > 400
    for name in zones:
        changes = offset_changes(files("tzdata").joinpath("zoneinfo", name).read_bytes())
        for earlier, later in pairwise(changes):
            assert (later - earlier) * 1_000_000 > clockchange.SAMPLE, name
