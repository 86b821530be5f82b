"""Which backups the tiers keep: by example, and for any times, counts and zone."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_web.backups.tiers import (
    DAILY,
    HOURLY,
    MONTHLY,
    NEWEST,
    PERIODS,
    WEEKLY,
    kept_by,
)

BERLIN = ZoneInfo("Europe/Berlin")
CHANGING = ["Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC"]

zones = st.sampled_from(CHANGING).map(ZoneInfo)
counts = st.fixed_dictionaries({tier: st.integers(0, 9) for tier in PERIODS})
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
)  # when clocks of these zones change: instants close to it, as well as anywhere


def around(instant: datetime, hours: int) -> st.SearchStrategy[datetime]:
    minutes = st.integers(-60 * hours, 60 * hours)
    return minutes.map(lambda number: instant + timedelta(minutes=number))


instants = st.one_of(around(CHANGES[0], 80_000), *(around(change, 9) for change in CHANGES))
backups = st.dictionaries(st.integers(1, 99), instants, max_size=30)

unhurried = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

Kept = dict[int, tuple[str, ...]]


def staying(kept: Kept) -> set[int]:
    return {number for number, reasons in kept.items() if reasons}


def local(*when: int, fold: int = 0) -> datetime:
    return datetime(*when, fold=fold, tzinfo=BERLIN).astimezone(UTC)


def test_a_year_of_nights_leaves_days_weeks_and_months() -> None:
    nights = {day: local(2026, 1, 1, 2) + timedelta(days=day) for day in range(365)}
    kept = kept_by(nights, {HOURLY: 0, DAILY: 7, WEEKLY: 4, MONTHLY: 12}, BERLIN)
    days = {f"{nights[number].astimezone(BERLIN):%m-%d}": kept[number] for number in staying(kept)}
    assert {day for day, reasons in days.items() if DAILY in reasons} == {
        f"12-{day}" for day in range(25, 32)
    }
    assert {day for day, reasons in days.items() if WEEKLY in reasons} == {
        "12-31", "12-27", "12-20", "12-13",
    }  # Sundays, and the week that has begun  # fmt: skip
    assert {day for day, reasons in days.items() if MONTHLY in reasons} == {
        "01-31", "02-28", "03-31", "04-30", "05-31", "06-30",
        "07-31", "08-31", "09-30", "10-31", "11-30", "12-31",
    }  # fmt: skip
    assert days["12-31"] == (NEWEST, DAILY, WEEKLY, MONTHLY)
    assert len(days) == 7 + 2 + 11


def test_a_day_without_a_backup_uses_up_no_place() -> None:
    times = {1: local(2026, 1, 1, 2), 2: local(2026, 6, 1, 2), 3: local(2026, 6, 9, 2)}
    assert staying(kept_by(times, {DAILY: 2}, BERLIN)) == {2, 3}


def test_of_one_day_the_newest_stays() -> None:
    times = {1: local(2026, 6, 1, 0, 1), 2: local(2026, 6, 1, 23, 59), 3: local(2026, 6, 2, 0, 0)}
    kept = kept_by(times, {DAILY: 7}, BERLIN)
    assert kept == {3: (NEWEST, DAILY), 2: (DAILY,), 1: ()}


def test_the_hour_that_comes_twice_is_two_hours_of_one_day() -> None:
    twice = {1: local(2026, 10, 25, 2, 30), 2: local(2026, 10, 25, 2, 30, fold=1)}
    assert staying(kept_by(twice, {HOURLY: 2}, BERLIN)) == {1, 2}
    assert staying(kept_by(twice, {DAILY: 2}, BERLIN)) == {2}


def test_the_first_days_of_january_belong_to_the_last_week_of_the_year() -> None:
    times = {1: local(2026, 12, 30, 2), 2: local(2027, 1, 2, 2), 3: local(2027, 1, 4, 2)}
    assert staying(kept_by(times, {WEEKLY: 5}, BERLIN)) == {2, 3}


@unhurried
@given(backups, counts, zones)
def test_the_newest_always_stays(
    times: dict[int, datetime], counts: dict[str, int], zone: ZoneInfo
) -> None:
    kept = kept_by(times, counts, zone)
    assert kept.keys() == times.keys()
    if times:
        newest = next(iter(kept))
        assert times[newest] == max(times.values())
        assert kept[newest][0] == NEWEST


@unhurried
@given(backups, counts, zones)
def test_what_stays_would_stay_again_for_the_same_reasons(
    times: dict[int, datetime], counts: dict[str, int], zone: ZoneInfo
) -> None:
    kept = kept_by(times, counts, zone)
    left = {number: times[number] for number in staying(kept)}
    assert kept_by(left, counts, zone) == {number: kept[number] for number in left}


@unhurried
@given(backups, counts, zones, st.randoms())
def test_the_order_makes_no_difference(
    times: dict[int, datetime], counts: dict[str, int], zone: ZoneInfo, random: Random
) -> None:
    shuffled = list(times.items())
    random.shuffle(shuffled)
    assert kept_by(dict(shuffled), counts, zone) == kept_by(times, counts, zone)


@unhurried
@given(backups, counts, counts, zones)
def test_larger_counts_keep_at_least_the_same(
    times: dict[int, datetime], some: dict[str, int], more: dict[str, int], zone: ZoneInfo
) -> None:
    larger = {tier: some[tier] + more[tier] for tier in some}
    assert staying(kept_by(times, some, zone)) <= staying(kept_by(times, larger, zone))


@unhurried
@given(backups, counts, zones)
def test_a_tier_keeps_one_of_each_period_and_as_many_as_it_may(
    times: dict[int, datetime], counts: dict[str, int], zone: ZoneInfo
) -> None:
    kept = kept_by(times, counts, zone)
    for tier, count in counts.items():
        periods = {number: PERIODS[tier](at.astimezone(zone)) for number, at in times.items()}
        held = [periods[number] for number, reasons in kept.items() if tier in reasons]
        assert len(held) == len(set(held)) == min(count, len(set(periods.values())))


@unhurried
@given(backups, counts, zones, st.integers(1, 40))
def test_a_new_backup_never_brings_back_one_that_went(
    times: dict[int, datetime], counts: dict[str, int], zone: ZoneInfo, hours: int
) -> None:
    gone = times.keys() - staying(kept_by(times, counts, zone))
    later = max(times.values(), default=datetime(2026, 1, 1, tzinfo=UTC)) + timedelta(hours=hours)
    assert not gone & staying(kept_by({**times, 100: later}, counts, zone))
