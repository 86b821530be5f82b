"""How a job changes without losing a fire time.

Each function runs inside the caller's transaction. Before a job stops being what it was, the fire
times that its old self still owed are settled; then it changes; and the audit row is added. The
actions of the browser and APScheduler's own methods both come here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aegis_web.audit.models import SYSTEM, Actor, audit_entry
from aegis_web.clock import to_us
from aegis_web.engine import ledger
from aegis_web.engine.claim import lane_of
from aegis_web.engine.new_job import DEFINITION, NewJob, definition
from aegis_web.engine.pauses import refuse_while_paused
from aegis_web.engine.settle import drop_skips, now_of, settle
from aegis_web.engine.triggers import DateTrigger, Trigger, from_json, seeded
from aegis_web.engine.versions import keep_version
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs.models import (
    CatchUp,
    Job,
    JobState,
)
from aegis_web.language import ENGLISH, N_, _, spoken
from aegis_web.registry import Registry
from aegis_web.runs.models import Kind, Reason, Run, RunDetails, RunStatus

STATES = {
    JobState.ACTIVE.value: N_("active"),
    JobState.PAUSED.value: N_("paused"),
    JobState.FINISHED.value: N_("finished"),
}


def add(session: Session, new: NewJob, actor: Actor) -> Job:
    """Store a new job; its first fire time lies after now (a date's may have passed).

    Raises: Conflict when a live job has that key.
    """
    if session.scalar(select(Job.id).where(Job.key == new.key, Job.deleted_at.is_(None))):
        text = _("There is already a job %(key)s. Choose another name.", key=repr(new.key))
        raise Conflict(text)
    now = now_of(session)
    trigger = seeded(new.trigger, new.key)
    if new.first_run_at is not None:
        trigger = moved(trigger, new.first_run_at)
    first = new.first_run_at or first_fire_time(trigger, now)
    state = JobState.ACTIVE if first else JobState.FINISHED
    job = Job(
        key=new.key,
        name=new.name,
        description=new.description,
        owner=new.owner,
        tags=list(new.tags),
        origin=new.origin,
        declaration=None if new.declaration is None else dict(new.declaration),
        service=new.service,
        arguments=dict(new.arguments),
        trigger=trigger.to_json(),
        trigger_kind=trigger.kind,
        zone=str(trigger.zone),
        state=JobState.PAUSED if new.paused and first else state,
        next_run_at=first,
        grace_seconds=new.grace_seconds,
        overlap=new.overlap,
        max_running=new.max_running,
        catch_up=new.catch_up,
        timeout_seconds=new.timeout_seconds,
        jitter_seconds=new.jitter_seconds,
        retries=new.retries,
        retry_delay_seconds=new.retry_delay_seconds,
        retry_backoff=new.retry_backoff,
        retry_errors=list(new.retry_errors),
        on_lost=new.on_lost,
        group_name=new.group_name,
        calendar_id=new.calendar_id,
        priority=new.priority,
        queue_limit=new.queue_limit,
        created_at=now,
        created_by=actor.name,
        updated_at=now,
        updated_by=actor.name,
    )
    session.add(job)
    session.flush()
    date = first if isinstance(trigger, DateTrigger) else None  # it may have passed
    keep_version(session, job, now, actor, first_at=new.first_run_at or date)
    session.add(audit_entry(actor, "job.create", f"job:{job.id}", None, definition(job)))
    return job


def first_fire_time(trigger: Trigger, now: datetime) -> datetime | None:
    """Where the cursor of a new job starts."""
    if isinstance(trigger, DateTrigger):
        return trigger.at
    return trigger.next_after(now)


def moved(trigger: Trigger, first: datetime) -> Trigger:
    """`trigger` for a job that a hand makes due at `first`: a date moves, the others stay."""
    return replace(trigger, at=first) if isinstance(trigger, DateTrigger) else trigger


def lock(session: Session, job_id: int) -> Job | None:
    """The live job `job_id`, locked until the transaction ends; None when there is none."""
    query = select(Job).where(Job.id == job_id, Job.deleted_at.is_(None)).with_for_update()
    return session.scalar(query, execution_options={"populate_existing": True})


def change(
    session: Session,
    job: Job,
    values: Mapping[str, Any],
    registry: Registry,
    actor: Actor,
    note: str = "",
) -> list[datetime]:
    """Give a job new values for any of `DEFINITION`; `trigger` is a Trigger, `note` says why.

    A new trigger rules from now on; what the old one owed until now is settled first.
    Gives the fire times that were to be skipped and are none any more.
    """
    before, stored = definition(job), dict(job.arguments)
    trigger = seeded(values["trigger"], job.key) if "trigger" in values else None
    retimed = trigger is not None and trigger.to_json() != before["trigger"]
    if job.state == JobState.PAUSED and retimed:
        now = settle(session, job, registry, passed=Reason.PAUSED)
    elif job.state == JobState.ACTIVE:
        now = settle(session, job, registry)
    else:
        now = now_of(session)
    for name, value in values.items():
        if name != "trigger":
            setattr(job, name, value)
    dropped: list[datetime] = []
    if trigger is not None and retimed:
        retime(job, trigger, now)
        dropped = drop_skips(session, job)
    job.problem = problem_of(job, registry)
    touch(session, job, actor)
    after = definition(job)
    changed = [name for name in DEFINITION if before[name] != after[name]]
    if job.arguments != stored and "arguments" not in changed:
        changed.append("arguments")  # only a secret in them
    if changed:
        keep_version(session, job, now, actor, note)
        said = {name: after[name] for name in changed} | ({"note": note} if note else {})
        was = {name: before[name] for name in changed} | skips_said(dropped)
        session.add(audit_entry(actor, "job.change", f"job:{job.id}", was, said, note))
    return dropped


def skips_said(dropped: Sequence[datetime]) -> dict[str, Any]:
    """What the audit keeps of fire times that are to be skipped no more."""
    return {"skips": [instant.isoformat() for instant in dropped]} if dropped else {}


def retime(job: Job, trigger: Trigger, now: datetime) -> None:
    """Give a job a new trigger that rules after `now`; a finished job comes to life by it."""
    job.trigger = trigger.to_json()
    job.trigger_kind, job.zone = trigger.kind, str(trigger.zone)
    job.next_run_at = trigger.next_after(now)
    if job.next_run_at is None:
        job.state = JobState.FINISHED
    elif job.state == JobState.FINISHED:
        job.state = JobState.ACTIVE


def move_cursor(
    session: Session, job: Job, registry: Registry, next_run_at: datetime, actor: Actor
) -> None:
    """Set the next fire time by hand (APScheduler's `next_run_time`); a finished job lives on."""
    now = settle(session, job, registry)
    before, job.next_run_at = job.next_run_at, next_run_at
    job.trigger = moved(from_json(job.trigger), next_run_at).to_json()
    if job.state == JobState.FINISHED:
        job.state = JobState.ACTIVE
    touch(session, job, actor)
    dropped = drop_skips(session, job)
    keep_version(session, job, now, actor, first_at=next_run_at)
    session.add(
        audit_entry(
            actor,
            "job.move",
            f"job:{job.id}",
            {"next_run_at": before and before.isoformat(), **skips_said(dropped)},
            {"next_run_at": next_run_at.isoformat()},
        )
    )


def touch(session: Session, job: Job, actor: Actor) -> None:
    """Note who changed a job; forms and caches of the former revision are stale from now on."""
    job.revision += 1
    job.updated_at, job.updated_by = now_of(session), actor.name
    session.flush()


def problem_of(job: Job, registry: Registry) -> str | None:
    """Why a job is broken, in English words to be stored; None when it is whole."""
    with spoken(ENGLISH):
        return problem_with(job.service, job.arguments, job.trigger, registry)


def problem_with(
    service: str, arguments: Mapping[str, Any], trigger: Mapping[str, Any], registry: Registry
) -> str | None:
    """Why a job that says this is broken, in the reader's language; None when it is whole."""
    function = registry.find(service)
    if function is None:
        return registry.why_missing(service)
    try:
        from_json(trigger)
    except Invalid as error:
        return _("its trigger cannot be read (%(error)s): give it another", error=error)
    return function.problem(arguments)


def pause(
    session: Session,
    job: Job,
    registry: Registry,
    actor: Actor,
    reason: str = "",
    until: datetime | None = None,
) -> None:
    """Stop a job's trigger: its cursor stands still until `resume`, or until `until`.

    Raises: Conflict when the job is not active; Invalid when `until` has passed.
    """
    expect(job, JobState.ACTIVE)
    if until is not None and until <= now_of(session):
        raise Invalid({"until": _("This time has passed. Choose a later one, or none.")})
    settle(session, job, registry)
    if job.next_run_at is None:
        raise Conflict(_("This job has just had its last fire time: there is nothing to pause."))
    job.state, job.pause_reason, job.pause_until = JobState.PAUSED, reason, until
    touch(session, job, actor)
    after = {"reason": reason, "until": until and until.isoformat()}
    before = {"state": "active"}
    session.add(audit_entry(actor, "job.pause", f"job:{job.id}", before, after, reason))


def resume(
    session: Session,
    job: Job,
    registry: Registry,
    actor: Actor,
    catch_up: CatchUp = CatchUp.NONE,
    at: datetime | None = None,
) -> None:
    """Let a paused job's trigger go on; every fire time passed meanwhile is settled.

    `catch_up` says which of them run: none, the latest, or all (the newest thousand). `at` is when
    the pause ended, if that was before now: what was due since then is left to the next claim.
    Raises: Conflict when the job is not paused.
    """
    expect(job, JobState.PAUSED)
    settle(session, job, registry, passed=Reason.PAUSED, catch_up=catch_up, before=at)
    job.state = JobState.FINISHED if job.next_run_at is None else JobState.ACTIVE
    job.pause_reason, job.pause_until = "", None
    touch(session, job, actor)
    session.add(
        audit_entry(
            actor, "job.resume", f"job:{job.id}", {"state": "paused"}, {"catch_up": catch_up}
        )
    )


def resume_ended(session: Session, registry: Registry, limit: int) -> int:
    """Resume up to `limit` jobs whose pause has ended, as their own catch-up says; how many."""
    ended = (
        select(Job)
        .where(
            Job.pause_until <= now_of(session),
            Job.state == JobState.PAUSED,
            Job.deleted_at.is_(None),
        )
        .order_by(Job.pause_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    jobs = session.scalars(ended).all()
    for job in jobs:
        resume(session, job, registry, SYSTEM, CatchUp(job.catch_up), job.pause_until)
    return len(jobs)


def delete(session: Session, job: Job, registry: Registry, actor: Actor) -> None:
    """Take a job out of all lists; its runs stay, its name is free, queued runs are cancelled."""
    if job.state == JobState.PAUSED:
        now = settle(session, job, registry, passed=Reason.PAUSED, catch_up=CatchUp.NONE)
    else:
        now = settle(session, job, registry)
    queued = (
        update(Run)
        .where(Run.job_id == job.id, Run.status == RunStatus.QUEUED)
        .values(status=RunStatus.CANCELLED, reason=Reason.DELETED, finished_at=now)
    )
    cancelled = len(session.scalars(queued.returning(Run.id)).all())
    if cancelled:
        ledger.count(session.connection(), to_us(now), [(job.id, RunStatus.CANCELLED, cancelled)])
    job.deleted_at, job.next_run_at, job.declared = now, None, False
    drop_skips(session, job)
    touch(session, job, actor)
    session.add(audit_entry(actor, "job.delete", f"job:{job.id}", definition(job), None))


def withdraw(session: Session, job: Job, registry: Registry, actor: Actor) -> None:
    """Keep and mark a job that the code no longer declares.

    One of the product's own whose setting is gone is deleted; it is declared anew with the setting.
    """
    if registry.keeps_out_upkeep(job.service):
        delete(session, job, registry, actor)
    elif job.declared:
        job.declared = False
        touch(session, job, actor)


def undelete(session: Session, job: Job, registry: Registry, actor: Actor) -> None:
    """Let a deleted job live again; the fire times since its deletion are skipped.

    Raises: Conflict when it is not deleted.
    """
    if job.deleted_at is None:
        raise Conflict(_("This job is not deleted: somebody else was first."))
    trigger, deleted_at = from_json(job.trigger), job.deleted_at
    taken = select(Job.id).where(Job.key == job.key, Job.deleted_at.is_(None))
    if session.scalar(taken) is not None:
        job.key = f"{job.key} ({job.id})"
    job.deleted_at, job.next_run_at = None, trigger.next_after(deleted_at)
    if job.state != JobState.FINISHED:
        settle(session, job, registry, passed=Reason.DELETED)
    if job.next_run_at is None:
        job.state = JobState.FINISHED
    job.problem = problem_of(job, registry)
    touch(session, job, actor)
    session.add(audit_entry(actor, "job.undelete", f"job:{job.id}", None, definition(job)))


def request_run(
    session: Session,
    job: Job,
    registry: Registry,
    actor: Actor,
    request_key: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    delay: timedelta | None = None,
    kind: Kind = Kind.MANUAL,
) -> int:
    """Queue a manual run; the run's number. The same `request_key` gives the same run again.

    `arguments` (sealed) replace the job's own for this run; it begins after `delay`, if any.
    Raises: Conflict while everything is paused.
    """
    if request_key is not None:
        known = session.scalar(select(Run.id).where(Run.request_key == request_key))
        if known is not None:
            return known
    refuse_while_paused(session)
    now = now_of(session)
    run = Run(
        job_id=job.id,
        kind=kind,
        status=RunStatus.QUEUED,
        lane=lane_of(registry, job.service),
        priority=job.priority,
        queued_at=now,
        not_before=None if delay is None else now + delay,
        requested_by=actor.name,
        request_key=request_key,
    )
    session.add(run)
    session.flush()
    if arguments is not None:
        session.add(RunDetails(run_id=run.id, arguments=dict(arguments)))
    session.add(audit_entry(actor, "job.run", f"job:{job.id}", None, {"run": run.id}))
    return run.id


def expect(job: Job, state: JobState) -> None:
    """Raises: Conflict when the job is in another state."""
    if job.state != state:
        words = {"state": _(STATES[job.state]), "wanted": _(STATES[state])}
        text = _("This job is %(state)s, not %(wanted)s: somebody else was first.", **words)
        raise Conflict(text)
