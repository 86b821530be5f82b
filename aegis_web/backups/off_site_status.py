"""How the copies off-site stand: for the Backups page, the Overview and the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from aegis_web.backups.folder import made_at_of
from aegis_web.backups.models import FETCHED, MADE, Backup, CopyState, OffSiteCopy
from aegis_web.backups.off_site import off_site_place
from aegis_web.backups.off_site_copies import JOB_KEY, THERE, TO_COPY
from aegis_web.backups.queries import RunFacts, described, newest_run
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.runs.models import RunStatus

OVERDUE = timedelta(days=2)  # without a copy that succeeded


@dataclass(frozen=True)
class Mark:
    """How the copy of one backup stands."""

    state: CopyState
    copied_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class OffSite:
    """How the place off-site stands; nothing of it was asked now."""

    place: str | None  # None: there is none
    vanishing: bool  # the platform empties its disk, and there is no place
    last_at: datetime | None  # of the newest copy that succeeded
    there: int  # those that were fetched from there count
    waiting: int  # proven ones without a copy, whether or not it was asked for already
    error: str | None  # of the newest that failed
    overdue: bool  # one was asked for two days ago, and none has succeeded since
    marks: Mapping[str, Mark]  # by the backup's file name
    open_run: RunFacts | None  # of the job that copies

    @property
    def troubled(self) -> bool:
        """Whether somebody must look."""
        return bool(self.error) or self.overdue


def off_site_status(settings: Settings) -> OffSite:
    """How the place off-site stands. Six queries at most."""
    place = settings.backup_off_site
    rows = db.session.scalars(select(OffSiteCopy).order_by(OffSiteCopy.file_name.desc())).all()
    last_at = max((row.copied_at for row in rows if row.copied_at), default=None)
    open_states = (CopyState.WAITING, CopyState.COPYING, CopyState.FAILED)
    asked = [row.asked_at for row in rows if row.state in open_states]
    since = max(min(asked), last_at or min(asked)) if asked else None
    unasked = without_row(rows) if place else []
    marks = {row.file_name: Mark(CopyState(row.state), row.copied_at, row.error) for row in rows}
    job_id = db.session.scalar(select(Job.id).where(Job.key == JOB_KEY, Job.deleted_at.is_(None)))
    return OffSite(
        place=place,
        vanishing=settings.persistent and settings.platform is not None and place is None,
        last_at=last_at,
        there=sum(row.state in THERE for row in rows) + fetched(rows),
        waiting=len(asked) + len(unasked),
        error=next((row.error for row in rows if row.error), None) if place else None,
        overdue=place is not None and since is not None and utc_now() - since > OVERDUE,
        marks=marks | dict.fromkeys(unasked, Mark(CopyState.WAITING, None, None)),
        open_run=newest_run(job_id, (RunStatus.QUEUED, RunStatus.RUNNING)) if job_id else None,
    )


def fetched(rows: Sequence[OffSiteCopy]) -> int:
    """How many backups were fetched from there, besides those of `rows`."""
    others = Backup.file_name.not_in([row.file_name for row in rows])
    query = select(func.count()).where(Backup.origin == FETCHED, others)
    return db.session.scalar(query) or 0


def without_row(rows: Sequence[OffSiteCopy]) -> list[str]:
    """The names of the proven backups that the job will ask for: made before there was a place."""
    known = {row.file_name for row in rows}
    query = select(Backup.file_name).where(*TO_COPY)
    return [name for name in db.session.scalars(query) if name not in known]


@dataclass(frozen=True)
class Lying:
    """A backup, and where it lies."""

    file_name: str
    made_at: datetime | None
    size_bytes: int
    here: bool
    off_site: bool
    text: bool  # whether the text of its jobs is at one of them
    proof: str  # "proven", "no good", "not proven"; "proven when copied": not in this database
    origin: str  # as in BackupRow


def all_backups(settings: Settings) -> tuple[list[Lying], str | None]:
    """The backups here and off-site, newest first; and why nobody can say what is off-site."""
    there, problem = {}, None
    if settings.backup_off_site:
        try:
            there = off_site_place().copies()
        except AegisError as error:
            problem = str(error)
    rows = described(db.session.scalars(select(Backup)).all())
    found = [
        Lying(
            file_name=row.file_name,
            made_at=row.made_at,
            size_bytes=row.size_bytes,
            here=row.problem is None,
            off_site=row.file_name in there,
            text=row.has_text or (row.file_name in there and there[row.file_name].has_text),
            proof="proven" if row.proven_at else "no good" if row.proof_error else "not proven",
            origin=row.origin,
        )
        for row in rows
    ]
    known = {row.file_name for row in rows}
    found += [
        Lying(
            file_name=copy.name,
            made_at=made_at_of(copy.name),
            size_bytes=copy.size_bytes,
            here=False,
            off_site=True,
            text=copy.has_text,
            proof="proven when copied",
            origin=MADE,
        )
        for copy in there.values()
        if copy.name not in known
    ]
    return sorted(found, key=lambda lying: lying.file_name, reverse=True), problem
