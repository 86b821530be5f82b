"""Which days a cron expression means."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine.cron import parse

ZONE = ZoneInfo("UTC")


def days(text: str, after: date, n: int) -> list[str]:
    instant: datetime | None = datetime(after.year, after.month, after.day, tzinfo=UTC)
    found: list[str] = []
    while len(found) < n:
        assert instant is not None
        instant = parse(text).next_after(instant, ZONE)
        found.append(f"{instant:%Y-%m-%d}" if instant else "none")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # both restricted: either
        ("0 1 13 * fri", ["2026-01-02", "2026-01-09", "2026-01-13", "2026-01-16"]),
        # one starts with a star, so both
        ("0 1 */2 * fri", ["2026-01-09", "2026-01-23", "2026-02-13", "2026-02-27"]),
        ("0 1 1-7 * */7", ["2026-01-04", "2026-02-01", "2026-03-01", "2026-04-05"]),
        ("0 1 13 * *,1", ["2026-01-13", "2026-02-13", "2026-03-13", "2026-04-13"]),
        # a star that comes later does not count
        ("0 1 13 * 1,*", ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]),
        ("0 1 L * *", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("0 1 LW * *", ["2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30"]),
        ("0 1 15W * *", ["2026-01-15", "2026-02-16", "2026-03-16", "2026-04-15"]),
        ("0 1 1W 2,8 *", ["2026-02-02", "2026-08-03", "2027-02-01", "2027-08-02"]),
        ("0 1 31W * *", ["2026-01-30", "2026-03-31", "2026-05-29", "2026-07-31"]),
        ("0 1 * * fri#2", ["2026-01-09", "2026-02-13", "2026-03-13", "2026-04-10"]),
        ("0 1 * * 5#5", ["2026-01-30", "2026-05-29", "2026-07-31", "2026-10-30"]),
        ("0 1 * * friL", ["2026-01-30", "2026-02-27", "2026-03-27", "2026-04-24"]),
        ("0 1 * * 7L", ["2026-01-25", "2026-02-22", "2026-03-29", "2026-04-26"]),
        ("0 1 L * friL", ["2026-01-30", "2026-01-31", "2026-02-27", "2026-02-28"]),
        ("0 1 31 * *", ["2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31"]),
    ],
)
def test_days_of_month_and_of_week(text: str, expected: list[str]) -> None:
    assert days(text, date(2026, 1, 1), 4) == expected


def test_a_leap_day_on_a_given_weekday_is_found_forty_years_ahead() -> None:
    assert days("0 1 29 2 */7", date(2088, 3, 1), 1) == ["2128-02-29"]


def test_no_fire_time_lies_beyond_the_calendar() -> None:
    after = datetime(9999, 12, 26, tzinfo=UTC)
    assert parse("0 0 1 1 *").next_after(after, ZoneInfo("Pacific/Honolulu")) is None
    assert parse("* * * * *").next_after(datetime.max.replace(tzinfo=UTC), ZONE) is None
    assert parse("* * * * *").next_after(datetime.min.replace(tzinfo=UTC), ZONE) is not None


def test_a_wildcard_that_only_ever_meets_the_gap_gives_none_and_not_a_hang() -> None:
    only_in_the_gap = parse("* 2 25-31 3 */7")
    assert (
        only_in_the_gap.next_after(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
        is None
    )


def test_fire_times_are_strictly_later_and_on_the_minute() -> None:
    every_minute = parse("* * * * *")
    at = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
    assert every_minute.next_after(at, ZONE) == at.replace(minute=31)
    assert every_minute.next_after(at.replace(microsecond=1), ZONE) == at.replace(minute=31)
    assert (
        every_minute.next_after(at.replace(minute=29, second=59, microsecond=999_999), ZONE) == at
    )
