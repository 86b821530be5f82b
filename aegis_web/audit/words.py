"""The audit in words: what was done, and what it changed field by field. Knows no page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aegis_web.audit.models import AuditEntry
from aegis_web.jobs.compare import Difference
from aegis_web.language import N_, _

EDIT = "job.change"  # its fields are told as a table, before beside after
LOOKS = {
    "job.create": ("plus", N_("Created")),
    "job.change": ("edit", N_("Changed")),
    "job.move": ("clock", N_("Moved")),
    "job.pause": ("paused", N_("Paused")),
    "job.resume": ("play", N_("Resumed")),
    "job.skip": ("skip", N_("Asked to skip")),
    "job.unskip": ("play", N_("Asked to run after all")),
    "job.run": ("play", N_("Run by hand")),
    "job.delete": ("trash", N_("Deleted")),
    "job.undelete": ("history", N_("Brought back")),
}


@dataclass(frozen=True)
class Change:
    """One thing that was done."""

    id: int
    at: datetime
    actor: str
    icon: str
    what: str
    note: str  # why, in the words of who did it
    is_edit: bool  # of what the job says; else of what becomes of its fire times
    told: tuple[Difference, ...]  # what it changed
    run_id: int | None  # the run that it asked for


def change_of(entry: AuditEntry, told: Sequence[Difference] = ()) -> Change:
    """One entry in words; `told` is what it changed, field by field."""
    after = entry.after or {}
    icon, what = LOOKS.get(entry.action, ("edit", entry.action))
    return Change(
        id=entry.id,
        at=entry.at,
        actor=entry.actor,
        icon=icon,
        what=_(what),
        note=after.get("note") or after.get("reason") or "",
        is_edit=entry.action == EDIT,
        told=tuple(told),
        run_id=after.get("run"),
    )
