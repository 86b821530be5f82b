"""Which fire times are to come: of all jobs, those that fire together only once.

Pure functions. Ten thousand jobs rarely have ten thousand different sets of fire times: those that
share one are a stream, whose fire times are found once. What that may cost is bounded.
"""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aegis_web.clock import EPOCH, MICROSECOND, SECOND_US, to_us
from aegis_web.engine.blackouts import Blackout
from aegis_web.engine.triggers import (
    CALENDAR_UNITS,
    UNIT_SECONDS,
    CronTrigger,
    IntervalTrigger,
    Trigger,
)

DAYS = 7
SECOND, QUARTER, DAY = timedelta(seconds=1), timedelta(minutes=15), timedelta(days=1)
MINUTES = DAYS * 24 * 60
QUARTERS = DAYS * 24 * 4  # every zone's hours begin with one of them
QUARTERS_A_DAY = 96
MOST_FOUND = DAYS * 24 * 50  # of jobs that start about every minute, or more often, none is found
BUDGET = 150_000  # fire times found and counts made for all jobs: 2 to 4 seconds of a processor

Span = tuple[datetime, datetime]  # what comes after the first instant, up to the second


@dataclass(frozen=True)
class Expectation:
    """What a job is expected to do at each of its fire times."""

    job_id: int
    seconds: float | None  # how long a run usually takes; None: not known
    overlap: str
    max_running: int
    spread: bool = False  # its jitter takes it out of the minute of its fire time


@dataclass(frozen=True)
class Source:
    """Where the fire times of a job come from."""

    trigger: Trigger
    after: datetime  # its trigger rules what comes after this instant
    first: datetime | None = None  # a fire time set by hand, before those of the trigger
    calendar_id: int | None = None
    skips: tuple[datetime, ...] = ()  # fire times to be skipped, the first first

    def barred(self, blackouts: Iterable[Blackout]) -> list[Blackout]:
        """`blackouts`, and each fire time to be skipped as one of a microsecond; in time order."""
        skips = (Blackout("skipped", at, at + MICROSECOND) for at in self.skips)
        return sorted((*blackouts, *skips), key=lambda each: (each.start, each.until))


@dataclass
class Stream:
    """Jobs that have the same fire times."""

    source: Source
    jobs: list[Expectation] = field(default_factory=list)


@dataclass(frozen=True)
class Fires:
    """The fire times of a stream: each of them, or how many come in pieces of the time."""

    seconds: Sequence[int] = ()  # after the beginning; empty where they are only counted
    counts: Sequence[int] = ()  # by quarter of an hour, or by day where there are so few
    total: int = 0

    @property
    def rough(self) -> bool:
        """Whether they are counted by day, and taken to be spread evenly over it."""
        return len(self.counts) == DAYS


def beginning(now: datetime) -> datetime:
    """Where the quarter of an hour that holds `now` begins."""
    return now - (now - EPOCH) % QUARTER


def source_of(
    trigger: Trigger,
    next_run_at: datetime,
    now: datetime,
    calendar_id: int | None,
    skips: tuple[datetime, ...] = (),
) -> Source:
    """The fire times to come of a job whose cursor stands at `next_run_at`.

    Most cursors stand where the trigger says, so that jobs alike have equal sources.
    """
    if next_run_at <= now or trigger.next_after(now) == next_run_at:
        return Source(trigger, now, None, calendar_id, skips)
    return Source(trigger, next_run_at, next_run_at, calendar_id, skips)


def streams_of(
    jobs: Iterable[tuple[Source, Expectation]], start: datetime
) -> dict[Hashable, Stream]:
    """The jobs by what they share."""
    found: dict[Hashable, Stream] = {}
    for source, job in jobs:
        shape = shape_of(source.trigger, source.after, start + DAYS * DAY)
        key = (shape, source.after, source.first, source.calendar_id, source.skips)
        found.setdefault(key, Stream(source)).jobs.append(job)
    return found


