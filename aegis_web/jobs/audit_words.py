"""What was done to a job, by whom and when: the audit's entries, before and after in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.audit.queries import entries_about
from aegis_web.engine.new_job import DEFINITION
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.jobs.compare import ANOTHER, NOTHING, Difference, differences, plain
from aegis_web.jobs.models import CatchUp, Job, JobVersion
from aegis_web.jobs.policy_words import CATCH_UP_WORDS, Shared
from aegis_web.jobs.screens import shared_things
from aegis_web.language import N_, _, pgettext
from aegis_web.parameters import MASK
from aegis_web.web.formats import clock

SHOWN = 20  # entries on a page
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
    """One thing that was done to a job."""

    id: int
    at: datetime
    actor: str
    icon: str
    what: str  # in English; an action that is not known by its name
    note: str  # why, in the words of who did it
    is_edit: bool  # of what the job says; else of what becomes of its fire times
    told: tuple[Difference, ...]  # what it changed
    run_id: int | None  # the run that it asked for


def changes_of(job: Job, before: int | None = None) -> tuple[list[Change], int | None]:
    """What was done to a job, newest first, at most `SHOWN`; and the number to go on with, if any.

    With `before` what was done before that entry. Two queries, and two for groups and calendars.
    """
    entries, older = entries_about(f"job:{job.id}", before, SHOWN)
    if not entries:
        return [], None
    shared, versions = shared_things(), versions_until(job.id, entries[0].at)
    now = {name: getattr(job, name) for name in DEFINITION}
    found = []
    for entry in entries:
        said = (version.definition for version in versions if version.from_at <= entry.at)
        found.append(change_of(entry, next(said, now), shared))
    return found, older


def versions_until(job_id: int, instant: datetime) -> Sequence[JobVersion]:
    """What the job said up to an instant, newest first: enough for a page of changes."""
    query = select(JobVersion).where(JobVersion.job_id == job_id, JobVersion.from_at <= instant)
    found: Sequence[JobVersion] = db.session.scalars(
        query.order_by(JobVersion.number.desc()).limit(SHOWN + 1)
    ).all()
    return found


def change_of(entry: AuditEntry, said: Mapping[str, Any], shared: Shared) -> Change:
    """One entry in words; `said` is what the job said then."""
    before, after = entry.before or {}, entry.after or {}
    icon, what = LOOKS.get(entry.action, ("edit", entry.action))
    return Change(
        id=entry.id,
        at=entry.at,
        actor=entry.actor,
        icon=icon,
        what=what,
        note=after.get("note") or after.get("reason") or "",
        is_edit=entry.action == "job.change",
        told=tuple(told(entry.action, before, after, said, shared)),
        run_id=after.get("run"),
    )


def told(
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    said: Mapping[str, Any],
    shared: Shared,
) -> list[Difference]:
    """What an entry says was changed, field by field."""
    runs, skipped = pgettext("what becomes of a fire time", "Runs"), _("Is skipped")
    match action:
        case "job.change":
            return [*definition_changes(before, after, said, shared), *skips_dropped(before)]
        case "job.move":
            times = (local(side.get("next_run_at")) for side in (before, after))
            return [Difference(_("Next fire time"), *times), *skips_dropped(before)]
        case "job.pause":
            until = after.get("until")
            paused = _("Paused until somebody resumes it")
            if until:
                paused = _("Paused until %(time)s", time=local(until))
            return [Difference(_("State"), _("Active"), paused)]
        case "job.resume":
            passed = _(CATCH_UP_WORDS[CatchUp(after["catch_up"])])
            state = Difference(_("State"), _("Paused"), _("Active"))
            return [state, Difference(_("Fire times passed meanwhile"), NOTHING, passed)]
        case "job.skip":
            return [Difference(local(fire_time(after)), runs, skipped)]
        case "job.unskip":
            return [Difference(local(fire_time(before)), skipped, runs)]
    return []


def definition_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], said: Mapping[str, Any], shared: Shared
) -> list[Difference]:
    """The fields of its definition that an edit changed."""
    names = [name for name in DEFINITION if name in before or name in after]
    sides = [{name: side.get(name) for name in names} for side in (before, after)]
    try:
        old, new = (Job(**{**said, **side}) for side in sides)
        found = differences(old, new, shared)
    except (Invalid, ValueError):  # what another release wrote and this one cannot read
        return [Difference(n, plain(before.get(n)), plain(after.get(n))) for n in names]
    if "arguments" in names and before.get("arguments") == after.get("arguments"):
        found.append(Difference(_("A secret among its arguments"), MASK, _(ANOTHER)))
    return found


def skips_dropped(before: Mapping[str, Any]) -> list[Difference]:
    """What was to be skipped until an edit made it no fire time."""
    times = ", ".join(local(instant) for instant in before.get("skips", []))
    if not times:
        return []
    return [Difference(_("To be skipped"), times, _("No fire times any more"))]


def fire_time(side: Mapping[str, Any]) -> str | None:
    """The fire time that a skip is about."""
    found: str | None = side.get("fire_at", side.get("skip_next_at"))  # the latter: until 0.1
    return found


def local(iso: str | None) -> str:
    """An instant of the audit as people read it."""
    return clock(datetime.fromisoformat(iso)) if iso else NOTHING
