"""The kinds of trigger, as immutable values: cron, fields, interval and date.

Each yields fire times in UTC, counts them without walking them, says itself in words and turns
into JSON. How APScheduler's triggers become these is `aps_triggers`' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from aegis_web.clock import MICROSECOND, SECOND_US, from_us, to_us
from aegis_web.engine import words
from aegis_web.engine.clockchange import (
    LATEST_US,
    count_fires,
    newest,
    next_fire,
    wall_clock,
)
from aegis_web.engine.cron import CronExpression
from aegis_web.engine.cronfields import shown
from aegis_web.engine.daytimes import DayTimes, Pattern, Progression
from aegis_web.engine.fields import compiled, normalised
from aegis_web.engine.vocabulary import capitalised, interval, month_name, weekday_name
from aegis_web.errors import Invalid
from aegis_web.language import ENGLISH, N_, _, grouped, spoken

UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
CALENDAR_UNITS = ("days", "weeks")  # these keep wall-clock time; the others are elapsed time
LONGEST_INTERVAL_SECONDS = 10 * 365 * 86_400
LONGEST_WORDS = {
    "seconds": N_("Every must be a whole number from 1 to %(most)s seconds."),
    "minutes": N_("Every must be a whole number from 1 to %(most)s minutes."),
    "hours": N_("Every must be a whole number from 1 to %(most)s hours."),
    "days": N_("Every must be a whole number from 1 to %(most)s days."),
    "weeks": N_("Every must be a whole number from 1 to %(most)s weeks."),
}

Readings = tuple[Pattern, bool]  # and whether they are particular times ("fixed")


class Trigger(Protocol):
    """The immutable rule that yields fire times."""

    kind: ClassVar[str]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the rule is meant in."""

    @property
    def readings(self) -> Readings | None:
        """What it asks of the clock on the wall; None: nothing, it counts elapsed time."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire time strictly after `instant`, in UTC; None when there is none."""

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many fire times lie in (after, until]; exact, without walking them."""

    def last_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The newest `limit` fire times in (after, until], oldest first."""

    def words(self) -> str:
        """The rule in plain words, without its zone and limits."""

    def to_json(self) -> dict[str, Any]:
        """The trigger as plain values, for `from_json`."""


class _Recurring:
    """What the recurring kinds share: limits, and the newest fire times by way of the count."""

    zone: ZoneInfo
    starts_at: datetime | None
    ends_at: datetime | None

    def _following(self, instant: datetime) -> datetime | None:
        """The first fire time after `instant`, were there no limits."""
        raise NotImplementedError

    def _count(self, after: datetime, until: datetime) -> int:
        """The number of fire times in (after, until], were there no limits."""
        raise NotImplementedError

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire time strictly after `instant`, in UTC; None when there is none."""
        if self.starts_at is not None and instant < self.starts_at:
            instant = self.starts_at - MICROSECOND
        following = self._following(instant)
        if following is None or (self.ends_at is not None and following > self.ends_at):
            return None
        return following

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many fire times lie in (after, until]; exact, without walking them."""
        if self.starts_at is not None and after < self.starts_at:
            after = self.starts_at - MICROSECOND
        if self.ends_at is not None and until > self.ends_at:
            until = self.ends_at
        return self._count(after, until) if until > after else 0

    def last_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The newest `limit` fire times in (after, until], oldest first."""
        return newest(self.next_after, self.count_between, after, until, limit)

    def _check_limits(self) -> None:
        for name in ("starts_at", "ends_at"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, in_utc(value, name))
        if self.starts_at and self.ends_at and self.ends_at < self.starts_at:
            raise Invalid({"ends_at": _("The end lies before the start. Choose a later end.")})

    def _limits_json(self) -> dict[str, str]:
        limits = {"starts_at": self.starts_at, "ends_at": self.ends_at}
        return {name: value.isoformat() for name, value in limits.items() if value is not None}


@dataclass(frozen=True)
class CronTrigger(_Recurring):
    """A crontab expression in a zone, with the meaning of Debian's cron."""

    kind: ClassVar[str] = "cron"

    expression: CronExpression
    zone: ZoneInfo
    starts_at: datetime | None = None  # the first instant that may be a fire time
    ends_at: datetime | None = None  # the last instant that may be one

    def __post_init__(self) -> None:
        self._check_limits()

    @property
    def readings(self) -> Readings:
        """The readings of the clock that the expression names."""
        return self.expression.pattern, self.expression.fixed

    def _following(self, instant: datetime) -> datetime | None:
        return self.expression.next_after(instant, self.zone)

    def _count(self, after: datetime, until: datetime) -> int:
        return self.expression.count(after, until, self.zone)

    def words(self) -> str:
        """The expression in plain words."""
        return self.expression.words()

    def to_json(self) -> dict[str, Any]:
        """The trigger as plain values, for `from_json`."""
        named = {"kind": self.kind, "expression": self.expression.text, "zone": self.zone.key}
        seed = {"seed": self.expression.seed} if self.expression.seed else {}
        return {**named, **seed, **self._limits_json()}


