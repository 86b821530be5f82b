"""A save whose answer was lost is sent again: what it wanted is there already, and by whom.

Without a key of its own such a request is known by what it says: the same person, the same job, and
not one word of it otherwise.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.clock import EPOCH, utc_now
from aegis_web.engine.new_job import DEFINITION
from aegis_web.engine.triggers import IntervalTrigger, Trigger, as_stored, seeded
from aegis_web.errors import AegisError
from aegis_web.jobs.models import Group, Job
from aegis_web.jobs.queries import registry, vault

AGAIN = timedelta(minutes=10)  # how long after a save a request may still be its repetition
AT_ONCE = timedelta(seconds=5)  # between reading a form and storing it


def made_already(
    session: Session, wanted: Mapping[str, Any], limit: int | None, actor: Actor
) -> int | None:
    """The job that `actor` has just made of the very same form; None: it is a new one."""
    query = select(Job).where(
        Job.deleted_at.is_(None),
        Job.name == wanted["name"],
        Job.created_by == actor.name,
        Job.created_at > utc_now() - AGAIN,
        Job.revision == 1,
    )
    job = session.scalar(query)
    return job.id if job is not None and says(session, job, wanted, limit) else None


def saved_already(
    session: Session,
    job: Job,
    revision: int,
    wanted: Mapping[str, Any],
    limit: int | None,
    actor: Actor,
) -> bool:
    """Whether `actor` has just saved the very same form, opened on `revision`, and nobody since."""
    return (
        job.revision == revision + 1
        and job.updated_by == actor.name
        and job.updated_at > utc_now() - AGAIN
        and says(session, job, wanted, limit)
    )


def says(session: Session, job: Job, wanted: Mapping[str, Any], limit: int | None) -> bool:
    """Whether the job is as `wanted` by its `DEFINITION`, and its group has that limit."""
    plain = set(DEFINITION) - {"trigger", "arguments"}
    if any(getattr(job, name) != wanted[name] for name in plain):
        return False
    group = session.get(Group, job.group_name) if job.group_name and limit else None
    if group is not None and group.max_running != limit:
        return False
    stored = lasting(as_stored(job.trigger), job.updated_at)
    if stored != lasting(seeded(wanted["trigger"], job.key), utc_now()):
        return False
    function = registry().find(job.service)
    try:
        return function is not None and function.same(job.arguments, wanted["arguments"], vault())
    except AegisError:  # a secret cannot be decrypted any more
        return False


def lasting(trigger: Trigger, read_at: datetime) -> dict[str, Any]:
    """What a trigger says, without an anchor that is only the instant at which it was read."""
    if isinstance(trigger, IntervalTrigger) and abs(trigger.anchor - read_at) < AT_ONCE:
        trigger = replace(trigger, anchor=EPOCH)
    return trigger.to_json()
