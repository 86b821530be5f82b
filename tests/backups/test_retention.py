"""Why a backup stays: the tiers, its proof, what is newer, and how old a safety backup is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from aegis_web.backups.models import ELSEWHERE, FETCHED, MADE, SAFETY, UPLOADED
from aegis_web.backups.retention import (
    FOREIGN,
    LAST_DAY,
    OTHER_KIND,
    Known,
    Leaving,
    Rules,
    next_to_go,
    why_kept,
)
from aegis_web.backups.tiers import DAILY, HOURLY, MONTHLY, NEWEST, WEEKLY
from tests.backups.test_tiers import counts, instants, unhurried, zones

UTC_ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
TWO_DAYS = Rules({DAILY: 2}, UTC_ZONE)
rules = st.builds(Rules, counts, zones)


@st.composite
def tables(draw: st.DrawFn) -> list[Known]:
    made = draw(st.lists(instants, max_size=25))
    proven, origins = st.booleans(), st.sampled_from([MADE, SAFETY, *ELSEWHERE])
    kinds = st.sampled_from(["sqlite", "postgresql"])
    return [
        Known(number, at, draw(proven), draw(origins), kind=draw(kinds))
        for number, at in enumerate(made, 1)
    ]


def night(number: int, days: int, *, proven: bool = True, origin: str = MADE) -> Known:
    """The backup of `days` before, at 02:00."""
    return Known(number, NOON - timedelta(days=days, hours=10), proven, origin)


def staying(backups: list[Known], of: Rules, now: datetime = NOON) -> set[int]:
    return {number for number, reasons in why_kept(backups, of, now).items() if reasons}


def test_bad_backups_take_no_place_from_good_ones() -> None:
    good = [night(number, days=number + 3) for number in (1, 2, 3)]
    bad = [night(number, days=number - 10, proven=False) for number in (11, 12)]
    back = night(20, days=0)
    assert staying([*good, *bad, back], TWO_DAYS) == {20, 11, 1}


def test_a_bad_backup_of_the_same_day_does_not_replace_a_good_one() -> None:
    later = Known(2, NOON - timedelta(days=1), proven=False)
    kept = why_kept([night(3, 0), later, night(1, 1)], TWO_DAYS, NOON)
    assert kept == {3: (NEWEST, LAST_DAY, DAILY), 2: (DAILY,), 1: (DAILY,)}


def test_a_backup_of_the_last_day_stays_beside_a_newer_one() -> None:
    first, second = (
        Known(number, NOON - timedelta(minutes=9 - number), proven=True) for number in (1, 2)
    )
    kept = why_kept([second, first], TWO_DAYS, NOON)
    assert kept == {2: (NEWEST, LAST_DAY, DAILY), 1: (LAST_DAY,)}
    assert staying([second, first], TWO_DAYS, NOON + timedelta(hours=25)) == {2}
    assert next_to_go([second, first], TWO_DAYS, [NOON + timedelta(hours=1)]) is None


def test_the_newest_proven_one_of_the_other_kind_of_database_stays() -> None:
    before = [
        Known(number, NOON - timedelta(days=99 - number), number < 3, kind="sqlite")
        for number in (1, 2, 3)
    ]
    after = [
        Known(number, NOON - timedelta(days=9 - number), True, kind="postgresql")
        for number in (4, 5, 6, 7, 8)
    ]
    kept = why_kept([*before, *after], TWO_DAYS, NOON)
    assert (kept[1], kept[2], kept[3]) == ((), (OTHER_KIND,), ())
    assert staying([*before, *after], TWO_DAYS) == {2, 7, 8}
    known, fires = [after[-1], after[-2], before[1]], [NOON + timedelta(days=2)]
    leaving = next_to_go(known, TWO_DAYS, fires, "postgresql")
    assert leaving == Leaving(fires[0], frozenset({7}))
    assert NEWEST in why_kept(before, TWO_DAYS, NOON)[2]


def test_nothing_goes_before_a_newer_one_is_proven() -> None:
    backups = [night(number, days=9 - number, proven=number < 3) for number in range(1, 9)]
    assert staying(backups, TWO_DAYS) == {1, 2, 3, 4, 5, 6, 7, 8}
    assert staying([*backups, night(9, 0)], TWO_DAYS) == {9, 8, 2}


def test_backups_of_a_release_that_proved_none_follow_the_tiers() -> None:
    old = [night(number, days=20 - number, proven=False) for number in range(1, 20)]
    assert len(staying([*old, night(20, 0)], Rules({DAILY: 7}, UTC_ZONE))) == 7


def test_a_safety_backup_stays_for_seven_days_and_then_follows_the_tiers() -> None:
    backups = [night(3, 0), night(2, 1), night(1, 6, origin=SAFETY)]
    assert why_kept(backups, TWO_DAYS, NOON)[1] == (SAFETY,)
    assert staying(backups, TWO_DAYS, NOON + timedelta(days=1)) == {2, 3}


def test_a_backup_from_elsewhere_takes_no_place_and_goes_by_hand_only() -> None:
    own = [night(number, days=3 - number, proven=number == 1) for number in (1, 2, 3)]
    foreign = [Known(9, NOON, proven=True, origin=UPLOADED), night(8, 400, origin=FETCHED)]
    kept = why_kept([*own, *foreign], TWO_DAYS, NOON)
    assert (kept[9], kept[8]) == ((FOREIGN,), (FOREIGN,))
    assert {number: kept[number] for number in (1, 2, 3)} == why_kept(own, TWO_DAYS, NOON)
    assert NEWEST in kept[1]  # what is newer and proven is not ours


def test_the_first_to_go_is_told_with_the_backup_after_which_it_goes() -> None:
    backups = [night(3, 0), night(2, 1)]
    fires = [NOON + timedelta(days=day, hours=14) for day in range(9)]
    assert next_to_go(backups, TWO_DAYS, fires) == Leaving(fires[0], frozenset({2}))
    assert next_to_go(backups, Rules({DAILY: 5}, UTC_ZONE), fires) == Leaving(
        fires[3], frozenset({2})
    )
    assert next_to_go(backups, Rules({DAILY: 99}, UTC_ZONE), fires) is None


def test_pruning_each_night_leaves_what_the_tiers_keep_of_all_nights() -> None:
    defaults = Rules({HOURLY: 0, DAILY: 7, WEEKLY: 4, MONTHLY: 12}, UTC_ZONE)
    nights = [Known(day, NOON + timedelta(days=day), proven=True) for day in range(800)]
    table: list[Known] = []
    for each in nights:
        table.append(each)
        left = staying(table, defaults, each.made_at)
        table = [each for each in table if each.id in left]
    assert left == staying(nights, defaults, nights[-1].made_at)
    assert len(left) == 7 + 3 + 11
    assert table[-1].made_at - table[0].made_at > timedelta(days=330)


@unhurried
@given(tables(), rules, instants)
def test_the_newest_proven_and_all_that_is_newer_stay(
    backups: list[Known], of: Rules, now: datetime
) -> None:
    kept = why_kept(backups, of, now)
    assert all(kept[backup.id] for backup in backups if now - backup.made_at < timedelta(days=1))
    assert kept.keys() == {backup.id for backup in backups}
    own = [backup for backup in backups if backup.origin not in ELSEWHERE]
    proven = max(((each.made_at, each.id) for each in own if each.proven), default=None)
    for backup in own:
        if proven is None or (backup.made_at, backup.id) >= proven:
            assert NEWEST in kept[backup.id]


@unhurried
@given(tables(), rules, instants)
def test_proven_ones_stay_as_if_the_others_were_not_there(
    backups: list[Known], of: Rules, now: datetime
) -> None:
    proven = [backup for backup in backups if backup.proven]
    assert staying(proven, of, now) <= staying(backups, of, now)


@unhurried
@given(tables(), rules, instants)
def test_those_from_elsewhere_change_nothing_for_ours(
    backups: list[Known], of: Rules, now: datetime
) -> None:
    own = [backup for backup in backups if backup.origin not in ELSEWHERE]
    assert why_kept(own, of, now).items() <= why_kept(backups, of, now).items()


@unhurried
@given(tables(), rules, instants)
def test_pruning_twice_takes_no_more_than_once(
    backups: list[Known], of: Rules, now: datetime
) -> None:
    left = staying(backups, of, now)
    assert staying([each for each in backups if each.id in left], of, now) == left
