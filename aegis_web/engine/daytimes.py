"""Wall-clock patterns: which days, and which times of those days, with no zone in sight.

A wall-clock reading is a whole number of microseconds since 1970-01-01T00:00 on the clock on the
wall, whatever its offset. What such a reading means as an instant is `clockchange`'s business.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date
from functools import lru_cache
from itertools import accumulate
from typing import Protocol

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH_DAY = date(1970, 1, 1).toordinal()
LAST_DAY = date.max.toordinal() - EPOCH_DAY
HORIZON_YEARS = 50  # a leap day on a given weekday comes back within 40 years, even across 2100
LAST = -1  # as the position of a weekday: the last one of its month

Position = tuple[int, int]  # (weekday, Monday = 0; 1 to 5 or LAST)


class Pattern(Protocol):
    """A rising sequence of wall-clock readings."""

    def __hash__(self) -> int: ...

    def first_from(self, wall: int) -> int | None:
        """The first reading at or after `wall`; None when there is none within the horizon."""

    def count(self, low: int, high: int) -> int:
        """How many readings r have low <= r < high."""


@dataclass(frozen=True)
class Progression:
    """Readings at equal distances: first, first + step, first + 2 step, without end."""

    first: int
    step: int

    def first_from(self, wall: int) -> int | None:
        reading = self.first + max(0, -(-(wall - self.first) // self.step)) * self.step
        return reading if reading < (LAST_DAY + 1) * DAY else None

    def count(self, low: int, high: int) -> int:
        return max(0, self._before(high) - self._before(low))

    def _before(self, wall: int) -> int:
        return max(0, -(-(wall - self.first) // self.step))


class TimesOfDay:
    """The seconds of a day at which hour, minute and second are each in their set.

    Numbered from 0, so that counting and searching are arithmetic and never a walk.
    """

    def __init__(self, hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]):
        self.hours, self.minutes, self.seconds = tuple(hours), tuple(minutes), tuple(seconds)
        self.per_minute = len(self.seconds)
        self.per_hour = len(self.minutes) * self.per_minute
        self.per_day = len(self.hours) * self.per_hour
        # Entry n of each: how many members are below n; a member itself makes the next one larger.
        self._hours_below = _below(self.hours, 24)
        self._minutes_below = _below(self.minutes, 60)
        self._seconds_below = _below(self.seconds, 60)

    def rank(self, second_of_day: int) -> int:
        """How many of the times come before `second_of_day`, 0 to 86 400."""
        hour, rest = divmod(second_of_day, 3600)
        below = self._hours_below[hour]
        rank = below * self.per_hour
        if self._hours_below[hour + 1] == below:
            return rank
        minute, second = divmod(rest, 60)
        below = self._minutes_below[minute]
        rank += below * self.per_minute
        if self._minutes_below[minute + 1] == below:
            return rank
        return rank + self._seconds_below[second]

    def nth(self, rank: int) -> int:
        """The second of the day of the time number `rank`."""
        hour, rest = divmod(rank, self.per_hour)
        minute, second = divmod(rest, self.per_minute)
        return self.hours[hour] * 3600 + self.minutes[minute] * 60 + self.seconds[second]


def _below(members: Sequence[int], size: int) -> tuple[int, ...]:
    present = [0] * (size + 2)
    for member in members:
        present[member + 1] = 1
    return tuple(accumulate(present))


@dataclass(frozen=True)
class Dates:
    """Days of a month, by date. `everything` is a plain `*`."""

    days: tuple[int, ...]
    last: bool = False
    last_workday: bool = False
    nearest_workdays: tuple[int, ...] = ()  # the working day nearest to each of these dates
    positions: tuple[Position, ...] = ()

    @property
    def everything(self) -> bool:
        return len(self.days) == 31

    def within(self, first_weekday: int, length: int) -> set[int]:
        """The dates in a month of `length` days whose 1st is a `first_weekday`."""
        found = {day for day in self.days if day <= length}
        if self.last:
            found.add(length)
        if self.last_workday:
            found.add(_nearest_workday(length, first_weekday, length))
        for day in self.nearest_workdays:
            if day <= length:
                found.add(_nearest_workday(day, first_weekday, length))
        return found | _positioned(self.positions, first_weekday, length)


@dataclass(frozen=True)
class Weekdays:
    """Days of a month, by weekday (Monday = 0). `everything` is a plain `*`."""

    days: tuple[int, ...]
    positions: tuple[Position, ...] = ()

    @property
    def everything(self) -> bool:
        return len(self.days) == 7

    def within(self, first_weekday: int, length: int) -> set[int]:
        """The dates in a month of `length` days whose 1st is a `first_weekday`."""
        found = {day for day in range(1, length + 1) if (first_weekday + day - 1) % 7 in self.days}
        return found | _positioned(self.positions, first_weekday, length)


def _nearest_workday(day: int, first_weekday: int, length: int) -> int:
    """The Monday to Friday nearest to `day` that does not leave the month."""
    weekday = (first_weekday + day - 1) % 7
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


def _positioned(positions: Sequence[Position], first_weekday: int, length: int) -> set[int]:
    found = set()
    for weekday, position in positions:
        first = (weekday - first_weekday) % 7 + 1
        if position == LAST:
            found.add(first + (length - first) // 7 * 7)
        elif first + (position - 1) * 7 <= length:
            found.add(first + (position - 1) * 7)
    return found


@dataclass(frozen=True)
class DayRule:
    """Which days of the calendar belong to a pattern.

    `either`: a day needs to fit dates or weekdays; else it must fit both.
    """

    months: tuple[int, ...]
    dates: Dates
    weekdays: Weekdays
    either: bool = False
    weeks: tuple[int, ...] | None = None  # ISO weeks; None: all
    years: tuple[int, ...] | None = None  # None: all

    def days_of(self, year: int, month: int) -> tuple[int, ...]:
        """The matching dates of one month."""
        if month not in self.months or (self.years is not None and year not in self.years):
            return ()
        first_weekday, length = month_shape(year, month)
        if self.weekdays.everything and not self.either:
            found = self.dates.within(first_weekday, length)
        elif self.dates.everything and not self.either:
            found = self.weekdays.within(first_weekday, length)
        else:
            dates = self.dates.within(first_weekday, length)
            weekdays = self.weekdays.within(first_weekday, length)
            found = dates | weekdays if self.either else dates & weekdays
        if self.weeks is not None:
            found = {d for d in found if date(year, month, d).isocalendar()[1] in self.weeks}
        return tuple(sorted(found))

    def ever_matches(self) -> bool:
        """Whether any day at all fits, judged on one year of every shape there is."""
        years = self.years or range(2000, 2028)  # 28 years in a row have every shape
        shapes = {_year_shape(year): year for year in reversed(years)}
        return any(self.days_of(y, month) for y in shapes.values() for month in self.months)


@lru_cache(maxsize=4096)
def month_shape(year: int, month: int) -> tuple[int, int]:
    """The weekday of the 1st (Monday = 0) and the number of days."""
    first = date(year, month, 1).toordinal()
    if year == MAXYEAR and month == 12:
        return (first - 1) % 7, 31
    following = date(year + month // 12, month % 12 + 1, 1).toordinal()
    return (first - 1) % 7, following - first


def _year_shape(year: int) -> tuple[int, int, int]:
    return month_shape(year, 1)[0], month_shape(year, 2)[1], month_shape(year - 1, 2)[1]


class DayTimes:
    """The readings that fall on a matching day at a matching time of day."""

    def __init__(self, rule: DayRule, times: TimesOfDay):
        self.rule, self.times = rule, times
        self._months: dict[tuple[int, int], tuple[int, ...]] = {}

    def first_from(self, wall: int) -> int | None:
        """The first reading at or after `wall`; None when there is none within 50 years."""
        day, rest = divmod(wall, DAY)
        if day > LAST_DAY:
            return None
        on = date.fromordinal(day + EPOCH_DAY)
        days = self._days_of(on.year, on.month)
        index = bisect_left(days, on.day)
        if index < len(days) and days[index] == on.day:
            rank = self.times.rank(-(-rest // SECOND))
            if rank < self.times.per_day:
                return day * DAY + self.times.nth(rank) * SECOND
            index += 1
        if index < len(days):
            return (day + days[index] - on.day) * DAY + self.times.nth(0) * SECOND
        for year, month in self._months_after(on.year, on.month):
            if days := self._days_of(year, month):
                first = date(year, month, days[0]).toordinal() - EPOCH_DAY
                return first * DAY + self.times.nth(0) * SECOND
        return None

    def count(self, low: int, high: int) -> int:
        """How many readings r have low <= r < high; one step for each month between."""
        if high <= low:
            return 0
        return self._before(high) - self._before(low) + self._whole_days(low, high)

    def _before(self, wall: int) -> int:
        """How many readings of the day of `wall` come before it."""
        day, rest = divmod(wall, DAY)
        if day > LAST_DAY:
            return 0
        on = date.fromordinal(day + EPOCH_DAY)
        matches = on.day in self._days_of(on.year, on.month)
        return self.times.rank(-(-rest // SECOND)) if matches else 0

    def _whole_days(self, low: int, high: int) -> int:
        """The readings of all days from the day of `low` up to, not with, the day of `high`."""
        first = date.fromordinal(low // DAY + EPOCH_DAY)
        end = date.fromordinal(min(high // DAY, LAST_DAY) + EPOCH_DAY)
        days = bisect_left(self._days_of(end.year, end.month), end.day)
        days -= bisect_left(self._days_of(first.year, first.month), first.day)
        year, month = first.year, first.month
        while (year, month) < (end.year, end.month):
            days += len(self._days_of(year, month))
            year, month = year + month // 12, month % 12 + 1
        return days * self.times.per_day

    def _days_of(self, year: int, month: int) -> tuple[int, ...]:
        key = (year, month)
        days = self._months.get(key)
        if days is None:
            days = self._months[key] = self.rule.days_of(year, month)
        return days

    def _months_after(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        """The rule's months after this one, in order, up to the horizon."""
        later = [m for m in self.rule.months if m > month]
        yield from ((year, m) for m in later)
        years = self.rule.years
        if years is None:
            years = tuple(range(year + 1, min(year + HORIZON_YEARS, MAXYEAR) + 1))
        for following in years[bisect_left(years, year + 1) :]:
            yield from ((following, m) for m in self.rule.months)
