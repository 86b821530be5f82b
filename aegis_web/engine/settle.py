"""What becomes of fire times when their job stops being what it was: each gets its row."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aegis_web.clock import from_us, to_us
from aegis_web.engine import ledger
from aegis_web.engine.claim import blackouts, lane_of
from aegis_web.engine.decide import TICK, Due, Load, Policy, due
from aegis_web.engine.passed import passed as passed_fires
from aegis_web.engine.passed import spans_of, verdicts
from aegis_web.engine.triggers import from_json, names
from aegis_web.errors import Invalid
from aegis_web.jobs.models import CatchUp, Job, JobSkip, JobState
from aegis_web.registry import Registry
from aegis_web.runs.models import Reason


def now_of(session: Session) -> datetime:
    """The database's present instant."""
    return from_us(ledger.now_us(session.connection()))


def settle(
    session: Session,
    job: Job,
    registry: Registry,
    *,
    passed: Reason | None = None,
    catch_up: CatchUp | None = None,
    before: datetime | None = None,
) -> datetime:
    """Give every fire time from the job's cursor to now its row, and move the cursor past now.

    With `passed`, those that `catch_up` does not run are skipped for that reason. Fire times at
    or after `before` are left to others. Gives the instant that it took for now.
    """
    now = now_of(session)
    until = now if before is None else min(now, before - TICK)
    if job.next_run_at is None or job.next_run_at > until:
        return now
    connection = session.connection()
    ends = to_us(job.next_run_at), to_us(until)
    skips = ledger.skips_between(connection, *ends).get(job.id, ledger.NO_SKIPS)
    policy = replace(policy_of(job, registry), skips=skips)
    try:
        fires = due(from_json(job.trigger), job.next_run_at, until)
    except Invalid:  # of an unreadable trigger this fire time is all that is known
        fires, policy = Due((job.next_run_at,), None, None, 0, None), replace(policy, broken=True)
    calendars = blackouts(connection, {job.calendar_id} if job.calendar_id else set())
    forbidden = calendars.get(job.calendar_id or 0, ())
    if passed is None:
        load = ledger.open_runs(connection, [job.id]).get(job.id, Load())
        spans = spans_of(ledger.pauses_after(connection, to_us(job.next_run_at)))
        found = verdicts(fires, policy, now, load, spans=spans, blackouts=forbidden)
    else:
        found = passed_fires(fires, passed, catch_up or CatchUp.NONE, policy, forbidden)
    lane = lane_of(registry, job.service)
    claims = [ledger.Claim(job.id, lane, job.priority, verdict) for verdict in found]
    ledger.insert_runs(connection, claims, to_us(now))
    job.next_run_at = fires.next_run_at
    if skips:
        ledger.forget_skips(connection, [job.id], to_us(until))
    if job.next_run_at is None and job.state == JobState.ACTIVE:
        job.state = JobState.FINISHED
    session.flush()
    return now


def drop_skips(session: Session, job: Job) -> list[datetime]:
    """Forget which fire times were to be skipped where the job has none any more; which these are.

    All of them where it has been deleted.
    """
    wanted = select(JobSkip.fire_at).where(JobSkip.job_id == job.id).order_by(JobSkip.fire_at)
    gone = [instant for instant in session.scalars(wanted).all() if not is_to_come(job, instant)]
    if gone:
        session.execute(
            delete(JobSkip).where(JobSkip.job_id == job.id, JobSkip.fire_at.in_(gone)),
            execution_options={"synchronize_session": False},
        )
    return gone


def is_to_come(job: Job, instant: datetime) -> bool:
    """Whether `instant` is a fire time of the job at or after its cursor."""
    if job.next_run_at is None or instant < job.next_run_at:
        return False
    return instant == job.next_run_at or names(from_json(job.trigger), instant)


def policy_of(job: Job, registry: Registry) -> Policy:
    """The rules of a stored job."""
    return Policy(
        grace_seconds=job.grace_seconds,
        overlap=job.overlap,
        max_running=job.max_running,
        catch_up=job.catch_up,
        jitter_seconds=job.jitter_seconds,
        queue_limit=job.queue_limit,
        broken=job.problem is not None or registry.find(job.service) is None,
    )
