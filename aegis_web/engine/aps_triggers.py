"""The bridge between our triggers and APScheduler's: its words in, its interface out."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger as ApsCron
from apscheduler.triggers.date import DateTrigger as ApsDate
from apscheduler.triggers.interval import IntervalTrigger as ApsInterval
from apscheduler.util import convert_to_datetime

from aegis_web.clock import MICROSECOND
from aegis_web.engine.fields import KINDS
from aegis_web.engine.trigger_kinds import (
    CALENDAR_UNITS,
    UNIT_SECONDS,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    in_english,
    zone_named,
)
from aegis_web.errors import Invalid

LIMITS = ("start_date", "end_date", "timezone", "jitter")
WORDS = {
    "cron": (*KINDS, *LIMITS),
    "interval": (*UNIT_SECONDS, *LIMITS),
    "date": ("run_date", "timezone", "jitter"),
}
LONGEST_JITTER_SECONDS = 86_400


class LedgerTrigger(BaseTrigger):
    """One of our triggers as APScheduler calls it; its text is our English words."""

    __slots__ = ("trigger",)

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The fire time after `previous`, or the first at or after `now`, in the job's zone.

        A date that has passed before it ever fired is still given, as APScheduler does.
        """
        if previous is not None:
            following = self.trigger.next_after(previous)
        elif isinstance(self.trigger, DateTrigger):
            following = self.trigger.at
        else:
            following = self.trigger.next_after(now - MICROSECOND)
        return None if following is None else following.astimezone(self.trigger.zone)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LedgerTrigger) and self.trigger == other.trigger

    def __hash__(self) -> int:
        return hash(self.trigger)

    def __str__(self) -> str:
        return in_english(self.trigger)

    def __repr__(self) -> str:
        return f"<LedgerTrigger ({in_english(self.trigger)}, zone={self.trigger.zone.key!r})>"


def as_apscheduler(trigger: Trigger) -> LedgerTrigger:
    """`trigger` behind APScheduler's interface."""
    return LedgerTrigger(trigger)


def from_apscheduler(
    trigger: str | BaseTrigger | None,
    trigger_args: Mapping[str, Any],
    default_zone: str,
    anchor: datetime,
) -> Trigger:
    """What `add_job` means by a trigger and its keyword arguments; a jitter is left out.

    `anchor` is an interval's first fire time if it has no start date, and "now" for a date.
    Raises: Invalid, keyed by the keyword argument.
    """
    if isinstance(trigger, LedgerTrigger):
        return trigger.trigger
    if isinstance(trigger, BaseTrigger):
        return _from_instance(trigger)
    if trigger is None:
        trigger = "date"
    if not isinstance(trigger, str) or trigger not in WORDS:
        raise Invalid(
            {"trigger": f"There is no trigger {trigger!r}. Choose cron, interval or date."}
        )
    arguments = {name: value for name, value in trigger_args.items() if value is not None}
    unknown = [name for name in arguments if name not in WORDS[trigger]]
    if unknown:
        raise Invalid(
            {
                unknown[0]: f"The trigger {trigger!r} takes no {unknown[0]}. "
                f"It takes {', '.join(WORDS[trigger])}."
            }
        )
    named = arguments.get("timezone")
    zone = zone_named(default_zone) if named is None else _zone_of(named)
    if trigger == "date":
        return DateTrigger(_datetime(arguments, "run_date", zone) or anchor, zone)
    start = _datetime(arguments, "start_date", zone)
    end = _datetime(arguments, "end_date", zone)
    _check_order(start, end)
    if trigger == "interval":
        every, unit = _length(arguments)
        return IntervalTrigger(every, unit, start or anchor, zone, ends_at=end)
    fields = {name: value for name, value in arguments.items() if name in KINDS}
    return FieldsTrigger(fields, zone, start, end)


def starts_when_declared(trigger: object, trigger_args: Mapping[str, Any]) -> bool:
    """Whether a trigger takes its start, or its date, from the moment of its declaration.

    An instance of APScheduler's has taken it already: nobody writes microseconds by hand.
    """
    if isinstance(trigger, ApsInterval):
        return bool(trigger.start_date.microsecond)
    if isinstance(trigger, ApsDate):
        return bool(trigger.run_date.microsecond)
    if trigger == "interval":
        return not trigger_args.get("start_date")
    return trigger in (None, "date") and not trigger_args.get("run_date")


