"""What the Backups page shows: the copies there are, and what the job that makes them is doing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import AuditEntry
from aegis_web.backups.actions import JOB_KEY
from aegis_web.backups.folder import SEALED, made_at_of, open_folder, text_name
from aegis_web.backups.models import ELSEWHERE, UPLOADED, Backup, kind_of
from aegis_web.config import settings
from aegis_web.database import WRITE
from aegis_web.errors import AegisError, NotFound
from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.jobs.queries import problem_words
from aegis_web.language import _
from aegis_web.runs.models import Kind, Reason, Run, RunDetails, RunStatus

PAGE_ROWS = 50
RESTORE = "backup.restore"  # the action, in the audit
KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class BackupRow:
    """One backup as the list shows it."""

    id: int
    file_name: str
    database: str
    size_bytes: int
    sha256: str
    made_at: datetime
    seconds: float
    made_by: str
    run_id: int | None
    origin: str  # "made", "uploaded", "fetched" or "safety"
    proven_at: datetime | None  # when it was last restored into a scratch database
    proof_seconds: float | None
    proof_error: str | None  # why it is no good; None: it is, or nobody has tried
    encrypted: bool
    taken_in_at: datetime | None  # when a file from elsewhere was kept as this backup
    has_text: bool  # whether the text of its jobs is beside it
    problem: str | None  # why it cannot be downloaded; None when its file is there
    other_kind: str | None  # why it cannot be brought back into the database here; None: it can


@dataclass(frozen=True)
class BackupPage:
    """One page of backups, newest first, and where the next pages begin."""

    rows: Sequence[BackupRow]
    newer: int | None  # the `after` of the page before; None: this is the first
    older: int | None  # the `before` of the next page; None: this is the last


@dataclass(frozen=True)
class RunFacts:
    """A run of the backup job."""

    id: int
    status: RunStatus
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    progress: tuple[float | None, float | None, str]  # done, total, message


@dataclass(frozen=True)
class BackupJob:
    """The job that makes backups, as the page speaks of it."""

    id: int
    name: str
    state: str  # a JobState
    problem: str | None
    next_run_at: datetime | None
    zone: str
    open_run: RunFacts | None  # the one that waits or runs
    last_run: RunFacts | None  # the newest that has ended


def list_backups(before: int | None = None, after: int | None = None) -> BackupPage:
    """At most `PAGE_ROWS` backups below the number `before`, or above `after`. One query."""
    query: Select[Backup] = select(Backup).limit(PAGE_ROWS + 1)
    if after is not None:
        query = query.where(Backup.id > after).order_by(Backup.id)
    elif before is not None:
        query = query.where(Backup.id < before).order_by(Backup.id.desc())
    else:
        query = query.order_by(Backup.id.desc())
    found = list(db.session.scalars(query).all())
    more, found = len(found) > PAGE_ROWS, found[:PAGE_ROWS]
    if after is not None:
        found.reverse()
    has_newer = more if after is not None else before is not None
    has_older = True if after is not None else more
    return BackupPage(
        rows=described(found),
        newer=found[0].id if found and has_newer else None,
        older=found[-1].id if found and has_older else None,
    )


def described(backups: Sequence[Backup]) -> list[BackupRow]:
    """The backups as rows, each after a look whether its file is there."""
    if not backups:
        return []
    names = [backup.file_name for backup in backups]
    sizes = sizes_of([*names, *map(text_name, names)])
    return [
        row_of(
            backup,
            sizes.get(backup.file_name),
            has_text=sizes.get(text_name(backup.file_name)) is not None,
        )
        for backup in backups
    ]


def sizes_of(names: Collection[str]) -> dict[str, int | None]:
    """How many bytes those files of the folder have, by name; None, or not in it: not there."""
    try:
        with open_folder(settings().backup_dir) as folder:
            return {name: folder.size(name) for name in names}
    except AegisError:  # the folder is missing or closed to us, and so is each file
        return {}


def row_of(backup: Backup, size_bytes: int | None, *, has_text: bool) -> BackupRow:
    """One backup whose file has `size_bytes` (None: there is none)."""
    problem = None
    if size_bytes is None:
        problem = _("File missing")
    elif size_bytes != backup.size_bytes:
        problem = _("File damaged")
    return BackupRow(
        id=backup.id,
        file_name=backup.file_name,
        database=backup.database,
        size_bytes=backup.size_bytes,
        sha256=backup.sha256,
        made_at=backup.made_at,
        seconds=backup.seconds,
        made_by=backup.made_by,
        run_id=backup.run_id,
        origin=backup.origin,
        proven_at=backup.proven_at,
        proof_seconds=backup.proof_seconds,
        proof_error=backup.proof_error,
        encrypted=backup.file_name.endswith(SEALED),
        has_text=has_text,
        taken_in_at=taken_in_at(backup.origin, backup.file_name),
        problem=problem,
        other_kind=other_kind(backup.database),
    )


def other_kind(database: str) -> str | None:
    """Why a backup of that database cannot be brought back into ours; None: it is of our kind."""
    theirs, ours = kind_of(database), db.engines[WRITE].dialect.name
    if theirs == ours:
        return None
    return _(
        "This is a backup of %(theirs)s; this installation runs on %(ours)s. Bring it back into an "
        "installation on %(theirs)s, then move with `flask database copy`.",
        theirs=KINDS.get(theirs, database),
        ours=KINDS[ours],
    )


def taken_in_at(origin: str, file_name: str) -> datetime | None:
    """When a file from elsewhere was kept as a backup; None for all others."""
    return made_at_of(file_name) if origin == UPLOADED else None


def brought_back(session: Session, backup_ids: Collection[int]) -> set[int]:
    """Which of the backups somebody has brought back. One query."""
    numbers = {f"backup:{number}": number for number in backup_ids}
    query = select(AuditEntry.subject).where(
        AuditEntry.action == RESTORE, AuditEntry.subject.in_(numbers)
    )
    return {numbers[subject] for subject in session.scalars(query)}


def backup_job() -> BackupJob | None:
    """The job that makes backups; None when it was deleted. Three queries at most."""
    query = select(Job).where(Job.key == JOB_KEY, Job.deleted_at.is_(None))
    job = db.session.scalar(query)
    if job is None:
        return None
    return BackupJob(
        id=job.id,
        name=job.name,
        state=job.state,
        problem=problem_words(job),
        next_run_at=job.next_run_at,
        zone=job.zone,
        open_run=newest_run(job.id, (RunStatus.QUEUED, RunStatus.RUNNING)),
        last_run=newest_run(job.id, ENDED),
    )


ENDED = (
    RunStatus.SUCCEEDED,
    RunStatus.FAILED,
    RunStatus.TIMED_OUT,
    RunStatus.CANCELLED,
    RunStatus.LOST,
)  # those that began, or were asked for


def newest_run(job_id: int, statuses: Sequence[RunStatus]) -> RunFacts | None:
    """The newest run of a job that has one of `statuses`.

    One that was at work when a backup was made, and is lost to its restore, says nothing.
    """
    query = (
        select(Run, RunDetails)
        .outerjoin(RunDetails, RunDetails.run_id == Run.id)
        .where(Run.job_id == job_id, Run.status.in_(statuses), Run.kind != Kind.SUMMARY)
        .where(or_(Run.status != RunStatus.LOST, Run.reason.is_distinct_from(Reason.RESTORED)))
        .order_by(Run.id.desc())
        .limit(1)
    )
    found = db.session.execute(query).first()
    if found is None:
        return None
    run, details = found
    progress = (
        (details.progress_done, details.progress_total, details.progress_message or "")
        if details
        else (None, None, "")
    )
    return RunFacts(
        id=run.id,
        status=RunStatus(run.status),
        queued_at=run.queued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=run.error,
        progress=progress,
    )


def find_backup(backup_id: int) -> BackupRow | None:
    """One backup, after a look whether its file is there; None: there is no such."""
    found = db.session.get(Backup, backup_id)
    return None if found is None else described([found])[0]


def latest_backup() -> int:
    """The number of the newest backup made here. Raises: NotFound when there is none."""
    made_here = select(func.max(Backup.id)).where(Backup.origin.not_in(ELSEWHERE))
    newest = db.session.scalar(made_here)
    if newest is None:
        raise NotFound("No backup has been made here yet.")
    return int(newest)


def number_of(file_name: str) -> int | None:
    """The number of the backup of that name; None: there is none in the list."""
    found: int | None = db.session.scalar(select(Backup.id).filter_by(file_name=file_name))
    return found
