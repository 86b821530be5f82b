"""The jobs that will fire: where their fire times come from, and how long they usually run."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import select, text

from aegis_web.clock import SECOND_US
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.forecast.streams import Expectation, Source, source_of
from aegis_web.jobs.models import Job, JobSkip, JobState
from aegis_web.runs.models import RunStatus

LAST_RUNS = 20  # of a job, those looked at
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


def usual_seconds(job_ids: Sequence[int]) -> dict[int, float]:
    """How long a good run of these jobs usually takes: the median of the last. One query."""
    one = (
        "SELECT job_id, finished_at - started_at FROM (SELECT job_id, status, started_at,"
        " finished_at FROM runs WHERE job_id = :job{} ORDER BY id DESC LIMIT :count) AS runs{}"
        " WHERE status = :good AND started_at IS NOT NULL"
    )
    query = " UNION ALL ".join(one.format(place, place) for place in range(len(job_ids)))
    values = {f"job{place}": job_id for place, job_id in enumerate(job_ids)}
    wanted = {**values, "count": LAST_RUNS, "good": int(RunStatus.SUCCEEDED)}
    took = defaultdict(list)
    for job_id, microseconds in db.session.execute(text(query), wanted):
        took[job_id].append(microseconds / SECOND_US)
    return {job_id: median(seconds) for job_id, seconds in took.items()}


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