@dataclass(frozen=True)
class FieldsTrigger(_Recurring):
    """APScheduler's cron keyword fields with their meaning there, and cron's clock-change rule."""

    kind: ClassVar[str] = "fields"

    fields: Mapping[str, str] = field(hash=False)  # from year to second; only those given
    zone: ZoneInfo
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    _pattern: DayTimes = field(init=False, repr=False, compare=False)
    _fixed: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = normalised(self.fields)
        pattern, fixed = _compiled(tuple(fields.items()))
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "_pattern", pattern)
        object.__setattr__(self, "_fixed", fixed)
        self._check_limits()

    @property
    def readings(self) -> Readings:
        """The readings of the clock that the fields name."""
        return self._pattern, self._fixed

    def _following(self, instant: datetime) -> datetime | None:
        following = next_fire(self._pattern, self._fixed, to_us(instant), self.zone)
        return None if following is None else from_us(following)

    def _count(self, after: datetime, until: datetime) -> int:
        return count_fires(self._pattern, self._fixed, to_us(after), to_us(until), self.zone)

    def words(self) -> str:
        """The fields in plain words."""
        return words.in_words(self._pattern.rule, self._pattern.times)

    def to_json(self) -> dict[str, Any]:
        """The trigger as plain values, for `from_json`."""
        named = {"kind": self.kind, "fields": dict(self.fields), "zone": self.zone.key}
        return {**named, **self._limits_json()}


@lru_cache(maxsize=4096)
def _compiled(fields: tuple[tuple[str, str], ...]) -> tuple[DayTimes, bool]:
    return compiled(dict(fields))


