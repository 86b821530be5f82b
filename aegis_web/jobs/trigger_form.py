"""The part of the job form that says when: typed text to a trigger, or errors beside fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aegis_web.config_values import UNLISTED_ZONE
from aegis_web.engine import cron
from aegis_web.engine.cronfields import BadField, read_field, shown
from aegis_web.engine.trigger_kinds import out_of_reach
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    UnreadableTrigger,
    zone_named,
)
from aegis_web.errors import Invalid
from aegis_web.language import N_, _

CRON, INTERVAL, ONCE, KEEP = "cron", "interval", "once", "keep"
RECURRING = (CronTrigger, FieldsTrigger, IntervalTrigger)
KINDS = {CRON: N_("Cron"), INTERVAL: N_("Interval"), ONCE: N_("Once")}
UNITS = {
    "seconds": N_("seconds"),
    "minutes": N_("minutes"),
    "hours": N_("hours"),
    "days": N_("days"),
    "weeks": N_("weeks"),
}
DAYS = {
    "1": N_("Mon"),
    "2": N_("Tue"),
    "3": N_("Wed"),
    "4": N_("Thu"),
    "5": N_("Fri"),
    "6": N_("Sat"),
    "0": N_("Sun"),
}
PRESETS = {
    "*/15 * * * *": N_("Every 15 minutes"),
    "0 * * * *": N_("Hourly"),
    "0 2 * * *": N_("Daily at 02:00"),
    "0 9 * * 1-5": N_("Weekdays at 09:00"),
    "0 8 * * 1": N_("Mondays at 08:00"),
    "0 6 1 * *": N_("First of the month"),
}
BUILT = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) \* \* (\S+)", re.ASCII)
MINUTES = frozenset(map(str, range(60)))
NOTHING_LEFT = N_("No fire time is left to come before this end. Choose a later one, or none.")
LONGEST_SHOWN = 5000  # characters of one field that come back to the browser
FIELDS = {  # where each value of a trigger is typed
    "cron": "cron",
    "every": "every",
    "unit": "every",
    "anchor": "start",
    "start": "start",
    "at": "once",
    "starts_at": "starts",
    "ends_at": "ends",
    "zone": "zone",
}


@dataclass(frozen=True)
class TriggerFields:
    """What stands in the fields about the trigger, as texts."""

    trigger: str = CRON  # one of KINDS, or KEEP
    cron: str = "0 9 * * *"
    time: str = "09:00"  # of the builder
    days: tuple[str, ...] = tuple(DAYS)  # of the builder: those of DAYS that are pressed
    every: str = "1"
    unit: str = "hours"
    start: str = ""  # of the interval; empty: now
    once: str = ""
    starts: str = ""  # of cron: no fire time before it; empty: none
    ends: str = ""  # of all but once: no fire time after it
    zone: str = "UTC"
    name: str = ""  # of the job: what an H in the expression is chosen by, once and for all

    @classmethod
    def from_form(cls, form: Any) -> "TriggerFields":
        """What was posted; what was not is as in an empty form."""
        names = {field.name for field in fields(cls)} - {"days"}
        texts = {name: form[name].strip()[:LONGEST_SHOWN] for name in names if name in form}
        days = tuple(day for day in DAYS if day in form.getlist("days"))
        return cls(**texts, days=days)

    @classmethod
    def from_trigger(cls, trigger: Trigger, zone: str) -> "TriggerFields":
        """The texts that say `trigger`; of one that cannot be read, what there is of it.

        `zone` is the job's.
        """
        if isinstance(trigger, UnreadableTrigger):
            known = trigger.data if isinstance(trigger.data, Mapping) else {}
            expression = str(known.get("expression", ""))[:LONGEST_SHOWN]
            return cls(cron=expression, zone=zone).with_builder_of_cron()
        starts, ends = starts_of(trigger), ends_of(trigger)
        shown = cls(
            zone=str(trigger.zone),
            starts=local_text(starts, trigger.zone) if starts else "",
            ends=local_text(ends, trigger.zone) if ends else "",
        )
        if isinstance(trigger, CronTrigger):
            return replace(shown, cron=trigger.expression.text).with_builder_of_cron()
        if isinstance(trigger, IntervalTrigger):
            start = local_text(trigger.anchor, trigger.zone)
            every = str(trigger.every)
            return replace(shown, trigger=INTERVAL, every=every, unit=trigger.unit, start=start)
        if isinstance(trigger, DateTrigger):
            return replace(shown, trigger=ONCE, once=local_text(trigger.at, trigger.zone))
        return replace(shown, trigger=KEEP)

    def with_builder_of_cron(self) -> "TriggerFields":
        """With time and days of the builder as the expression says them, or empty."""
        match = BUILT.fullmatch(" ".join(self.cron_fields))
        days: tuple[str, ...] = ()
        if match is not None:
            days = days_of(match[3])
        if match is None or not days:
            return replace(self, time="", days=())
        return replace(self, time=f"{int(match[2]):02}:{int(match[1]):02}", days=days)

    @property
    def richer(self) -> bool:
        """Whether the expression says what the builder cannot."""
        return bool(self.cron_fields) and not self.with_builder_of_cron().time

    @property
    def cron_fields(self) -> list[str]:
        """The five fields of the expression, of a shorthand too; empty: it cannot be used."""
        try:
            cron.parse(self.cron, self.name)
        except Invalid:
            return []
        return cron.SHORTHANDS.get(self.cron.lower(), self.cron).split()

    @property
    def minute(self) -> int | None:
        """The one minute of the hour that the expression names; None: none, or several."""
        fields = self.cron_fields if self.trigger == CRON else []
        return int(fields[0]) if fields and fields[0].isdigit() else None

    def with_minute(self, minute: str) -> "TriggerFields":
        """With an expression that names that minute; as it is where that cannot be."""
        if self.minute is None or minute not in MINUTES:
            return self
        return replace(self, cron=" ".join([minute, *self.cron_fields[1:]]))

    def with_built_cron(self) -> "TriggerFields":
        """With the expression that time and days of the builder make.

        Raises: Invalid, naming `time` or `days`.
        """
        match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(:00)?", self.time, re.ASCII)
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise Invalid({"time": _("This is not a time of day. Write it like 09:30.")})
        if not self.days:
            raise Invalid({"days": _("No day is chosen. Choose at least one.")})
        days = cron_days(self.days)
        return replace(self, trigger=CRON, cron=f"{int(match[2])} {int(match[1])} * * {days}")

    def read(self, now: datetime, stored: Trigger | None = None) -> Trigger:
        """The trigger that these fields say.

        What `stored` has and no field shows (parts of a second) stays where the rest is as it
        was. Raises: Invalid by field.
        """
        try:
            made = self._made(now, stored)
        except Invalid as invalid:
            errors = {FIELDS.get(name, "trigger"): text for name, text in invalid.errors.items()}
            raise Invalid(errors) from None
        if stored is not None and made.to_json() == stored.to_json():
            return stored
        if made.next_after(now) is None:
            if isinstance(made, RECURRING) and replace(made, ends_at=None).next_after(now):
                raise Invalid({"ends": _(NOTHING_LEFT)})
            raise Invalid({self._field: self._never(now, made.zone)})
        return made

    @property
    def _field(self) -> str:
        return {INTERVAL: "every", ONCE: "once"}.get(self.trigger, "cron")

    def _made(self, now: datetime, stored: Trigger | None) -> Trigger:
        if self.trigger not in KINDS and not (self.trigger == KEEP and stored is not None):
            text = _("Choose how the job is triggered: cron, interval or once.")
            raise Invalid({"trigger": text})
        zone = self._zone()
        if self.trigger == CRON:
            seed = self.name
            if isinstance(stored, CronTrigger):
                seed = stored.expression.seed or seed
            return CronTrigger(cron.parse(self.cron, seed), zone, *self._limits(zone, stored))
        if self.trigger == INTERVAL:
            return self._interval(now, zone, stored)
        if self.trigger == ONCE:
            return self._once(now, zone, stored)
        assert isinstance(stored, FieldsTrigger)
        starts_at, ends_at = self._limits(zone, stored)
        return replace(stored, zone=zone, starts_at=starts_at, ends_at=ends_at)

    def _limits(
        self, zone: ZoneInfo, stored: Trigger | None
    ) -> tuple[datetime | None, datetime | None]:
        """Start and end; what is shown as it is stored is what is stored."""
        starts_at = limit("starts_at", self.starts, zone, starts_of(stored))
        return starts_at, limit("ends_at", self.ends, zone, ends_of(stored))

    def _zone(self) -> ZoneInfo:
        if not self.zone:
            raise Invalid({"zone": _("The job needs a time zone. Example: Europe/Berlin.")})
        zone = zone_named(self.zone)
        if UNLISTED_ZONE.fullmatch(self.zone):
            text = _(
                '"%(zone)s" means something else on each machine or counts leap seconds. '
                "Choose a zone of the list, such as Europe/Berlin.",
                zone=self.zone,
            )
            raise Invalid({"zone": text})
        return zone

    def _interval(self, now: datetime, zone: ZoneInfo, stored: Trigger | None) -> Trigger:
        if not (self.every.isascii() and self.every.isdigit() and len(self.every) < 12):
            text = _("Write a whole number such as 15.")
            if self.every:
                text = N_('"%(typed)s" is not a whole number. Write one such as 15.')
                text = _(text, typed=shown(self.every))
            raise Invalid({"every": text})
        anchor, starts_at = now.replace(microsecond=0), None
        if isinstance(stored, IntervalTrigger):
            starts_at = stored.starts_at  # no field shows it: an interval starts at its anchor
        ends_at = limit("ends_at", self.ends, zone, ends_of(stored))
        if self.start:
            anchor = local_instant("start", self.start, zone)
            if isinstance(stored, IntervalTrigger) and same(stored.anchor, self.start, zone):
                anchor = stored.anchor
        return IntervalTrigger(int(self.every), self.unit, anchor, zone, starts_at, ends_at)

    def _once(self, now: datetime, zone: ZoneInfo, stored: Trigger | None) -> Trigger:
        if not self.once:
            raise Invalid({"at": _("Choose the date and the time of the run.")})
        if isinstance(stored, DateTrigger) and same(stored.at, self.once, zone):
            return replace(stored, zone=zone)
        return DateTrigger(local_instant("at", self.once, zone), zone)

    def _never(self, now: datetime, zone: ZoneInfo) -> str:
        if self.trigger == ONCE:
            local = now.astimezone(zone).strftime("%Y-%m-%d %H:%M")
            return _(
                "This time has passed: it is %(now)s in %(zone)s now. Choose a "
                "time to come, or press Run now on a job.",
                now=local,
                zone=zone.key,
            )
        return _("This never fires from now on. Choose days and times to come.")


def starts_of(trigger: Trigger | None) -> datetime | None:
    """The start that a form shows of a trigger; an interval's anchor says that already."""
    return trigger.starts_at if isinstance(trigger, (CronTrigger, FieldsTrigger)) else None


