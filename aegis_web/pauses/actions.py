"""Pausing everything and letting it go on: one transaction each, with its audit row."""

from datetime import datetime

from aegis_web.audit.models import Actor
from aegis_web.engine import pauses
from aegis_web.extensions import transaction
from aegis_web.jobs.models import CatchUp


def pause_everything(actor: Actor, reason: str = "", until: datetime | None = None) -> None:
    """Let no run begin until `until`, or until somebody resumes.

    Raises: Conflict when everything is paused already; Invalid when `until` has passed.
    """
    with transaction() as session:
        pauses.pause_everything(session, actor, reason, until)


def resume_everything(actor: Actor, catch_up: CatchUp) -> None:
    """Let everything go on; `catch_up` says which of each job's passed fire times run.

    Raises: Conflict when nothing is paused.
    """
    with transaction() as session:
        pauses.resume_everything(session, actor, catch_up)
