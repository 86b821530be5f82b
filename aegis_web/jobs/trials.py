"""Trying a service function out: one run of it with given arguments, and no job.

Each function that was ever tried has one row among the jobs for its runs to belong to. It counts
as deleted from the first, so that no list, no claim and no ledger knows it.
"""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aegis_web.audit.models import SYSTEM, Actor
from aegis_web.engine import changes
from aegis_web.engine.settle import now_of
from aegis_web.engine.triggers import DateTrigger
from aegis_web.errors import Invalid
from aegis_web.extensions import transaction
from aegis_web.jobs.actions import sealed
from aegis_web.jobs.models import Job, JobState, Origin, Overlap
from aegis_web.jobs.queries import registry
from aegis_web.jobs.sight import closed_to_sight
from aegis_web.registry import ServiceFunction
from aegis_web.runs.models import Kind


def try_service(
    function: ServiceFunction, arguments: dict[str, Any], request_key: str, actor: Actor
) -> int:
    """Queue a trial; the run's number. The same `request_key` gives the same run again.

    Raises: Invalid by field; Conflict while everything is paused.
    """
    if closed := closed_to_sight(function):
        raise Invalid({"service": closed})
    given = sealed(function, arguments)
    with transaction() as session:
        job = stand_in(session, function)
        key = f"try:{function.name}:{request_key}"
        return changes.request_run(session, job, registry(), actor, key, given, kind=Kind.TRIAL)


def stand_in(session: Session, function: ServiceFunction) -> Job:
    """The row that the trials of `function` belong to."""
    query = select(Job).where(Job.origin == Origin.TRIAL, Job.service == function.name)
    job = session.scalar(query.order_by(Job.id).limit(1))
    if job is not None:
        return job
    now = now_of(session)
    trigger = DateTrigger(now, ZoneInfo("UTC"))
    job = Job(
        key=f"try:{function.name}",
        name=f"Trial: {function.title}",
        origin=Origin.TRIAL,
        service=function.name,
        trigger=trigger.to_json(),
        trigger_kind=trigger.kind,
        zone=str(trigger.zone),
        state=JobState.FINISHED,
        overlap=Overlap.RUN,
        created_at=now,
        created_by=SYSTEM.name,
        updated_at=now,
        updated_by=SYSTEM.name,
        deleted_at=now,
    )
    session.add(job)
    session.flush()
    return job
