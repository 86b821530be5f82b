"""What is done to backups: make one, delete one, ask for one."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.audit.queries import head
from aegis_web.backups import jobs_text, packing, postgres, sqlite
from aegis_web.backups.copies import UNWATCHED, Snapshot, Watch
from aegis_web.backups.folder import (
    LEFT_BEHIND,
    MANIFEST,
    SEALED,
    Folder,
    Partial,
    new_name,
    open_folder,
    text_name,
)
from aegis_web.backups.manifest import as_text, manifest_of
from aegis_web.backups.models import MADE, UPLOADED, Backup
from aegis_web.backups.packing import Reads
from aegis_web.clock import utc_now
from aegis_web.config import Settings, settings
from aegis_web.config_values import sqlite_path
from aegis_web.database import WRITE
from aegis_web.engine import changes
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.jobs.queries import problem_words
from aegis_web.language import N_, _
from aegis_web.registry import Registry
from aegis_web.runs.models import Run, RunStatus

JOB_KEY = "database_backup"  # the code job that makes backups
GONE = N_("This backup is not there any more: somebody else was first, or a newer one replaced it.")

log = logging.getLogger(__name__)


def back_up(
    actor: Actor,
    *,
    made_by: str | None = None,
    run_id: int | None = None,
    watch: Watch = UNWATCHED,
    origin: str = MADE,
) -> Backup:
    """Write one consistent copy of the database, packed, and write it down; it is not proven yet.

    An error, a stop or a kill leaves nothing that counts as a backup.
    Raises: AegisError when it cannot be made; Stopped.
    """
    config = settings()
    require_kept_database(config)
    began = Began(utc_now(), monotonic())
    with writing_to(config.backup_dir) as folder, copied(folder, config, watch) as copy:
        return store(folder, copy, actor, began, watch, made_by, run_id, origin)


class Began(NamedTuple):
    """When the making of a backup began."""

    at: datetime
    clock: float  # monotonic seconds
    of: datetime | None = None  # when a file from elsewhere was made, where that is known

    @property
    def made_at(self) -> datetime:
        """Of when the backup is."""
        return self.of or self.at


class Copy(NamedTuple):
    """A copy of a database that is being read."""

    kind: str  # the suffix of its name
    snapshot: Snapshot
    source: Reads
    size_bytes: int | None  # None: not known before the end
    jobs: str | None  # its jobs as text; None: they cannot be told
    audit_head: str | None = None  # of its audit's chain; None: it has none, or is not ours


def store(
    folder: Folder, copy: Copy, actor: Actor, began: Began, watch: Watch,
    made_by: str | None, run_id: int | None, origin: str,
) -> Backup:  # fmt: skip
    """Pack a copy into a file with its manifest and the text of its jobs, and write it down.

    Raises: AegisError; OSError; Stopped. Nothing is then kept.
    """
    config = settings()
    sealed = SEALED if config.backup_keys else ""
    name = new_name(began.at, f"{copy.kind}{packing.SUFFIX}{sealed}")
    stored = None
    if copy.jobs is not None:  # sealed as the backup is
        stored = packing.seal(
            jobs_text.with_head(copy.jobs, name, began.made_at), config.backup_keys
        )
    with (
        folder.partial(name) as partial,
        folder.partial(name + MANIFEST) as beside,
        text_beside(folder, name, stored) as jobs,
    ):
        packing.pack(copy.source, partial, config.backup_keys, watch, copy.size_bytes)
        partial.flush()
        seconds = round(monotonic() - began.clock, 3)
        manifest = manifest_of(
            copy.snapshot,
            config,
            file=name,
            size_bytes=partial.size_bytes,
            sha256=partial.sha256,
            made_at=began.made_at,
            seconds=seconds,
            ours=origin != UPLOADED,
            jobs=jobs_text.facts_of(jobs) if jobs else None,
            audit_head=copy.audit_head,
        )
        beside.write(as_text(manifest))
        beside.flush()
        backup = Backup(
            file_name=name,
            database=copy.snapshot.database,
            size_bytes=partial.size_bytes,
            sha256=partial.sha256,
            made_at=began.made_at,
            seconds=seconds,
            made_by=made_by or actor.name,
            run_id=run_id,
            origin=origin,
            manifest=manifest,
        )
        write_down(backup, (jobs, beside, partial), actor)
    return backup


@contextmanager
def text_beside(folder: Folder, name: str, stored: bytes | None) -> Iterator[Partial | None]:
    """The text beside the backup `name`, written as it is to be stored; None: there is none."""
    if stored is None:
        yield None
        return
    with folder.partial(text_name(name)) as text:
        text.write(stored)
        text.flush()
        yield text


@contextmanager
def writing_to(path: Path) -> Iterator[Folder]:
    """The folder of the backups, made where it is missing and swept.

    Raises: AegisError when it, or what is written to it meanwhile, cannot be written.
    """
    try:
        with open_folder(path, make=True) as folder:
            for left in folder.sweep():
                log.info(LEFT_BEHIND, left)
            yield folder
    except OSError as error:
        raise AegisError(
            f"the backup could not be written to {path} ({error.strerror}): make "
            "room, mend the folder, or name another in AEGIS_BACKUP_DIR"
        ) from error


@contextmanager
def copied(folder: Folder, config: Settings, watch: Watch) -> Iterator[Copy]:
    """The database as it is at one instant."""
    if not config.database_url.startswith("sqlite"):
        with postgres.reading(db.engines[WRITE], watch) as (connection, snapshot, kind, output):
            newest = head_in(connection)
            jobs = jobs_text.jobs_as_text(connection, watch)
            yield Copy(kind, snapshot, output, None, jobs, newest)
        return
    with folder.scratch("sqlite3") as scratch:
        snapshot = sqlite.copy(sqlite_path(config.database_url), scratch.path, watch)
        with sqlite.connected(scratch.path) as connection:
            newest = head_in(connection)
            jobs = jobs_text.jobs_as_text(connection, watch)
        size = scratch.path.stat().st_size
        with scratch.read() as file:
            yield Copy("sqlite3", snapshot, file, size, jobs, newest)


def head_in(connection: Connection) -> str | None:
    """The head of the audit's chain in what the connection's transaction sees."""
    newest = head(connection)
    return str(newest) if newest else None


def require_kept_database(config: Settings) -> None:
    """Raises: AegisError where nothing is kept that could be backed up."""
    if not config.persistent:
        text = _(
            "there is nothing to back up, because AEGIS_COMPONENTS=scheduler keeps nothing; "
            "set AEGIS_COMPONENTS=scheduler,database"
        )
        raise AegisError(text)


def write_down(backup: Backup, partials: Iterable[Partial | None], actor: Actor) -> None:
    """Store the row and give the files their names, both or neither."""
    with transaction() as session:
        session.add(backup)
        session.flush()
        session.add(
            audit_entry(actor, "backup.make", f"backup:{backup.id}", None, facts_of(backup))
        )
        session.flush()
        publish(*partials)


def publish(*partials: Partial | None) -> None:
    """Give those files that there are their names; the last makes the backup one of the folder."""
    for partial in filter(None, partials):
        partial.publish()


def facts_of(backup: Backup) -> dict[str, Any]:
    """What the audit and the run's result keep of a backup."""
    return {
        "file_name": backup.file_name,
        "database": backup.database,
        "size_bytes": backup.size_bytes,
        "sha256": backup.sha256,
        "made_at": backup.made_at.isoformat(),
        "seconds": backup.seconds,
    }


