"""What a restore means for each job: where it goes on, and what became of the time between.

Fire times that neither the backup nor the newer runs know get one row, `missed: restored`, with
their number. None of them ever runs: what the world saw of them is not known.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.clock import to_us
from aegis_web.engine import changes, ledger
from aegis_web.engine.claim import lane_of
from aegis_web.engine.decide import Verdict, due
from aegis_web.engine.new_job import definition_of
from aegis_web.engine.settle import now_of
from aegis_web.engine.triggers import from_json
from aegis_web.engine.versions import keep_version
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobSkip, JobState, JobVersion, Origin
from aegis_web.registry import Registry
from aegis_web.runs.models import Kind, Reason, RunStatus
from aegis_web.vault import Vault

REASON = "A backup was restored"  # why a job is paused
ENABLED_AT_ONCE = 200  # jobs in one transaction


class Place(NamedTuple):
    """Where a job stood before the restore."""

    revision: int
    cursor: datetime | None
    trigger: Mapping[str, Any]
    deleted_at: datetime | None


@dataclass(frozen=True)
class Kept:
    """What is known of the jobs of before."""

    jobs: Mapping[int, Place]
    related: bool = True  # the backup's jobs are the same


def places_now(connection: Connection) -> dict[int, Place]:
    """Where each job stands now."""
    query = select(Job.id, Job.revision, Job.next_run_at, Job.trigger, Job.deleted_at)
    return {
        row.id: Place(row.revision, row.next_run_at, row.trigger, row.deleted_at)
        for row in connection.execute(query)
    }


@dataclass(frozen=True)
class Tools:
    """What functions there are, and which secrets can be read."""

    registry: Registry
    vault: Vault


def settle_jobs(session: Session, kept: Kept, tools: Tools, actor: Actor) -> tuple[int, int]:
    """Let every restored job go on from now: how many are paused for it, and what was missed.

    `kept` is empty where the backup comes from another installation.
    """
    now = now_of(session)
    highest = max((place.revision for place in kept.jobs.values()), default=0)
    said = newest_versions(session)
    paused, claims = 0, []
    for job in session.scalars(select(Job)).all():
        place = kept.jobs.get(job.id) if kept.related else None
        job.revision = max(job.revision, highest) + 1  # what anybody remembers of it is old
        if job.deleted_at is not None:
            if place is not None and place.deleted_at is None:
                claims += owed(job, place, now, tools.registry)
                job.deleted_at = now  # until then it lived, and its rows say so
            continue
        claims += owed(job, place, now, tools.registry)
        if job.origin == Origin.CODE and tools.registry.keeps_out_upkeep(job.service):
            job.deleted_at, job.next_run_at, job.declared = now, None, False  # as at each start
            continue
        with suppress(Invalid):
            go_on(job, place, now)
        if said.get(job.id) != definition_of(job):
            keep_version(session, job, now, actor, REASON)
        job.problem = problem_of(job, tools)
        paused += pause(job, tools.registry)
    session.flush()
    session.execute(delete(JobSkip).where(JobSkip.fire_at <= now))
    ledger.insert_runs(session.connection(), claims, to_us(now))
    return paused, sum(claim.verdict.range_count or 1 for claim in claims)


def owed(job: Job, place: Place | None, now: datetime, registry: Registry) -> list[ledger.Claim]:
    """The row for what is owed of a job's fire times, if anything is."""
    try:
        gap = gap_of(job, place, now)
    except Invalid:  # an unreadable trigger: what it says is not known
        return []
    if gap is None:
        return []
    return [ledger.Claim(job.id, lane_of(registry, job.service), job.priority, gap)]


def newest_versions(session: Session) -> dict[int, dict[str, Any]]:
    """What the newest version of each job says."""
    newest = (
        select(JobVersion.job_id, func.max(JobVersion.number).label("number"))
        .group_by(JobVersion.job_id)
        .subquery()
    )
    query = select(JobVersion.job_id, JobVersion.definition).join(
        newest,
        and_(newest.c.job_id == JobVersion.job_id, newest.c.number == JobVersion.number),
    )
    return {row.job_id: row.definition for row in session.execute(query)}


def gap_of(job: Job, place: Place | None, now: datetime) -> Verdict | None:
    """The one row for the fire times that nobody knows anything of; None: there are none.

    Until now ruled what the job said before the restore, where it was there.
    """
    if place is None:
        trigger, cursor = from_json(job.trigger), job.next_run_at
    else:
        trigger = from_json(place.trigger)
        cursor = place.cursor
        if place.deleted_at is not None:
            cursor = trigger.next_after(place.deleted_at)
    if cursor is None or cursor > now:
        return None
    fires = due(trigger, cursor, now)
    first = fires.older_from or fires.newest[0]
    count = fires.older_count + len(fires.newest)
    last = fires.newest[-1]
    if count == 1:
        return Verdict(last, RunStatus.MISSED, Reason.RESTORED)
    return Verdict(
        last,
        RunStatus.MISSED,
        Reason.RESTORED,
        kind=Kind.SUMMARY,
        range_from=first,
        range_count=count,
    )


def go_on(job: Job, place: Place | None, now: datetime) -> None:
    """Move the job's cursor past now."""
    if place is not None and place.deleted_at is None and place.trigger == job.trigger:
        job.next_run_at = place.cursor  # what came after the backup has its rows
    elif place is not None and job.next_run_at is not None:
        job.next_run_at = from_json(job.trigger).next_after(now)
    if job.next_run_at is not None and job.next_run_at <= now:
        job.next_run_at = from_json(job.trigger).next_after(now)
    if job.next_run_at is None:
        job.state = JobState.FINISHED
    elif job.state == JobState.FINISHED:
        job.state = JobState.ACTIVE


def pause(job: Job, registry: Registry) -> bool:
    """Pause a job until somebody has looked; whether it is.

    The product's own upkeep goes on: nobody should be without backups from here on.
    """
    function = registry.find(job.service)
    own = job.origin == Origin.CODE and function is not None and function.upkeep
    waits = job.state == JobState.PAUSED and job.pause_until is None
    if own or waits or job.state == JobState.FINISHED:
        return False
    job.state, job.pause_reason, job.pause_until = JobState.PAUSED, REASON, None
    return True


def problem_of(job: Job, tools: Tools) -> str | None:
    """Why the job is broken here; its secrets may need a key that is not there."""
    problem = changes.problem_of(job, tools.registry)
    function = tools.registry.find(job.service)
    if problem is None and function is not None:
        try:
            function.unseal(job.arguments, tools.vault)
        except AegisError:
            return (
                "a secret among its arguments was encrypted with a key that is not in "
                "AEGIS_ENCRYPTION_KEYS: enter the secret again, or add the key"
            )
    return problem


def enable_again(registry: Registry, actor: Actor) -> int:
    """Let every job go on that a restore has paused; how many. None catches up."""
    waiting = (
        select(Job)
        .where(Job.state == JobState.PAUSED, Job.pause_reason == REASON, Job.deleted_at.is_(None))
        .order_by(Job.id)
        .limit(ENABLED_AT_ONCE)
        .with_for_update()
    )
    count = 0
    while True:
        with transaction() as session:
            jobs = session.scalars(waiting).all()
            for job in jobs:
                changes.resume(session, job, registry, actor)
        count += len(jobs)
        if not jobs:
            return count
