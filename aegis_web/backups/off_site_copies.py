"""Which backups have a copy off-site, and how the others get there: asked for, tried, kept."""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, AuditEntry, audit_entry
from aegis_web.backups.copies import UNWATCHED, Stopped, Watch
from aegis_web.backups.folder import open_folder
from aegis_web.backups.jobs_text import stored_text
from aegis_web.backups.models import MADE, SAFETY, Backup, CopyState, OffSiteCopy
from aegis_web.backups.off_site import Place, off_site_place
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine import changes
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.jobs.queries import problem_words
from aegis_web.language import _
from aegis_web.runs.models import Run, RunStatus

JOB_KEY = "off_site_copy"  # the code job that copies
COPIED = (MADE, SAFETY)  # what came from elsewhere is not ours to keep
TO_COPY = Backup.proven_at.is_not(None), Backup.origin.in_(COPIED)
THERE = (CopyState.COPIED, CopyState.LEAVING)

log = logging.getLogger(__name__)


@dataclass
class Done:
    """What one round of copying did, by file names."""

    copied: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # and why


def wants_copy(session: Session, backup: Backup, actor: Actor) -> None:
    """Ask for the copy of a proven backup, in the transaction that proves it.

    Where no run can be asked for, the row waits for the next one that the job makes by itself.
    """
    address = settings().backup_off_site
    if address is None or backup.origin not in COPIED:
        return
    row = session.scalar(select(OffSiteCopy).where(OffSiteCopy.file_name == backup.file_name))
    if row is not None and row.state in THERE and row.place == address:
        return
    if row is None:
        session.add(waiting(backup, address))
    job = session.scalar(select(Job).where(Job.key == JOB_KEY, Job.deleted_at.is_(None)))
    if job is None or job.problem or job.state == JobState.PAUSED or is_queued(session, job.id):
        return
    with suppress(Conflict):  # everything is paused
        changes.request_run(session, job, current_app.extensions["aegis.registry"], actor)


def waiting(backup: Backup, address: str) -> OffSiteCopy:
    return OffSiteCopy(
        file_name=backup.file_name,
        place=address,
        state=CopyState.WAITING,
        tries=0,
        asked_at=utc_now(),
    )


def is_queued(session: Session, job_id: int) -> bool:
    """Whether a run of the job is about to begin.

    One that runs may have looked already, and one that is tried again later is not what is meant.
    """
    queued = select(Run.id).where(
        Run.job_id == job_id,
        Run.status == RunStatus.QUEUED,
        or_(Run.not_before.is_(None), Run.not_before <= utc_now()),
    )
    return session.scalar(queued.limit(1)) is not None


def request_copy(actor: Actor, request_key: str) -> int | None:
    """Ask for a run of the job that copies; its number, or None when one waits already.

    The same `request_key` gives the same run again.
    Raises: NotFound without a place or the job; Conflict when it is broken or all is paused.
    """
    off_site_place()
    key = f"off-site:{request_key}"
    with transaction() as session:
        job_id = session.scalar(select(Job.id).where(Job.key == JOB_KEY, Job.deleted_at.is_(None)))
        job = None if job_id is None else changes.lock(session, job_id)
        if job is None:
            text = _(
                "There is no job that copies. It is declared in code and is there again when the "
                "engine has started: start the server again."
            )
            raise NotFound(text)
        if job.problem:
            text = _("The job that copies is broken: %(problem)s", problem=problem_words(job))
            raise Conflict(text)
        known = session.scalar(select(Run.id).where(Run.request_key == key))
        if not known and is_queued(session, job.id):
            return None
        registry = current_app.extensions["aegis.registry"]
        return changes.request_run(session, job, registry, actor, request_key=key)


def let_go(session: Session, backup: Backup) -> None:
    """Let the copy of a backup go that retention takes, in the same transaction.

    What a person deletes here stays off-site, and so does what came from there.
    """
    if backup.origin not in COPIED:
        return
    row = session.scalar(select(OffSiteCopy).where(OffSiteCopy.file_name == backup.file_name))
    if row is not None and row.state in (CopyState.COPIED, CopyState.COPYING):
        row.state = CopyState.LEAVING
    elif row is not None:
        session.delete(row)


def copy_all(actor: Actor, watch: Watch = UNWATCHED) -> Done:
    """Copy every proven backup that is not there yet, newest first; then take away what may go.

    Raises: NotFound without a place; Stopped; AegisError when the place cannot even be read.
    """
    place = off_site_place()
    enrol(place.address)
    try:
        there = set(place.copies())
    except AegisError as error:
        note_failure(str(error))
        raise
    done = Done()
    for name, manifest in missing(place.address, there):
        if not write_down(name, CopyState.COPYING):  # pruned meanwhile
            continue
        try:
            copy_one(place, name, manifest, actor, watch)
        except Stopped:
            write_down(name, CopyState.WAITING)
            raise
        except AegisError as error:
            write_down(name, CopyState.FAILED, str(error))
            done.failed[name] = str(error)
            if not isinstance(error, (NotFound, Conflict)):  # then it is the place: all would fail
                break
        else:
            done.copied.append(name)
            there.add(name)
    else:
        done.removed = remove_leaving(place, there, actor)
    return done


