"""From wall-clock patterns to instants, exactly, over every change of a zone's clock.

Between two changes a zone's offset is constant, so there an instant is a subtraction away. The
changes themselves are handled by one of two rules, those of Debian's cron:

- fixed: a pattern of particular times. A time that the clock skips fires once, right after the
  change; a time that comes twice fires on its first pass.
- not fixed (a wildcard): the pattern follows the clock: nothing in a gap, both passes of a
  repeated stretch.

Instants are microseconds since the epoch, in UTC.

Source: cron(8) of Debian, "Special considerations exist when the clock is changed"; unlike there
a change of three hours or more is not taken for a correction (Samoa's skipped day is a gap).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

from aegis_web.clock import MICROSECOND, from_us, to_us
from aegis_web.engine.daytimes import DAY, Pattern

SAMPLE = 3 * DAY  # no zone of tzdata has two changes within three days (a test looks)
PERIOD = 366 * DAY
REACH = 2 * DAY  # no change moves a clock by more than 26 hours
CROSSINGS = 100  # a wildcard that has met as many gaps, one or two a year, never fires in its zone
EARLIEST_US = to_us(datetime.fromisoformat("0001-01-05T00:00:00+00:00"))
LATEST_US = to_us(datetime.fromisoformat("9999-12-27T00:00:00+00:00"))


@dataclass(frozen=True)
class Changes:
    """The changes of one zone's offset in one period and a little beyond, at both ends."""

    at: tuple[int, ...]  # instants, rising
    offsets: tuple[int, ...]  # microseconds; one more than `at`: number i holds before at[i]


def next_fire(pattern: Pattern, fixed: bool, after: int, zone: tzinfo) -> int | None:
    """The first fire time strictly after `after`, or None; remembered for herds."""
    return _next_fire(pattern, fixed, after, zone)


@lru_cache(maxsize=4096)
def _next_fire(pattern: Pattern, fixed: bool, after: int, zone: tzinfo) -> int | None:
    if after > LATEST_US:
        return None
    here = max(after, EARLIEST_US)
    changes = _changes(zone, here // PERIOD)
    index = bisect_right(changes.at, here)
    offset = changes.offsets[index]
    floor = here + offset + 1
    if fixed and index:
        floor = max(floor, changes.at[index - 1] + changes.offsets[index - 1])
    for _ in range(CROSSINGS):
        wall = pattern.first_from(floor)
        if wall is None or wall - offset - REACH > here:
            if not fixed and _repeats_soon(changes, here):
                wall = here + offset + REACH  # cross that change: it brings lower readings back
            elif wall is None:
                return None
            else:  # nothing fires until then, so the changes until then are moot
                here = wall - offset - REACH
                if here > LATEST_US:
                    return None
                changes = _changes(zone, here // PERIOD)
                offset = changes.offsets[bisect_right(changes.at, here)]
        index = bisect_right(changes.at, here)
        if index == len(changes.at) or wall - offset < changes.at[index]:
            return wall - offset
        here, offset = changes.at[index], changes.offsets[index + 1]
        if not fixed:
            floor = here + offset
        elif wall < here + offset:
            return here
        else:
            floor = wall
    return None


def _repeats_soon(changes: Changes, here: int) -> bool:
    index = bisect_right(changes.at, here)
    return (
        index < len(changes.at)
        and changes.at[index] < here + REACH
        and changes.offsets[index + 1] < changes.offsets[index]
    )


def count_fires(pattern: Pattern, fixed: bool, after: int, until: int, zone: tzinfo) -> int:
    """How many fire times lie in (after, until]; arithmetic between the changes of the clock."""
    after, until = max(after, EARLIEST_US), min(until, LATEST_US)
    if until <= after:
        return 0
    changes = _changes(zone, after // PERIOD)
    index = bisect_right(changes.at, after)
    offset = changes.offsets[index]
    floor = after + offset + 1
    if fixed and index:
        floor = max(floor, changes.at[index - 1] + changes.offsets[index - 1])
    total = 0
    for at, before, following in changes_between(zone, after, until):
        total += pattern.count(floor, at + before)
        offset, floor = following, at + following
        if fixed and following < before:
            floor = at + before
        elif fixed and pattern.count(at + before, floor) and not pattern.count(floor, floor + 1):
            total += 1
    return total + pattern.count(floor, until + offset + 1)


def changes_between(zone: tzinfo, after: int, until: int) -> Iterator[tuple[int, int, int]]:
    """(instant, offset before, offset from then on) of each change in (after, until], rising."""
    for period in range(after // PERIOD, until // PERIOD + 1):
        changes = _changes(zone, period)
        low, high = max(after, period * PERIOD - 1), min(until, (period + 1) * PERIOD - 1)
        for index, at in enumerate(changes.at):
            if low < at <= high:
                yield at, changes.offsets[index], changes.offsets[index + 1]


def newest(
    following: Callable[[datetime], datetime | None],
    count: Callable[[datetime, datetime], int],
    after: datetime,
    until: datetime,
    limit: int,
) -> list[datetime]:
    """The last `limit` fire times in (after, until], oldest first, at the cost of about `limit`.

    `count` finds an instant with enough fire times behind it; only those are walked.
    """
    if limit < 1 or until <= after:
        return []
    start = _start_of_newest(count, to_us(after), to_us(until), limit)
    found: list[datetime] = []
    instant = following(from_us(start))
    while instant is not None and instant <= until:
        found.append(instant)
        instant = following(instant)
    return found[-limit:]


def _start_of_newest(
    count: Callable[[datetime, datetime], int], after: int, until: int, limit: int
) -> int:
    """An instant with at least `limit` fire times after it and up to `until`, and few more."""
    end, enough = from_us(until), 2 * limit + 60
    short, start, window = until, until, 3_600_000_000
    while start > after:
        start = max(after, until - window)
        have = count(from_us(start), end)
        if have >= limit:
            break
        short, window = start, window * 4
    else:
        return after
    while have > enough and short - start > 1:
        middle = (short + start) // 2
        have_middle = count(from_us(middle), end)
        if have_middle >= limit:
            start, have = middle, have_middle
        else:
            short = middle
    return start


@lru_cache(maxsize=4096)
def _changes(zone: tzinfo, period: int) -> Changes:
    """The changes in period number `period`, with a margin of several REACHes around it."""
    position = max(EARLIEST_US, period * PERIOD - SAMPLE)
    end = min(LATEST_US, (period + 1) * PERIOD + 4 * SAMPLE)
    at: list[int] = []
    offsets = [_offset(zone, position)]
    while position < end:
        following = position + SAMPLE
        offset = _offset(zone, following)
        if offset != offsets[-1]:
            at.append(_change_between(zone, position, following))
            offsets.append(offset)
        position = following
    return Changes(tuple(at), tuple(offsets))


def wall_clock(instant: datetime, zone: tzinfo) -> int:
    """What the clock on the wall of `zone` shows at `instant`."""
    return to_us(instant) + _offset(zone, to_us(instant))


def _change_between(zone: tzinfo, low: int, high: int) -> int:
    """The first instant with the offset of `high`, where `low` has another."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: tzinfo, instant: int) -> int:
    offset = from_us(instant).astimezone(zone).utcoffset()
    assert offset is not None  # astimezone gives an aware datetime
    return offset // MICROSECOND
