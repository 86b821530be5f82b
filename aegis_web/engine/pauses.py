"""Pausing everything: while it lasts no node claims or promotes, and nobody can ask for a run.

The cursors of all jobs stand still, what runs goes on. What passed is settled by the claims after
the end: by the catch-up chosen at the resume or, where the pause ended by itself, as each job says.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import MICROSECOND
from aegis_web.engine import ledger
from aegis_web.engine.settle import now_of
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs.models import CatchUp, Job, JobState, Pause
from aegis_web.language import N_, _

SUBJECT = "everything"  # what the audit says was paused


def open_pause(session: Session) -> Pause | None:
    """The pause of everything that lasts now. One query."""
    lasts = or_(Pause.until_at.is_(None), Pause.until_at > now_of(session))
    return session.scalar(select(Pause).where(lasts).order_by(Pause.id.desc()).limit(1))


def pause_everything(
    session: Session, by: Actor, reason: str = "", until: datetime | None = None
) -> Pause:
    """Let nothing begin from now on, until `until` or until somebody resumes.

    Raises: Conflict when everything is paused already; Invalid when `until` has passed.
    """
    ledger.serialise_pauses(session.connection())
    now = now_of(session)
    if until is not None and until <= now:
        raise Invalid({"until": _("This time has passed. Choose a later one, or none.")})
    if (other := open_pause(session)) is not None:
        raise Conflict(_("Everything is paused already, by %(name)s.", name=other.paused_by))
    pause = Pause(from_at=now, until_at=until, reason=reason, paused_by=by.name)
    session.add(pause)
    after = {"reason": reason, "until": until and until.isoformat()}
    session.add(audit_entry(by, "everything.pause", SUBJECT, None, after, reason))
    session.flush()
    return pause


def resume_everything(session: Session, by: Actor, catch_up: CatchUp = CatchUp.NONE) -> None:
    """Let everything go on; `catch_up` says which of each job's passed fire times run.

    Raises: Conflict when nothing is paused.
    """
    ledger.serialise_pauses(session.connection())
    pause = open_pause(session)
    if pause is None:
        raise Conflict(_("Nothing is paused: somebody else was first, or the time was over."))
    pause.until_at, pause.catch_up = now_of(session), catch_up
    after = {"catch_up": catch_up}
    session.add(audit_entry(by, "everything.resume", SUBJECT, {"reason": pause.reason}, after))


def passed_count(session: Session, pause: Pause) -> int:
    """How many fire times of all jobs have passed in a pause; reads the jobs that have any."""
    now = now_of(session)
    due = select(Job.trigger, Job.next_run_at).where(
        Job.state == JobState.ACTIVE, Job.deleted_at.is_(None), Job.next_run_at <= now
    )
    rows = session.execute(due).all()
    return sum(passed_times(row.trigger, max(row.next_run_at, pause.from_at), now) for row in rows)


def passed_times(trigger: dict[str, Any], since: datetime, now: datetime) -> int:
    """How many fire times lie between, both included; 1 where the trigger cannot be read."""
    try:
        return from_json(trigger).count_between(since - MICROSECOND, now)
    except Invalid:
        return 1


def refuse_while_paused(session: Session) -> None:
    """Raises: Conflict while everything is paused."""
    pause = open_pause(session)
    if pause is None:
        return
    if not pause.reason:
        text = N_("Everything is paused by %(name)s: resume it to run a job.")
        raise Conflict(_(text, name=pause.paused_by))
    text = N_("Everything is paused by %(name)s (%(reason)s): resume it to run a job.")
    raise Conflict(_(text, name=pause.paused_by, reason=pause.reason))
