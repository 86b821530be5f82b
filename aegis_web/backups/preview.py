"""What bringing a backup back would change, told from what its proof found in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from aegis_web.backups.gaps import REASON
from aegis_web.backups.models import UNCONFIRMED
from aegis_web.backups.proving import existing
from aegis_web.backups.queries import BackupRow, brought_back, described
from aegis_web.config import settings
from aegis_web.database import Model
from aegis_web.engine.new_job import definition_of
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobState, JobVersion, Origin
from aegis_web.keys import key_id
from aegis_web.language import N_
from aegis_web.runs.models import Run

COUNTED = {  # tables, and what their rows are called
    "jobs": N_("Jobs, deleted ones included"),
    "job_versions": N_("Versions of jobs"),
    "runs": N_("Runs and fire times that had none"),
    "attempts": N_("Attempts"),
    "run_logs": N_("Pieces of logs"),
}


@dataclass(frozen=True)
class Preview:
    """A backup beside what is there now."""

    backup: BackupRow
    goes_after: datetime | None  # until then it must be brought back; None: nothing hurries
    known: bool  # whether its contents are: it was proven at least once
    jobs_back: list[str]  # names of the jobs that it has and the database has not
    jobs_gone: list[str]  # the other way round, without those that the code declares
    jobs_same: int
    jobs_changed: list[str]  # names of those in both that say something else now
    rows: list[
        tuple[str, int, int]
    ]  # what they are, in English; how many it holds, how many there are now
    newer_runs: int  # not in it, and kept
    keys_missing: list[str]  # ids of keys for secrets, of which none is in the settings


@dataclass(frozen=True)
class PausedJob:
    """A job that waits for somebody to look at it after a restore."""

    id: int
    name: str


def preview_of(backup_id: int) -> Preview:
    """What a restore of that backup would change. Raises: NotFound."""
    backup = existing(db.session(), backup_id)
    contents, manifest = backup.contents or {}, backup.manifest or {}
    theirs = {(number, key): name for number, key, name in contents.get("jobs", ())}
    live = select(Job.id, Job.key, Job.name, Job.origin, Job.declared)
    rows = db.session.execute(live.where(Job.deleted_at.is_(None))).all()
    ours = {(row.id, row.key): row.name for row in rows}
    of_code = {(row.id, row.key) for row in rows if row.origin == Origin.CODE and row.declared}
    both = theirs.keys() & ours.keys()
    renamed = {number for number, key in both if theirs[number, key] != ours[number, key]}
    changed = renamed | changed_since(backup.made_at)
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
        jobs_gone=sorted(ours[one] for one in ours.keys() - theirs.keys() - of_code),
        jobs_same=len(both),
        jobs_changed=sorted(ours[one] for one in both if one[0] in changed),
        rows=[(words, counts.get(name, 0), count_of(name)) for name, words in COUNTED.items()],
        newer_runs=db.session.scalar(newer) or 0,
        keys_missing=[]
        if needed & set(map(key_id, settings().encryption_keys))
        else sorted(needed),
    )


def changed_since(instant: datetime) -> set[int]:
    """The numbers of the jobs that say something else now than they did then. Two queries."""
    later = select(JobVersion.job_id).where(JobVersion.from_at > instant)
    changed = select(Job).where(Job.id.in_(later), Job.deleted_at.is_(None))
    jobs = {job.id: job for job in db.session.scalars(changed)}
    before = (
        select(JobVersion)
        .where(JobVersion.job_id.in_(later), JobVersion.from_at <= instant)
        .order_by(JobVersion.number)
    )
    then = {version.job_id: version.definition for version in db.session.scalars(before)}
    return {
        number
        for number, job in jobs.items()
        if number in then and then[number] != definition_of(job)
    }


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