def proven() -> Select[Backup]:
    """The backups that are to be off-site, newest first."""
    return select(Backup).where(*TO_COPY).order_by(Backup.made_at.desc())


def enrol(address: str) -> None:
    """Let those wait that nobody has asked for: made before there was a place."""
    with transaction() as session:
        known = set(session.scalars(select(OffSiteCopy.file_name)))
        for backup in session.scalars(proven()):
            if backup.file_name not in known:
                session.add(waiting(backup, address))


def missing(address: str, there: Collection[str]) -> list[tuple[str, Mapping[str, Any]]]:
    """Bring the rows in line with what is `there`; names and manifests to copy, newest first."""
    with transaction() as session:
        rows = {row.file_name: row for row in session.scalars(select(OffSiteCopy))}
        enrolled = Backup.file_name.in_(rows)
        backups = session.scalars(proven().where(enrolled)).all()
        names = {backup.file_name for backup in backups}
        for name, row in rows.items():
            if row.state in THERE and row.place == address and name in there:
                continue
            if name not in names:  # neither here nor there, or not proven any more
                session.delete(row)
            elif name in there:  # whoever put it there could not say so any more
                row.place, row.state, row.error = address, CopyState.COPIED, None
                row.copied_at = utc_now()
            else:
                row.place, row.copied_at = address, None
                row.state = CopyState.FAILED if row.error else CopyState.WAITING
        open_rows = [backup for backup in backups if rows[backup.file_name].state not in THERE]
        return [(backup.file_name, backup.manifest or facts(backup)) for backup in open_rows]


def facts(backup: Backup) -> Mapping[str, Any]:
    """The manifest of a backup that was made before there were any."""
    return {
        "file": backup.file_name,
        "size_bytes": backup.size_bytes,
        "sha256": backup.sha256,
        "made_at": backup.made_at.isoformat(),
        "seconds": backup.seconds,
        "database": backup.database,
    }


def copy_one(
    place: Place, name: str, manifest: Mapping[str, Any], actor: Actor, watch: Watch
) -> None:
    """Copy one backup and write it down.

    Raises: NotFound or Conflict when its file is not here, or not whole; AegisError; Stopped.
    """
    with open_folder(settings().backup_dir) as folder, folder.open(name) as file:
        place.put(file, manifest, watch, stored_text(folder, name, manifest))
    after = {"file_name": name, "place": place.address, "sha256": manifest["sha256"]}
    entry = audit_entry(actor, "backup.copy_off_site", f"backup:{name}", None, after)
    write_down(name, CopyState.COPIED, entry=entry)


def write_down(
    name: str, state: CopyState, error: str | None = None, entry: AuditEntry | None = None
) -> bool:
    """Keep what became of a try, with its entry in the audit; whether the copy is still wanted."""
    with transaction() as session:
        if entry is not None:
            session.add(entry)
        row = session.scalar(select(OffSiteCopy).where(OffSiteCopy.file_name == name))
        if row is None or row.state == CopyState.LEAVING:  # its backup was pruned
            return False
        row.state, row.error = state, error
        row.copied_at = utc_now() if state == CopyState.COPIED else None
        row.tries += state == CopyState.COPYING
    return True


def note_failure(error: str) -> None:
    """Say of all that wait why they still do."""
    undone = (CopyState.WAITING, CopyState.COPYING, CopyState.FAILED)
    with transaction() as session:
        for row in session.scalars(select(OffSiteCopy).where(OffSiteCopy.state.in_(undone))):
            row.state, row.error, row.tries = CopyState.FAILED, error, row.tries + 1


def remove_leaving(place: Place, there: Collection[str], actor: Actor) -> list[str]:
    """Take away what retention let go, but never the newest copy; the names.

    Raises: AegisError.
    """
    with transaction() as session:
        rows = session.execute(select(OffSiteCopy.file_name, OffSiteCopy.state)).all()
    ours = sorted(row.file_name for row in rows if row.file_name in there)  # by their instants
    leaving = {row.file_name for row in rows if row.state == CopyState.LEAVING}
    names = [name for name in ours[:-1] if name in leaving]
    for name in names:
        place.remove(name)
        gone = {"file_name": name, "place": place.address}
        with transaction() as session:
            session.execute(delete(OffSiteCopy).where(OffSiteCopy.file_name == name))
            session.add(audit_entry(actor, "backup.prune_off_site", f"backup:{name}", gone, None))
    return names