def shape_of(trigger: Trigger, after: datetime, until: datetime) -> Hashable:
    """What two triggers share that have the same fire times, to the second, in (after, until]."""
    starts_at, ends_at = getattr(trigger, "starts_at", None), getattr(trigger, "ends_at", None)
    limits = (
        starts_at if starts_at is not None and starts_at > after else None,
        ends_at if ends_at is not None and ends_at < until else None,
    )
    if isinstance(trigger, CronTrigger):
        pattern = trigger.expression.pattern
        times = (pattern.times.hours, pattern.times.minutes)
        return ("cron", pattern.rule, times, trigger.expression.fixed, trigger.zone.key, limits)
    if isinstance(trigger, IntervalTrigger) and trigger.anchor <= after:
        step = trigger.every * UNIT_SECONDS[trigger.unit]
        if trigger.unit not in CALENDAR_UNITS:
            return ("interval", step, to_us(trigger.anchor) // SECOND_US % step, limits)
    own: Any = trigger
    return (own,)


def allowed(blackouts: Iterable[Blackout], after: datetime, until: datetime) -> tuple[Span, ...]:
    """The parts of (after, until] that no blackout forbids; they begin in time order."""
    spans, at = [], after
    for blackout in blackouts:
        if blackout.until <= after or blackout.start > until:
            continue
        if blackout.start - MICROSECOND > at:
            spans.append((at, blackout.start - MICROSECOND))
        at = max(at, blackout.until - MICROSECOND)
    return (*spans, (at, until)) if at < until else tuple(spans)


class Walk:
    """Finds the fire times of one stream after the other, and never costs more than `BUDGET`."""

    def __init__(self, start: datetime) -> None:
        self.start, self.end = start, start + DAYS * DAY
        self.left = BUDGET

    def cost_first(self, stream: Stream) -> float:
        """How many fire times have to be found for each job of a stream: cheap ones go first."""
        source = stream.source
        return source.trigger.count_between(source.after, self.end) / len(stream.jobs)

    def fires(self, stream: Stream, blackouts: Sequence[Blackout]) -> Fires:
        """The fire times of a stream before the end, without those in a blackout."""
        source = stream.source
        blackouts = source.barred(blackouts)
        spans = allowed(blackouts, source.after, self.last)
        total = sum(source.trigger.count_between(*span) for span in spans)
        if total < min(MOST_FOUND, self.left):
            self.left -= total + 1
            times = [at for span in spans for at in each(source, span)]
            return self.found([*self.by_hand(source, blackouts), *times])
        return self.counted(source, spans)

    @property
    def last(self) -> datetime:
        """The last instant that counts."""
        return self.end - MICROSECOND

    def by_hand(self, source: Source, blackouts: Iterable[Blackout]) -> list[datetime]:
        """The fire time set by hand, if it counts."""
        at = source.first
        if at is None or not self.start <= at < self.end:
            return []
        return [] if any(blackout.holds(at) for blackout in blackouts) else [at]

    def found(self, instants: Iterable[datetime]) -> Fires:
        """Fire times that were found one by one."""
        seconds = array("l", ((at - self.start) // SECOND for at in instants))
        return Fires(seconds, total=len(seconds))

    def counted(self, source: Source, spans: Sequence[Span]) -> Fires:
        """Fire times that are too many to be found: by quarter of an hour, or only by day."""
        rough = self.left < QUARTERS
        self.left -= 0 if rough else QUARTERS
        pieces, width = (DAYS, DAY) if rough else (QUARTERS, QUARTER)
        counts = []
        for piece in range(pieces):
            begin = self.start + piece * width - MICROSECOND
            parts = [(max(begin, low), min(begin + width, high)) for low, high in spans]
            counts.append(
                sum(source.trigger.count_between(*part) for part in parts if part[0] < part[1])
            )
        return Fires(counts=counts, total=sum(counts))


def each(source: Source, span: Span) -> Iterable[datetime]:
    """The fire times of a trigger in a span, one by one."""
    at = source.trigger.next_after(span[0])
    while at is not None and at <= span[1]:
        yield at
        at = source.trigger.next_after(at)


def spread(total: int, places: int) -> list[int]:
    """A number over so many places, as evenly as whole numbers can be."""
    return [total * (place + 1) // places - total * place // places for place in range(places)]