def jitter_of(trigger: str | BaseTrigger | None, trigger_args: Mapping[str, Any]) -> int:
    """The seconds of jitter that a trigger or its keyword arguments ask for; 0 for none.

    Raises: Invalid, keyed "jitter".
    """
    if isinstance(trigger, BaseTrigger):
        jitter = getattr(trigger, "jitter", None)
    else:
        jitter = trigger_args.get("jitter")
    if jitter is None:
        return 0
    number = isinstance(jitter, (int, float)) and not isinstance(jitter, bool)
    if not number or not 0 <= jitter <= LONGEST_JITTER_SECONDS or jitter != int(jitter):
        raise Invalid(
            {"jitter": f"jitter must be whole seconds from 0 to {LONGEST_JITTER_SECONDS:,}."}
        )
    return int(jitter)


def _from_instance(trigger: BaseTrigger) -> Trigger:
    if isinstance(trigger, ApsCron):
        fields = {field.name: str(field) for field in trigger.fields if not field.is_default}
        zone = _zone_of(trigger.timezone)
        return FieldsTrigger(fields, zone, trigger.start_date, trigger.end_date)
    if isinstance(trigger, ApsInterval):
        every, unit = _in_one_unit(trigger.interval, calendar=True)
        zone = _zone_of(trigger.timezone)
        return IntervalTrigger(every, unit, trigger.start_date, zone, ends_at=trigger.end_date)
    if isinstance(trigger, ApsDate):
        return DateTrigger(trigger.run_date, _zone_of(trigger.run_date.tzinfo))
    raise Invalid(
        {
            "trigger": f"A {type(trigger).__name__} cannot be kept. Use a cron, interval or date "
            "trigger; a combined one can become several jobs."
        }
    )


def _zone_of(value: object) -> ZoneInfo:
    """A named zone for what APScheduler takes as one.

    Raises: Invalid, keyed "timezone".
    """
    if isinstance(value, ZoneInfo) and value.key:
        return value
    name = getattr(value, "zone", None) if isinstance(value, tzinfo) else value  # pytz has a name
    if isinstance(name, str):
        try:
            return zone_named(name)
        except Invalid as error:
            raise Invalid({"timezone": error.errors["zone"]}) from None
    if isinstance(value, tzinfo) and (fixed := _fixed_zone(value)):
        return fixed
    raise Invalid({"timezone": "Use the name of a time zone, for example Europe/Berlin."})


def _fixed_zone(value: tzinfo) -> ZoneInfo | None:
    """The named zone of a constant offset of whole hours, as `timezone.utc` is one."""
    offset = value.utcoffset(None)
    hours, rest = divmod(offset, timedelta(hours=1)) if offset is not None else (0, timedelta(1))
    if rest or not -12 <= hours <= 14:
        return None
    return ZoneInfo(f"Etc/GMT{-hours:+}" if hours else "UTC")  # the sign there is the other way


def _datetime(arguments: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime | None:
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, (str, date)):
        raise Invalid({name: f"{name} must be a date, a datetime or a text."})
    try:
        found: datetime = convert_to_datetime(value, zone, name)
    except (ValueError, TypeError):
        raise Invalid(
            {name: f'{name}="{value}" is not a date or time. Write 2026-12-24 18:00:00.'}
        ) from None
    return found.astimezone(UTC)


def _check_order(start: datetime | None, end: datetime | None) -> None:
    if start and end and end < start:
        raise Invalid({"end_date": "end_date lies before start_date. Choose a later one."})


def _length(arguments: Mapping[str, Any]) -> tuple[int, str]:
    """The units of an interval as one: the largest that measures it and means the same.

    Hours stay hours, however many: 24 of them are elapsed time, a day is not.
    """
    given = {unit: arguments[unit] for unit in UNIT_SECONDS if arguments.get(unit)}
    for unit, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise Invalid({unit: f"{unit} must be a number from 0 up, not {value!r}."})
    if not given:
        raise Invalid({"seconds": "An interval needs a length, for example minutes=30."})
    try:
        length = timedelta(**given)
    except (OverflowError, ValueError):
        raise Invalid({next(iter(given)): "This interval is too long."}) from None
    calendar = all(unit in CALENDAR_UNITS for unit in given)
    return _in_one_unit(length, calendar)


def _in_one_unit(length: timedelta, calendar: bool) -> tuple[int, str]:
    for unit in reversed(UNIT_SECONDS):
        count, rest = divmod(length, timedelta(seconds=UNIT_SECONDS[unit]))
        if not rest and (calendar or unit not in CALENDAR_UNITS):
            return count, unit
    raise Invalid({"seconds": "An interval is a whole number of seconds, 1 or more."})
