"""What is asked about fire times that are to be skipped."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select

from aegis_web.engine.triggers import Trigger, names, seeded
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobSkip


def skips_of(job_ids: Sequence[int]) -> Mapping[int, Mapping[datetime, JobSkip]]:
    """The fire times of these jobs that are to be skipped, by job and instant. One query."""
    found: dict[int, dict[datetime, JobSkip]] = defaultdict(dict)
    if job_ids:
        query = select(JobSkip).where(JobSkip.job_id.in_(job_ids)).order_by(JobSkip.fire_at)
        for skip in db.session.scalars(query):
            found[skip.job_id][skip.fire_at] = skip
    return found


def skips_next() -> ColumnElement[bool]:
    """Whether a job's next fire time is to be skipped: a column of a query about jobs."""
    return exists().where(JobSkip.job_id == Job.id, JobSkip.fire_at == Job.next_run_at)


def dropped_by(trigger: Trigger, job: Job) -> list[datetime]:
    """Those that would be no fire times any more if the job had this trigger. One query."""
    trigger = seeded(trigger, job.key)
    if trigger.to_json() == job.trigger:
        return []
    return [
        instant for instant in skips_of([job.id]).get(job.id, {}) if not names(trigger, instant)
    ]
