"""What a change of a zone's clock does to a trigger, in words beside its fire times.

When a trigger fires is `clockchange`'s business; here its rules are only said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aegis_web.clock import MICROSECOND, SECOND_US, from_us, to_us
from aegis_web.engine.clockchange import changes_between
from aegis_web.engine.daytimes import DAY, Pattern
from aegis_web.engine.trigger_kinds import (
    UNIT_SECONDS,
    DateTrigger,
    IntervalTrigger,
    Trigger,
)
from aegis_web.engine.vocabulary import capitalised, month_name, weekday_name
from aegis_web.language import N_, _
from aegis_web.parameters.durations import duration_words

AFTERWARDS = 8 * DAY  # so long after a change a fire time still says that it is as ever


@dataclass(frozen=True)
class Change:
    """A change of a zone's clock; microseconds, as in `clockchange`."""

    at: int
    before: int  # the offset until then
    after: int  # the offset from then on

    @property
    def forward(self) -> bool:
        """Whether the clock skips readings; else some come twice."""
        return self.after > self.before

    @property
    def shift(self) -> int:
        """By how much the clock is moved."""
        return abs(self.after - self.before)

    @property
    def low(self) -> int:
        """The first reading that is skipped or comes twice."""
        return self.at + min(self.before, self.after)

    @property
    def high(self) -> int:
        """The first reading after those."""
        return self.low + self.shift

    def words(self, beside: datetime | None = None) -> str:
        """ "clocks go back at 03:00"; with the day, unless `beside` is a fire time of that day."""
        reading = self.at + self.before
        time = time_of(reading)
        if beside is not None and (to_us(beside) + self.after) // DAY == reading // DAY:
            if self.forward:
                return _("clocks go forward at %(time)s", time=time)
            return _("clocks go back at %(time)s", time=time)
        day = day_of(reading)
        if self.forward:
            return _("clocks go forward on %(day)s at %(time)s", day=day, time=time)
        return _("clocks go back on %(day)s at %(time)s", day=day, time=time)


@dataclass(frozen=True)
class Mark:
    """What a change of the clock does to one fire time."""

    change: Change
    text: str
    moved: bool = True  # False: the fire time is as on any other day

    def words(self, beside: datetime | None = None) -> str:
        """The change and what it does: "clocks go back at 03:00: runs once, at the first 02:30"."""
        return _("%(change)s: %(effect)s", change=self.change.words(beside), effect=self.text)


def clock_marks(trigger: Trigger, now: datetime, times: Sequence[datetime]) -> dict[datetime, Mark]:
    """What changes of the clock do to `times`, rising and after `now`, where they do something.

    The first fire time after a change that does nothing says that too.
    """
    found: dict[datetime, Mark] = {}
    for change in changes(trigger, now, times[-1] + timedelta(days=1)) if times else ():
        effects = effects_of(trigger, change)
        for time in times:
            if time in effects:
                found.setdefault(time, effects[time])
        first = next((time for time in times if to_us(time) >= change.at), None)
        if not effects and first and trigger.readings and to_us(first) < change.at + AFTERWARDS:
            text = _("still at %(time)s", time=time_of(to_us(first) + change.after))
            found.setdefault(first, Mark(change, text, moved=False))
    return found


def coming_change(trigger: Trigger, after: datetime, until: datetime) -> str | None:
    """The first change of the clock in (after, until] that moves a fire time, as a sentence."""
    for change in changes(trigger, after, until):
        for time, mark in effects_of(trigger, change).items():
            if mark.moved and time > after:
                return f"{capitalised(mark.words())}."
    return None


def changes(trigger: Trigger, after: datetime, until: datetime) -> Iterator[Change]:
    """The changes of the clock in the trigger's zone in (after, until], rising."""
    for change in changes_between(trigger.zone, to_us(after), to_us(until)):
        yield Change(*change)


def effects_of(trigger: Trigger, change: Change) -> dict[datetime, Mark]:
    """What the change does to fire times of the trigger, by fire time; empty: nothing."""
    at = from_us(change.at)
    if isinstance(trigger, DateTrigger):
        return _on_date(trigger, change)
    fire = trigger.next_after(at - MICROSECOND)
    if fire is None or _begins_after(trigger, at):
        return {}
    if trigger.readings is None:
        return _on_elapsed(trigger, change, fire)
    pattern, fixed = trigger.readings
    if not pattern.count(change.low, change.high):
        return {}
    if not fixed:
        text, moved = _on_wildcard(pattern, change), not _steady(pattern, change)
        return {fire: Mark(change, text, moved)}
    if change.forward:
        return {fire: Mark(change, _made_up_for(pattern, change))} if fire == at else {}
    return {time: Mark(change, text) for time, text in _first_pass(trigger, change)}