def delete_backup(backup_id: int, actor: Actor) -> str:
    """Delete one backup, file and row; the file's name.

    Raises: NotFound when it is not there any more; AegisError when its file cannot be deleted.
    """
    with transaction() as session:
        backup = session.get(Backup, backup_id, with_for_update=True)
        if backup is None:
            raise NotFound(_(GONE))
        remove(session, backup, actor, "backup.delete")
    return backup.file_name


def remove(session: Session, backup: Backup, actor: Actor, action: str) -> None:
    """Take a backup out of the table, then its file out of the folder.

    In this order: should the commit fail, the list shows a backup whose file is missing, and
    never forgets a file that still holds everything.
    """
    session.delete(backup)
    session.add(audit_entry(actor, action, f"backup:{backup.id}", facts_of(backup), None))
    session.flush()
    with suppress(NotFound), open_folder(settings().backup_dir) as folder:
        folder.remove(backup.file_name)


def request_backup(actor: Actor, registry: Registry, request_key: str) -> int | None:
    """Ask for a run of the backup job; its number, or None when one waits or runs already.

    The same `request_key` gives the same run again.
    Raises: AegisError when nothing is kept; NotFound without the job; Conflict when it is broken.
    """
    require_kept_database(settings())
    key = f"backup:{request_key}"
    with transaction() as session:
        job_id = session.scalar(select(Job.id).where(Job.key == JOB_KEY, Job.deleted_at.is_(None)))
        job = None if job_id is None else changes.lock(session, job_id)
        if job is None:
            text = _(
                "There is no backup job. It is declared in code and is there again when the engine "
                "has started: start the server again."
            )
            raise NotFound(text)
        if job.problem:
            text = _(
                "The job that makes backups is broken: %(problem)s", problem=problem_words(job)
            )
            raise Conflict(text)
        if not session.scalar(select(Run.id).where(Run.request_key == key)) and is_open(
            session, job.id
        ):
            return None
        return changes.request_run(session, job, registry, actor, request_key=key)


def is_open(session: Session, job_id: int) -> bool:
    """Whether a run of the job waits or runs."""
    unsettled = (RunStatus.QUEUED, RunStatus.RUNNING)
    select_open = select(Run.id).where(Run.job_id == job_id, Run.status.in_(unsettled)).limit(1)
    return session.scalar(select_open) is not None
