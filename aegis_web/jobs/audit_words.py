"""What was done to jobs, by whom and when: the audit's entries, before and after in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select, union_all

from aegis_web.audit.models import AuditEntry
from aegis_web.audit.queries import entries_about
from aegis_web.audit.words import EDIT, Change, change_of
from aegis_web.engine.new_job import DEFINITION, definition_of
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.jobs.compare import ANOTHER, NOTHING, Difference, differences, plain
from aegis_web.jobs.models import CatchUp, Job, JobVersion
from aegis_web.jobs.policy_words import CATCH_UP_WORDS, NOTHING_SHARED, Shared
from aegis_web.jobs.screens import shared_things
from aegis_web.language import _, pgettext
from aegis_web.parameters import MASK
from aegis_web.web.formats import clock

SHOWN = 20  # entries on a page


def changes_of(job: Job, before: int | None = None) -> tuple[list[Change], int | None]:
    """What was done to a job, newest first, at most `SHOWN`; and the number to go on with, if any.

    With `before` what was done before that entry. One query, and those of `told_of`.
    """
    entries, older = entries_about(f"job:{job.id}", before, SHOWN)
    found = told_of(entries)
    return [change_of(entry, found[entry.id]) for entry in entries], older


def told_of(entries: Sequence[AuditEntry]) -> dict[int, list[Difference]]:
    """What entries about jobs say was changed, field by field, by the numbers of the entries.

    Where one of them is an edit four queries, else none.
    """
    edits = [entry for entry in entries if entry.action == EDIT]
    said, shared = said_at(edits), shared_things() if edits else NOTHING_SHARED
    return {
        entry.id: told(
            entry.action, entry.before or {}, entry.after or {}, said.get(entry.id, {}), shared
        )
        for entry in entries
    }


def said_at(edits: Sequence[AuditEntry]) -> dict[int, Mapping[str, Any]]:
    """What each job said after an edit of it, by the numbers of the edits; two queries.

    Of a job without a version that old what it says now, and of one that is gone nothing.
    """
    if not edits:
        return {}
    jobs = {entry.id: int(entry.subject.removeprefix("job:")) for entry in edits}
    newest = [
        select(literal(entry.id).label("entry"), JobVersion.definition)
        .where(JobVersion.job_id == jobs[entry.id], JobVersion.from_at <= entry.at)
        .order_by(JobVersion.number.desc())
        .limit(1)
        .subquery()
        for entry in edits
    ]
    versions = db.session.execute(union_all(*(select(each) for each in newest)))
    said = {row.entry: row.definition for row in versions}
    found = db.session.scalars(select(Job).where(Job.id.in_(jobs.values())))
    now = {job.id: definition_of(job) for job in found}
    return {entry: said.get(entry) or now.get(job_id, {}) for entry, job_id in jobs.items()}


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
    as_stored = [Difference(n, plain(before.get(n)), plain(after.get(n))) for n in names]
    if not said:  # the job is gone
        return as_stored
    try:
        old, new = (Job(**{**said, **side}) for side in sides)
        found = differences(old, new, shared)
    except (Invalid, ValueError):  # what another release wrote and this one cannot read
        return as_stored
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