def _begins_after(trigger: Trigger, at: datetime) -> bool:
    limits = (getattr(trigger, name, None) for name in ("starts_at", "anchor"))
    return any(limit is not None and limit > at for limit in limits)


def _on_date(trigger: DateTrigger, change: Change) -> dict[datetime, Mark]:
    at = to_us(trigger.at)
    if change.forward or not change.at - change.shift <= at < change.at + change.shift:
        return {}
    first = at < change.at
    reading = time_of(at + (change.before if first else change.after))
    if first:
        return {trigger.at: Mark(change, _("this is the first %(time)s", time=reading))}
    return {trigger.at: Mark(change, _("this is the second %(time)s", time=reading))}


def _on_elapsed(trigger: Trigger, change: Change, fire: datetime) -> dict[datetime, Mark]:
    """Elapsed time does not follow the clock; only a part of a day that comes again shows it."""
    assert isinstance(trigger, IntervalTrigger)
    step = trigger.every * UNIT_SECONDS[trigger.unit] * SECOND_US
    if change.shift % step == 0 or (DAY % step and step % DAY):
        return {}
    shift = duration_words(timedelta(microseconds=change.shift))
    if change.forward:
        text = _("%(shift)s later by the clock from here on", shift=shift)
    else:
        text = _("%(shift)s earlier by the clock from here on", shift=shift)
    return {fire: Mark(change, text)}


def _made_up_for(pattern: Pattern, change: Change) -> str:
    """What becomes of particular times that the clock skips."""
    at = time_of(change.high)
    first = pattern.first_from(change.low)
    if first is None or pattern.count(change.low, change.high + 1) > 1:
        return _("runs once, at %(time)s", time=at)
    return _("runs at %(time)s instead of %(other)s", time=at, other=time_of(first))


def _first_pass(trigger: Trigger, change: Change) -> Iterator[tuple[datetime, str]]:
    """The fire times of particular times that come twice."""
    time = trigger.next_after(from_us(change.at - change.shift - 1))
    while time is not None and to_us(time) < change.at:
        reading = time_of(to_us(time) + change.before)
        yield time, _("runs once, at the first %(time)s", time=reading)
        time = trigger.next_after(time)


def _on_wildcard(pattern: Pattern, change: Change) -> str:
    """What becomes of a pattern that follows the clock, where it has a reading in the change."""
    low, high = time_of(change.low), time_of(change.high)
    if _steady(pattern, change):
        if change.forward:
            return _("%(first)s to %(last)s does not come", first=low, last=high)
        return _("%(first)s to %(last)s comes twice", first=low, last=high)
    first = pattern.first_from(change.low)
    if first is None or pattern.count(change.low, change.high) > 1:
        text = N_("runs again from %(first)s to %(last)s, which comes twice")
        if change.forward:
            text = N_("no runs from %(first)s to %(last)s, which does not come")
        return _(text, first=low, last=high)
    if change.forward:
        return _("no run at %(time)s, which does not come", time=time_of(first))
    return _("runs again, at the second %(time)s", time=time_of(first))


def _steady(pattern: Pattern, change: Change) -> bool:
    """Whether the pattern goes on after the change as if the clock had not been touched."""
    here, there = pattern.first_from(change.low), pattern.first_from(change.high)
    return (
        here is not None
        and there == here + change.shift
        and pattern.count(change.low, change.high)
        == pattern.count(change.high, change.high + change.shift)
    )


def day_of(reading: int) -> str:
    """The day that a calendar on the wall shows: "Sunday 25 October 2026"."""
    local = from_us(reading)
    return _(
        "%(weekday)s %(day)s %(month)s %(year)s",
        weekday=weekday_name(local.weekday()),
        day=local.day,
        month=month_name(local.month),
        year=local.year,
    )


def time_of(reading: int) -> str:
    """The time of day that a clock on the wall shows: "02:30"; seconds only where there are."""
    local = from_us(reading)
    return f"{local:{'%H:%M:%S' if local.second else '%H:%M'}}"
