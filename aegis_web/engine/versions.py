"""The versions of a job: what it said from an instant on. Each change writes one."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.engine.new_job import definition_of
from aegis_web.jobs.models import Job, JobVersion


def keep_version(
    session: Session,
    job: Job,
    from_at: datetime,
    actor: Actor,
    note: str = "",
    first_at: datetime | None = None,
) -> None:
    """Keep what `job` says now as its newest version.

    Its trigger rules the fire times after `from_at`; with `first_at`, the fire time that a hand has
    set, and those after it.
    """
    numbers = select(func.max(JobVersion.number)).where(JobVersion.job_id == job.id)
    session.add(
        JobVersion(
            job_id=job.id,
            number=(session.scalar(numbers) or 0) + 1,
            from_at=from_at,
            first_at=first_at,
            made_by=actor.name,
            note=note,
            definition=definition_of(job),
        )
    )
