"""What bringing a backup back would change, told from what its proof found in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from aegis_web.backups.gaps import REASON
from aegis_web.backups.models import UNCONFIRMED, Backup
from aegis_web.backups.queries import BackupRow, brought_back, described
from aegis_web.config import settings
from aegis_web.database import Model
from aegis_web.errors import NotFound
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobState
from aegis_web.keys import key_id
from aegis_web.language import _
from aegis_web.runs.models import Run

COUNTED = ("jobs", "job_versions", "runs", "attempts", "run_logs")


@dataclass(frozen=True)
class Preview:
    """A backup beside what is there now."""

    backup: BackupRow
    goes_after: datetime | None  # until then it must be brought back; None: nothing hurries
    known: bool  # whether its contents are: it was proven at least once
    jobs_back: list[str]  # names of the jobs that it has and the database has not
    jobs_gone: list[str]  # the other way round
    jobs_same: int
    rows: list[tuple[str, int, int]]  # table; how many it holds, how many there are now
    newer_runs: int  # not in it, and kept
    keys_missing: list[str]  # ids of keys for secrets, of which none is in the settings


@dataclass(frozen=True)
class PausedJob:
    """A job that waits for somebody to look at it after a restore."""

    id: int
    name: str


def preview_of(backup_id: int) -> Preview:
    """What a restore of that backup would change. Raises: NotFound."""
    backup = db.session.get(Backup, backup_id)
    if backup is None:
        raise NotFound(_("There is no such backup, or there is no more."))
    contents, manifest = backup.contents or {}, backup.manifest or {}
    theirs = {(number, key): name for number, key, name in contents.get("jobs", ())}
    live = select(Job.id, Job.key, Job.name).where(Job.deleted_at.is_(None))
    ours = {(row.id, row.key): row.name for row in db.session.execute(live)}
    counts = contents.get("rows", {})
    newest = manifest.get("newest_run")
    newer = select(func.count()).select_from(Run).where(Run.id > (newest[0] if newest else 0))
    needed = set((manifest.get("keys") or {}).get("secrets") or ())
    row = described([backup])[0]
    return Preview(
        backup=row,
        goes_after=goes_after(row),
        known=backup.contents is not None,
        jobs_back=sorted(theirs[one] for one in theirs.keys() - ours.keys()),
        jobs_gone=sorted(ours[one] for one in ours.keys() - theirs.keys()),
        jobs_same=len(theirs.keys() & ours.keys()),
        rows=[(name, counts.get(name, 0), count_of(name)) for name in COUNTED],
        newer_runs=db.session.scalar(newer) or 0,
        keys_missing=[]
        if needed & set(map(key_id, settings().encryption_keys))
        else sorted(needed),
    )


def goes_after(row: BackupRow) -> datetime | None:
    """Until when an uploaded backup that nobody has brought back yet must be."""
    if row.taken_in_at is None or brought_back(db.session(), [row.id]):
        return None
    return row.taken_in_at + UNCONFIRMED


def count_of(table: str) -> int:
    """How many rows one of our tables has."""
    query = select(func.count()).select_from(Model.metadata.tables[table])
    return int(db.session.execute(query).scalar_one())


def paused_jobs() -> list[PausedJob]:
    """The jobs that a restore has paused and nobody has enabled since."""
    query = (
        select(Job.id, Job.name)
        .where(Job.state == JobState.PAUSED, Job.pause_reason == REASON, Job.deleted_at.is_(None))
        .order_by(Job.name)
    )
    return [PausedJob(row.id, row.name) for row in db.session.execute(query)]
