"""All runs of one day by job, near ones as one stretch; and what is planned for the rest of it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, case, func, select, type_coerce
from sqlalchemy import cast as cast_sql

from aegis_web.clock import MICROSECOND, from_us, to_us, utc_now
from aegis_web.extensions import db
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.listing import JobRow, list_jobs
from aegis_web.jobs.models import JobState
from aegis_web.jobs.skips import skips_of
from aegis_web.runs.models import Kind, Run, RunStatus
from aegis_web.runs.search import first_since

JOBS_SHOWN = 50
SLOTS = 480  # in a day: at the usual width one is two pixels wide
AHEAD = timedelta(hours=6)  # how far what is planned is drawn
PLANNED = 36  # fire times to come of one job that are drawn one by one; more are one stretch
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(frozen=True)
class Stretch:
    """One run, or several that begin within one slot of the day."""

    from_at: datetime
    until_at: datetime
    counts: Mapping[RunStatus, int]  # a summary row counts as all that it stands for
    run_id: int | None  # None: there are several


@dataclass(frozen=True)
class Plan:
    """A fire time to come, or all of the next hours where they are many."""

    from_at: datetime
    until_at: datetime  # when it usually ends, or the last of them
    count: int
    skipped: bool = False  # somebody asked to skip it


@dataclass(frozen=True)
class JobDay:
    """What one job did and will do on a day."""

    job: JobRow
    stretches: tuple[Stretch, ...]  # the first to begin first
    planned: tuple[Plan, ...]  # what is to come

    @property
    def next_planned(self) -> datetime | None:
        """The first fire time to come that is not to be skipped."""
        return next((plan.from_at for plan in self.planned if not plan.skipped), None)

    @property
    def counts(self) -> Counter[RunStatus]:
        """What became of its runs."""
        total: Counter[RunStatus] = Counter()
        for stretch in self.stretches:
            total.update(stretch.counts)
        return total


@dataclass(frozen=True)
class DayPage:
    """One page of the jobs, with their day."""

    day: date  # in the viewer's zone
    start: datetime
    end: datetime  # not part of it
    jobs: tuple[JobDay, ...]
    newer: JobFilter | None
    older: JobFilter | None

    @property
    def counts(self) -> Counter[RunStatus]:
        """What became of the runs of the jobs on this page."""
        total: Counter[RunStatus] = Counter()
        for job in self.jobs:
            total.update(job.counts)
        return total


def day_of(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """When a local day begins and ends, in UTC; 23 to 25 hours."""
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return begin.astimezone(UTC), end.astimezone(UTC)


def timeline(day: date, zone: tzinfo, wanted: JobFilter) -> DayPage:
    """The jobs that fit, by name, with the runs whose fire time lies on that day.

    Eight queries at most, and they read the runs of the shown jobs on that day.
    """
    start, end = day_of(day, zone)
    page = list_jobs(replace(wanted, order="name"), JOBS_SHOWN)
    ids, now = [row.id for row in page.rows], utc_now()
    found = stretches(ids, start, end)
    skips = skips_of(ids) if start <= now < end else {}
    jobs = []
    for row in page.rows:
        plans: tuple[Plan, ...] = ()
        if start <= now < end:
            plans = planned(row, now, end, skips.get(row.id, {}))
        jobs.append(JobDay(row, found.get(row.id, ()), plans))
    return DayPage(day, start, end, tuple(jobs), page.newer, page.older)


def stretches(
    job_ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, tuple[Stretch, ...]]:
    """The runs of these jobs in a time, by job. Four queries."""
    if not job_ids:
        return {}
    first, beyond = (first_since(db.session, instant) for instant in (start, end))
    mine = Run.job_id.in_(job_ids)
    scheduled = (mine, Run.fire_at >= start, Run.fire_at < end)
    manual = (mine, Run.kind == Kind.MANUAL, Run.id >= first, Run.id < beyond)
    rows = [*grouped(scheduled, start, end), *grouped(manual, start, end)]
    slots: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        slots[row.job_id, row.slot].append(row)
    found: dict[int, list[Stretch]] = defaultdict(list)
    for (job_id, _), parts in slots.items():
        found[job_id].append(stretch(parts))
    return {
        job_id: tuple(sorted(some, key=lambda each: each.from_at)) for job_id, some in found.items()
    }


def grouped(chosen: Iterable[ColumnElement[bool]], start: datetime, end: datetime) -> Sequence[Any]:
    """Runs by job, slot and status: how many, from when to when, and one of them."""

    def plain(column: Any) -> Any:
        return type_coerce(column, BigInteger)

    began = func.coalesce(plain(Run.started_at), plain(Run.fire_at), plain(Run.queued_at))
    going = case((Run.status.in_(OPEN), to_us(utc_now())), else_=began)
    ended = case(
        (Run.started_at.is_(None), began), else_=func.coalesce(plain(Run.finished_at), going)
    )
    width = max(1, (to_us(end) - to_us(start)) // SLOTS)
    slot = cast_sql((began - to_us(start)) / width, Integer).label("slot")
    query = (
        select(
            Run.job_id,
            slot,
            Run.status,
            func.count().label("rows"),
            func.sum(func.coalesce(Run.range_count, 1)).label("total"),
            func.min(began).label("began"),
            func.max(ended).label("ended"),
            func.max(Run.id).label("run_id"),
        )
        .where(*chosen)
        .group_by(Run.job_id, slot, Run.status)
    )
    rows: Sequence[Any] = db.session.execute(query).all()
    return rows


def stretch(parts: Sequence[Any]) -> Stretch:
    """The rows of one slot as one."""
    counts = Counter[RunStatus]()
    for part in parts:
        counts[RunStatus(part.status)] += int(part.total)
    begin, end = min(part.began for part in parts), max(part.ended for part in parts)
    one = len(parts) == 1 and parts[0].rows == 1
    return Stretch(
        from_us(begin), from_us(max(begin, end)), counts, parts[0].run_id if one else None
    )


def planned(
    job: JobRow, now: datetime, end: datetime, skips: Collection[datetime]
) -> tuple[Plan, ...]:
    """What is to come of a job before `end`, within `AHEAD`; those in `skips` will be skipped."""
    if job.state != JobState.ACTIVE or job.problem or job.next_run_at is None:
        return ()
    end = min(end, now + AHEAD)
    first = job.next_run_at if job.next_run_at >= now else job.trigger.next_after(now)
    if first is None or first >= end:
        return ()
    count = 1 + job.trigger.count_between(first, end - MICROSECOND)
    if count > PLANNED:
        skipped = [Plan(at, at, 1, skipped=True) for at in skips if first <= at < end]
        return (Plan(first, end, count - len(skipped)), *skipped)
    lasts, found = timedelta(seconds=job.usual_seconds or 0), []
    following: datetime | None = first
    while following is not None and following < end:
        if following in skips:
            found.append(Plan(following, following, 1, skipped=True))
        else:
            found.append(Plan(following, following + lasts, 1))
        following = job.trigger.next_after(following)
    return tuple(found)
