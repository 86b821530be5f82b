"""The periods of a blackout calendar over every kind of clock change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis_web.engine.blackouts import Blackout, blackout_at, instant_of, read_blackouts

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


def read(*periods: tuple[str, str, str], zone: ZoneInfo = BERLIN) -> tuple[Blackout, ...]:
    return read_blackouts(
        [dict(zip(("name", "from", "until"), p, strict=True)) for p in periods], zone
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_start_is_part_of_a_period_and_the_end_is_not() -> None:
    blackouts = read(("Christmas", "2026-12-24T00:00", "2026-12-27T00:00"))
    assert blackout_at(blackouts, at("2026-12-23T22:59:59")) is None
    assert blackout_at(blackouts, at("2026-12-23T23:00")) == "Christmas"
    assert blackout_at(blackouts, at("2026-12-26T22:59:59.999999")) == "Christmas"
    assert blackout_at(blackouts, at("2026-12-26T23:00")) is None


def test_the_first_of_several_names_the_blackout() -> None:
    periods = (
        ("B", "2026-05-02T00:00", "2026-05-04T00:00"),
        ("A", "2026-05-01T00:00", "2026-05-03T00:00"),
    )
    blackouts = read(*periods)
    assert [each.name for each in blackouts] == ["A", "B"]
    assert blackout_at(blackouts, at("2026-05-02T12:00")) == "A"
    assert blackout_at(blackouts, at("2026-05-03T12:00")) == "B"


@pytest.mark.parametrize(
    ("zone", "local", "first", "last"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00", "2026-03-29T01:00"),  # skipped
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T01:30"),  # twice
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", "2026-10-03T15:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-30T10:00"),  # no such day
        ("UTC", "2026-10-25T02:30", "2026-10-25T02:30", "2026-10-25T02:30"),
    ],
)
def test_a_time_that_the_clock_skips_or_repeats(
    zone: str, local: str, first: str, last: str
) -> None:
    time = datetime.fromisoformat(local)
    assert instant_of(time, ZoneInfo(zone), last=False) == at(first)
    assert instant_of(time, ZoneInfo(zone), last=True) == at(last)


def test_a_period_inside_a_skipped_hour_forbids_nothing() -> None:
    assert (
        blackout_at(read(("Gap", "2026-03-29T02:10", "2026-03-29T02:50")), at("2026-03-29T01:00"))
        is None
    )


def test_a_repeated_hour_is_forbidden_both_times() -> None:
    blackouts = read(("Twice", "2026-10-25T02:15", "2026-10-25T02:45"))
    for time in ("2026-10-25T00:15", "2026-10-25T00:50", "2026-10-25T01:44"):
        assert blackout_at(blackouts, at(time)) == "Twice"
    assert blackout_at(blackouts, at("2026-10-25T01:45")) is None


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Tokyo"]),
)
def test_it_is_what_the_clock_on_the_wall_shows(minutes: int, zone: str) -> None:
    instant = at("2026-01-01T00:00") + minutes * MINUTE
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    first, last = (instant_of(local, ZoneInfo(zone), last=end) for end in (False, True))
    assert first <= instant <= last
    assert last - first in (timedelta(0), timedelta(hours=1))
