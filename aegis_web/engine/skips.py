"""Fire times to come that are skipped on request, and run after all."""

from datetime import datetime

from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.engine.changes import expect
from aegis_web.engine.settle import settle
from aegis_web.engine.triggers import as_stored, coming
from aegis_web.errors import Conflict
from aegis_web.jobs.models import Job, JobSkip, JobState
from aegis_web.language import _
from aegis_web.registry import Registry

WITHIN = 10  # so many fire times to come can be skipped: those that a job's page lists


def skip(
    session: Session,
    job: Job,
    registry: Registry,
    actor: Actor,
    fire_at: datetime,
    reason: str = "",
) -> None:
    """Let one of a job's next fire times pass without a run; `unskip` takes it back.

    Raises: Conflict when the job is not active, `fire_at` is none of them, or is skipped already.
    """
    expect(job, JobState.ACTIVE)
    now = settle(session, job, registry)
    if fire_at not in coming(as_stored(job.trigger), job.next_run_at, now, WITHIN):
        raise Conflict(
            _(
                "This is none of the next %(count)s fire times of this job: it may have just "
                "passed. Look at the list again.",
                count=WITHIN,
            )
        )
    if session.get(JobSkip, (job.id, fire_at)) is not None:
        raise Conflict(_("This fire time is to be skipped already: somebody else was first."))
    session.add(JobSkip(job_id=job.id, fire_at=fire_at, skipped_by=actor.name, reason=reason))
    after = {"fire_at": fire_at.isoformat(), "reason": reason}
    session.add(audit_entry(actor, "job.skip", f"job:{job.id}", None, after, reason))


def unskip(session: Session, job: Job, registry: Registry, actor: Actor, fire_at: datetime) -> None:
    """Let a fire time that was to be skipped run after all.

    Raises: Conflict when it is not to be skipped, or has just passed.
    """
    if job.state == JobState.ACTIVE:
        settle(session, job, registry)
    wish = session.get(JobSkip, (job.id, fire_at), populate_existing=True)
    if wish is None:
        raise Conflict(_("This fire time is not to be skipped: it may have just passed."))
    session.delete(wish)
    before = {"fire_at": fire_at.isoformat(), "reason": wish.reason}
    session.add(audit_entry(actor, "job.unskip", f"job:{job.id}", before, None))
