"""Which backups stay: the newest of each of the last hours, days, weeks and months.

Pure functions, known as grandfather, father and son.
"""

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

NEWEST, HOURLY, DAILY, WEEKLY, MONTHLY = "newest", "hourly", "daily", "weekly", "monthly"

PERIODS: Mapping[str, Callable[[datetime], Hashable]] = {
    # The offset tells the hour that a change of the clock repeats from the one before.
    HOURLY: lambda local: (local.date(), local.hour, local.utcoffset()),
    DAILY: lambda local: local.date(),
    WEEKLY: lambda local: local.isocalendar()[:2],
    MONTHLY: lambda local: (local.year, local.month),
}  # which period a time falls into, by the wall clock


def kept_by(
    times: Mapping[int, datetime], counts: Mapping[str, int], zone: ZoneInfo
) -> dict[int, tuple[str, ...]]:
    """Why each backup stays, by its number; one without a reason goes. Newest first.

    Each tier keeps the newest backup of each of its last periods that hold one, as many as it has
    in `counts`; the newest of all stays in any case.
    """
    newest_first = sorted(times, key=lambda number: (times[number], number), reverse=True)
    local = {number: times[number].astimezone(zone) for number in newest_first}
    kept: dict[int, tuple[str, ...]] = dict.fromkeys(newest_first, ())
    if newest_first:
        kept[newest_first[0]] = (NEWEST,)
    for tier, count in counts.items():
        seen: set[Hashable] = set()
        for number in newest_first:
            if len(seen) == count:
                break
            period = PERIODS[tier](local[number])
            if period not in seen:
                seen.add(period)
                kept[number] += (tier,)
    return kept
