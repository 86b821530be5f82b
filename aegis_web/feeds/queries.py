"""What is asked about calendar feeds: which there are, and what one says."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from aegis_web.accounts.queries import token_sha256
from aegis_web.calendars.queries import blackouts_of
from aegis_web.clock import MICROSECOND, utc_now
from aegis_web.engine.blackouts import Blackout, blackout_at
from aegis_web.extensions import db
from aegis_web.feeds.models import Feed
from aegis_web.forecast.sources import COLUMNS, sources
from aegis_web.forecast.streams import DAY, Source, Span, allowed, each
from aegis_web.jobs.models import Job, JobState
from aegis_web.jobs.sight import has_tag
from aegis_web.pauses.queries import current_pause
from aegis_web.runs.usual import usual_seconds

DAYS = 14
MOST_EVENTS = 1_000
MOST_ALONE = DAYS * 24  # fire times of a job that are an event each; of more, each day is one
SHORTEST = timedelta(minutes=1)  # shorter events cannot be seen
BATCH = 100  # jobs whose last runs are read in one query


@dataclass(frozen=True)
class FeedRow:
    """One feed as pages show it."""

    id: int
    name: str
    tag: str
    made_at: datetime
    made_by: str
    used_at: datetime | None


@dataclass(frozen=True)
class Due:
    """One fire time of a job, or all of a day."""

    job_id: int
    at: datetime  # of a day: its first fire time
    day: date | None = None  # in the job's zone
    count: int = 1


@dataclass(frozen=True)
class Event:
    """What a calendar shows."""

    due: Due
    job_name: str
    lasts: timedelta
    words: str  # the trigger in plain English, with its zone


@dataclass(frozen=True)
class Coming:
    """What a feed says."""

    events: tuple[Event, ...]  # in the order of their beginning
    cut: bool  # there are more than `MOST_EVENTS`


def list_feeds() -> tuple[FeedRow, ...]:
    """All feeds, the newest first. One query."""
    return tuple(map(row_of, db.session.scalars(select(Feed).order_by(Feed.id.desc()))))


def find_feed(token: str) -> FeedRow | None:
    """The feed that `token` opens; None: there is none, or not any more. One query."""
    feed = db.session.scalar(select(Feed).where(Feed.token_sha256 == token_sha256(token)))
    return feed and row_of(feed)


def row_of(feed: Feed) -> FeedRow:
    """A feed as a value."""
    return FeedRow(feed.id, feed.name, feed.tag, feed.made_at, feed.made_by, feed.used_at)


def coming(tag: str) -> Coming:
    """The next fire times of the active jobs with that tag ("": of all).

    At most 13 queries; jobs that are due later than a thousand others cost nothing.
    """
    now = utc_now()
    until = now + DAYS * DAY
    query = select(*COLUMNS, Job.name).where(Job.deleted_at.is_(None))
    query = query.where(Job.state == JobState.ACTIVE, Job.next_run_at < until)
    if tag:
        query = query.where(has_tag(tag))
    rows = db.session.execute(query.order_by(Job.next_run_at, Job.id).limit(MOST_EVENTS)).all()
    found = first_dues(rows, now, until)
    events, cut = found[:MOST_EVENTS], len(found) > MOST_EVENTS
    shown = sorted({due.job_id for due, _ in events})
    usual: dict[int, float] = {}
    for begin in range(0, len(shown), BATCH):
        usual |= usual_seconds(shown[begin : begin + BATCH])
    names = {row.id: row.name for row in rows}
    return Coming(
        tuple(
            Event(
                due,
                names[due.job_id],
                max(SHORTEST, timedelta(seconds=usual.get(due.job_id, 0))),
                f"{source.trigger.words()} ({source.trigger.zone.key})",
            )
            for due, source in events
        ),
        cut or len(rows) == MOST_EVENTS,
    )


def first_dues(rows: Sequence[Any], now: datetime, until: datetime) -> list[tuple[Due, Source]]:
    """The first events of these jobs, one more than a feed has; jobs are asked as late as can be.

    `rows` are in the order of their next fire times, so those of a later one begin later.
    """
    blackouts = blackouts_of({row.calendar_id for row in rows if row.calendar_id})
    pause = current_pause()
    known: Mapping[int, Source] = {
        job.job_id: source
        for source, job in sources(rows, {}, now, pause.until if pause and pause.until else now)
    }
    waiting: list[tuple[datetime, int, Iterator[Due] | None, Due | None]] = [
        (max(now, row.next_run_at), row.id, None, None) for row in rows if row.id in known
    ]
    heapq.heapify(waiting)
    found: list[tuple[Due, Source]] = []
    while waiting and len(found) <= MOST_EVENTS:
        _, job_id, dues, due = heapq.heappop(waiting)
        source = known[job_id]
        if due is not None:
            found.append((due, source))
        if dues is None:
            dues = dues_of(job_id, source, blackouts.get(source.calendar_id or 0, ()), until)
        if (following := next(dues, None)) is not None:
            heapq.heappush(waiting, (following.at, job_id, dues, following))
    return found


def dues_of(
    job_id: int, source: Source, blackouts: Sequence[Blackout], until: datetime
) -> Iterator[Due]:
    """The fire times of a job that will run, or its days where they are many."""
    blackouts = source.barred(blackouts)
    spans = allowed(blackouts, source.after, until)
    if source.first is not None and blackout_at(blackouts, source.first) is None:
        yield Due(job_id, source.first)
    if sum(source.trigger.count_between(*span) for span in spans) > MOST_ALONE:
        yield from days_of(job_id, source, spans)
        return
    for span in spans:
        for at in each(source, span):
            yield Due(job_id, at)


def days_of(job_id: int, source: Source, spans: Sequence[Span]) -> Iterator[Due]:
    """The days of a job's zone in which it is due, with how often."""
    zone = source.trigger.zone
    day = spans[0][0].astimezone(zone).date()
    while (begins := midnight(day, zone) - MICROSECOND) < spans[-1][1]:
        ends = midnight(day + timedelta(days=1), zone) - MICROSECOND
        parts = [(max(begins, low), min(ends, high)) for low, high in spans]
        parts = [part for part in parts if part[0] < part[1]]
        count = sum(source.trigger.count_between(*part) for part in parts)
        if count:
            first = next(at for part in parts for at in each(source, part))
            yield Due(job_id, first, day, count)
        day += timedelta(days=1)


def midnight(day: date, zone: Any) -> datetime:
    """When a local day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
