"""Triggers: the immutable rules that yield fire times, to and from JSON and APScheduler.

The kinds themselves are in `trigger_kinds`, the bridge to APScheduler in `aps_triggers`; the rest
of the product imports all of it from here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aegis_web.clock import MICROSECOND
from aegis_web.engine import cron
from aegis_web.engine.aps_triggers import (
    LedgerTrigger,
    as_apscheduler,
    from_apscheduler,
    jitter_of,
    starts_when_declared,
)
from aegis_web.engine.trigger_kinds import (
    CALENDAR_UNITS,
    UNIT_SECONDS,
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    in_english,
    zone_named,
)
from aegis_web.engine.unreadable import UnreadableTrigger
from aegis_web.errors import Invalid
from aegis_web.language import _

__all__ = [
    "CALENDAR_UNITS",
    "UNIT_SECONDS",
    "CronTrigger",
    "DateTrigger",
    "FieldsTrigger",
    "IntervalTrigger",
    "LedgerTrigger",
    "Trigger",
    "UnreadableTrigger",
    "as_apscheduler",
    "as_stored",
    "from_apscheduler",
    "from_json",
    "in_english",
    "jitter_of",
    "preview",
    "seeded",
    "starts_when_declared",
    "zone_named",
]

KEYS = {
    "cron": ("expression",),
    "fields": ("fields",),
    "interval": ("every", "unit", "anchor"),
    "date": ("at",),
}  # what each kind needs besides "kind" and "zone"
LIMITS = {"starts_at", "ends_at"}
OPTIONAL = {"cron": LIMITS | {"seed"}, "fields": LIMITS, "interval": LIMITS, "date": set()}


def from_json(data: Mapping[str, Any]) -> Trigger:
    """The trigger that `to_json` described.

    Raises: Invalid for a kind, a key or a value that is missing, unknown or cannot be used.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or kind not in KEYS:
        text = _(
            "There is no kind %(kind)s. Choose one of %(kinds)s.",
            kind=repr(kind),
            kinds=", ".join(KEYS),
        )
        raise Invalid({"kind": text})
    required = {"kind", "zone", *KEYS[kind]}
    for name in required - data.keys():
        raise Invalid(
            {name: _("A trigger of the kind %(kind)s needs “%(name)s”.", kind=kind, name=name)}
        )
    for name in data.keys() - required - OPTIONAL[kind]:
        text = _(
            "A trigger of the kind %(kind)s has no value “%(name)s”.", kind=kind, name=str(name)
        )
        raise Invalid({name: text})
    return _read(kind, data)


def as_stored(data: Any) -> Trigger:
    """The trigger of a row of `jobs`; one without fire times where it cannot be read."""
    try:
        return from_json(data)
    except Invalid:
        return UnreadableTrigger(data)


def seeded(trigger: Trigger, seed: str, *, again: bool = False) -> Trigger:
    """`trigger` with a seed for the `H` in its cron expression, if it has one without a seed;
    `again`: with another seed than it has."""
    if not isinstance(trigger, CronTrigger) or not trigger.expression.hashed:
        return trigger
    if trigger.expression.seed and not again:
        return trigger
    return replace(trigger, expression=cron.parse(trigger.expression.text, seed))


def preview(trigger: Trigger, after: datetime, n: int) -> list[datetime]:
    """The next `n` fire times after `after`, or as many as there are."""
    found: list[datetime] = []
    instant = trigger.next_after(after)
    while instant is not None and len(found) < n:
        found.append(instant)
        instant = trigger.next_after(instant)
    return found


def names(trigger: Trigger, instant: datetime) -> bool:
    """Whether `instant` is one of the trigger's fire times."""
    return trigger.next_after(instant - MICROSECOND) == instant


def coming(trigger: Trigger, cursor: datetime | None, now: datetime, n: int) -> list[datetime]:
    """The next `n` fire times after `now` of an active job whose cursor stands there.

    A hand may have set the cursor to an instant that the trigger does not name.
    """
    if cursor is None:
        return []
    if cursor <= now:
        return preview(trigger, now, n)
    return [cursor, *preview(trigger, cursor, n - 1)]


def _read(kind: str, data: Mapping[str, Any]) -> Trigger:
    zone = zone_named(data["zone"])
    if kind == "date":
        return DateTrigger(_instant(data, "at"), zone)
    starts_at = _instant(data, "starts_at") if "starts_at" in data else None
    ends_at = _instant(data, "ends_at") if "ends_at" in data else None
    if kind == "cron":
        expression = cron.parse(str(data["expression"]), str(data.get("seed", "")))
        return CronTrigger(expression, zone, starts_at, ends_at)
    if kind == "fields":
        if not isinstance(data["fields"], Mapping):
            raise Invalid({"fields": _("This needs the fields by name.")})
        return FieldsTrigger(data["fields"], zone, starts_at, ends_at)
    anchor = _instant(data, "anchor")
    return IntervalTrigger(data["every"], data["unit"], anchor, zone, starts_at, ends_at)


def _instant(data: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.fromisoformat(data[name])
    except (TypeError, ValueError):
        text = _("This is not a date and time in ISO 8601 with an offset.")
        raise Invalid({name: text}) from None
