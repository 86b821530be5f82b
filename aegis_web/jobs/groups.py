"""Concurrency groups: which there are, and how a job makes or changes one."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.jobs.models import Group, Job
from aegis_web.jobs.sight import current
from aegis_web.language import _

NEW_LIMIT = 1  # runs at once in a group for which nobody chose a limit


def group_limits() -> dict[str, int]:
    """The limits of the groups that live jobs are in, by name, sorted. One query."""
    used = select(Job.group_name).where(Job.group_name.is_not(None), Job.deleted_at.is_(None))
    query = select(Group).where(Group.name.in_(used)).order_by(Group.name)
    return {group.name: group.max_running for group in db.session.scalars(query)}


def put_group(session: Session, name: str | None, limit: int | None, actor: Actor) -> None:
    """See to it that the group is there, with that limit (None: as it is, 1 in a new one).

    Raises: Invalid for another limit where jobs share it that who asks does not see.
    """
    if name is None:
        return
    insert = text(
        "INSERT INTO groups (name, max_running) VALUES (:name, :limit) ON CONFLICT DO NOTHING"
    )
    values = {"name": name, "limit": limit or NEW_LIMIT}
    made = session.connection().execute(insert, values).rowcount
    group = session.get_one(Group, name, with_for_update=True)
    before = None if made else {"max_running": group.max_running}
    if limit not in (None, group.max_running) and not made and has_others(session, name):
        shared = _(
            "Jobs that you do not see share this limit. Leave it at %(limit)s.",
            limit=group.max_running,
        )
        raise Invalid({"group_limit": shared})
    group.max_running = limit or group.max_running
    after = {"max_running": group.max_running}
    if before != after:
        action = "group.create" if made else "group.change"
        session.add(audit_entry(actor, action, f"group:{name}", before, after))
    session.flush()


def has_others(session: Session, name: str) -> bool:
    """Whether the group has live jobs that who asks does not see."""
    sight = current()
    if sight is None:
        return False
    others = select(Job.id).where(Job.group_name == name, Job.deleted_at.is_(None))
    others = others.where(Job.id.not_in(sight.jobs())).limit(1)
    return session.scalar(others) is not None
