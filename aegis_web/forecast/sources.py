"""The jobs that will fire, and where their fire times come from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.forecast.streams import Expectation, Source, source_of
from aegis_web.jobs.models import Job, JobSkip, JobState

SPREAD_SECONDS = 60  # a jitter that takes a job out of its minute
COLUMNS = (
    Job.id, Job.trigger, Job.next_run_at, Job.state, Job.pause_until,
    Job.problem, Job.calendar_id, Job.overlap, Job.max_running, Job.jitter_seconds,
)  # fmt: skip


def live_jobs() -> Sequence[Any]:
    """What matters here of all jobs that are not deleted. One query."""
    found: Sequence[Any] = db.session.execute(
        select(*COLUMNS).where(Job.deleted_at.is_(None)).order_by(Job.id)
    ).all()
    return found


def all_skips() -> dict[int, tuple[datetime, ...]]:
    """The fire times that are to be skipped, by job, the first first. One query."""
    found: dict[int, list[datetime]] = defaultdict(list)
    for skip in db.session.scalars(select(JobSkip).order_by(JobSkip.fire_at)):
        found[skip.job_id].append(skip.fire_at)
    return {job_id: tuple(instants) for job_id, instants in found.items()}


def sources(
    jobs: Sequence[Any], usual: Mapping[int, float], now: datetime, resumes_at: datetime
) -> Iterator[tuple[Source, Expectation]]:
    """The jobs that will fire, with where their fire times come from. One query."""
    skips = all_skips()
    for job in jobs:
        paused = job.state == JobState.PAUSED and job.pause_until is not None
        if job.problem or job.next_run_at is None or not (paused or job.state == JobState.ACTIVE):
            continue
        try:
            trigger = from_json(job.trigger)
        except Invalid:
            continue  # of another release; its page says so
        skipped = skips.get(job.id, ())
        begins = max(now, resumes_at, job.pause_until) if paused else max(now, resumes_at)
        if begins > now and job.next_run_at <= begins:
            source = Source(trigger, begins, None, job.calendar_id, skipped)
        else:
            source = source_of(trigger, job.next_run_at, now, job.calendar_id, skipped)
        yield (
            source,
            Expectation(
                job.id,
                usual.get(job.id),
                job.overlap,
                job.max_running,
                job.jitter_seconds >= SPREAD_SECONDS,
            ),
        )