@dataclass(frozen=True)
class IntervalTrigger(_Recurring):
    """Fire times at the anchor and every so much after it, whenever the product was started.

    Seconds, minutes and hours are elapsed time. Days and weeks keep the anchor's wall-clock time
    in the zone: a time that the clock skips fires right after the change, one that comes twice on
    its first pass.
    """

    kind: ClassVar[str] = "interval"

    every: int
    unit: str  # one of UNIT_SECONDS
    anchor: datetime  # itself a fire time
    zone: ZoneInfo
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.unit, str) or self.unit not in UNIT_SECONDS:
            units = ", ".join(UNIT_SECONDS)
            raise Invalid({"unit": _("Choose one of %(units)s as the unit.", units=units)})
        most = LONGEST_INTERVAL_SECONDS // UNIT_SECONDS[self.unit]
        whole = isinstance(self.every, int) and not isinstance(self.every, bool)
        if not whole or not 1 <= self.every <= most:
            raise Invalid({"every": _(LONGEST_WORDS[self.unit], most=grouped(most))})
        object.__setattr__(self, "anchor", in_utc(self.anchor, "anchor"))
        self._check_limits()

    @property
    def readings(self) -> Readings | None:
        """The anchor's time of day, for days and weeks."""
        return (self._days, True) if self.unit in CALENDAR_UNITS else None

    @property
    def _step(self) -> int:
        return self.every * UNIT_SECONDS[self.unit] * SECOND_US

    @property
    def _days(self) -> Progression:
        return Progression(wall_clock(self.anchor, self.zone), self._step)

    def _following(self, instant: datetime) -> datetime | None:
        if instant < self.anchor:
            return self.anchor
        if self.unit in CALENDAR_UNITS:
            following = next_fire(self._days, True, to_us(instant), self.zone)
        else:
            passed = (to_us(instant) - to_us(self.anchor)) // self._step
            following = to_us(self.anchor) + (passed + 1) * self._step
        return None if following is None or following > LATEST_US else from_us(following)

    def _count(self, after: datetime, until: datetime) -> int:
        if until < self.anchor:
            return 0
        total = int(after < self.anchor)
        after = max(after, self.anchor)
        if self.unit in CALENDAR_UNITS:
            return total + count_fires(self._days, True, to_us(after), to_us(until), self.zone)
        anchor, until_us = to_us(self.anchor), min(to_us(until), LATEST_US)
        return total + (until_us - anchor) // self._step - (to_us(after) - anchor) // self._step

    def words(self) -> str:
        """ "Every 30 minutes"; with the time of day for days and weeks."""
        text = interval(self.every, self.unit)
        if self.unit not in CALENDAR_UNITS:
            return capitalised(text)
        local = self.anchor.astimezone(self.zone)
        time = f"{local:{'%H:%M:%S' if local.second else '%H:%M'}}"
        if self.unit == "days":
            return capitalised(_("%(days)s at %(times)s", days=text, times=time))
        day = weekday_name(local.weekday())
        text = _("%(weeks)s on %(weekday)s at %(time)s", weeks=text, weekday=day, time=time)
        return capitalised(text)

    def to_json(self) -> dict[str, Any]:
        """The trigger as plain values, for `from_json`."""
        return {
            "kind": self.kind,
            "every": self.every,
            "unit": self.unit,
            "anchor": self.anchor.isoformat(),
            "zone": self.zone.key,
            **self._limits_json(),
        }


@dataclass(frozen=True)
class DateTrigger:
    """One fire time."""

    kind: ClassVar[str] = "date"

    at: datetime
    zone: ZoneInfo  # for the words only
    readings: ClassVar[None] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", in_utc(self.at, "at"))

    def next_after(self, instant: datetime) -> datetime | None:
        """The fire time, if it lies strictly after `instant`."""
        return self.at if self.at > instant else None

    def count_between(self, after: datetime, until: datetime) -> int:
        """1 if the fire time lies in (after, until], else 0."""
        return int(after < self.at <= until)

    def last_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The fire time, if it lies in (after, until] and `limit` is 1 or more."""
        return [self.at] if limit > 0 and after < self.at <= until else []

    def words(self) -> str:
        """ "Once, on 24 December 2026 at 18:00"."""
        local = self.at.astimezone(self.zone)
        time = f"{local:{'%H:%M:%S' if local.second else '%H:%M'}}"
        return _(
            "Once, on %(day)s %(month)s %(year)s at %(time)s",
            day=local.day,
            month=month_name(local.month),
            year=local.year,
            time=time,
        )

    def to_json(self) -> dict[str, Any]:
        """The trigger as plain values, for `from_json`."""
        return {"kind": self.kind, "at": self.at.isoformat(), "zone": self.zone.key}


def in_english(trigger: Trigger) -> str:
    """The trigger in English words, for what is stored or logged, whoever reads now."""
    with spoken(ENGLISH):
        return trigger.words()


def in_utc(value: datetime, name: str) -> datetime:
    """`value` in UTC.

    Raises: Invalid, keyed by `name`, for a time without zone or outside the years 2 to 9998.
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise Invalid({name: _("This needs a date and a time with its zone.")})
    if not 1 < value.year < 9999:
        raise Invalid({name: out_of_reach(value.year)})
    return value.astimezone(UTC)


def out_of_reach(year: int) -> str:
    """What to say of a time in a year that cannot be reckoned with."""
    return _("The year %(year)s is out of reach. Choose another.", year=year)


def zone_named(name: str) -> ZoneInfo:
    """The time zone with the IANA name `name`, such as Europe/Berlin.

    Raises: Invalid, keyed "zone".
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        text = _('There is no time zone "%(name)s". Example: Europe/Berlin.', name=shown(str(name)))
        raise Invalid({"zone": text}) from None