def ends_of(trigger: Trigger | None) -> datetime | None:
    """The end of a trigger."""
    return trigger.ends_at if isinstance(trigger, RECURRING) else None


def limit(name: str, typed: str, zone: ZoneInfo, stored: datetime | None) -> datetime | None:
    """The start or end that `typed` says, or the stored one where it is shown like that."""
    if not typed:
        return None
    if stored is not None and same(stored, typed, zone):
        return stored
    return local_instant(name, typed, zone)


def same(instant: datetime, typed: str, zone: ZoneInfo) -> bool:
    """Whether `typed` is how a form shows `instant`."""
    return local_text(instant, zone) == typed


def local_text(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as a date and time field holds it; seconds only where there are some."""
    local = instant.astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M:%S}" if local.second else f"{local:%Y-%m-%dT%H:%M}"


def local_instant(name: str, typed: str, zone: ZoneInfo) -> datetime:
    """The instant of a date and time in `zone`; of one that comes twice, the first.

    Raises: Invalid, keyed `name`.
    """
    try:
        naive = datetime.fromisoformat(typed)
    except ValueError:
        text = N_('"%(typed)s" is not a date and time. Write it like 2027-01-31T09:30.')
        raise Invalid({name: _(text, typed=shown(typed))}) from None
    if naive.tzinfo is not None:
        text = _("Leave out the offset: the time is meant in the zone that is named beside it.")
        raise Invalid({name: text})
    if not 1970 <= naive.year <= 9000:
        raise Invalid({name: out_of_reach(naive.year)})
    instant = naive.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != naive:
        text = N_("The clocks in %(zone)s skip this time on that day. Choose another time.")
        raise Invalid({name: _(text, zone=zone.key)})
    return instant


def days_of(text: str) -> tuple[str, ...]:
    """The days that a day of week field names; empty where it says more than days."""
    try:
        values = read_field(cron.DAY_OF_WEEK, text).values
    except BadField:
        return ()
    named = {str(value % 7) for value in values}
    return tuple(day for day in DAYS if day in named)


def cron_days(days: tuple[str, ...]) -> str:
    """Days as a day of week field: "*", "1-5", "1,3,5"; Sunday last."""
    numbers = sorted(int(day) or 7 for day in days)
    if len(numbers) == len(DAYS):
        return "*"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )


def kinds_for(stored: Trigger | None) -> Mapping[str, str]:
    """The choices of a trigger, with "as it is" for one that only code can write."""
    if isinstance(stored, FieldsTrigger):
        return {KEEP: _("As declared"), **translated(KINDS)}
    return translated(KINDS)


def translated(words: Mapping[str, str]) -> dict[str, str]:
    """A table of words in the reader's language."""
    return {key: _(word) for key, word in words.items()}
