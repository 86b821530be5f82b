"""What the first page answers without a click: what is broken, what is running, what is next."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import func, or_, select

from aegis_web.backups.models import ELSEWHERE, Backup, CopyState, OffSiteCopy
from aegis_web.backups.off_site_status import OffSite, off_site_status
from aegis_web.backups.queries import described
from aegis_web.calendars.queries import blackouts_at
from aegis_web.clock import EPOCH, utc_now
from aegis_web.config import Settings
from aegis_web.engine.triggers import as_stored
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobState, Origin
from aegis_web.jobs.queries import problem_words
from aegis_web.jobs.sight import current
from aegis_web.jobs.skips import skips_next
from aegis_web.language import _
from aegis_web.registry import Registry
from aegis_web.runs.expected import Expected, expected_ends
from aegis_web.runs.models import (
    BAD,
    TELLING,
    JobResult,
    Run,
    RunCount,
    RunDetails,
    RunStatus,
)
from aegis_web.runs.progress import RunProgress, progress_of
from aegis_web.runs.queries import RunRow, row_query, run_row
from aegis_web.system.health import EngineHealth, engine_health

SHOWN = 10  # rows of each list
SHOWN_TROUBLES = 20
MOST_COUNTED = 1000  # beyond that a number is "1000+": counting has an end
SOON = timedelta(hours=1)
DAY_HOURS = 24
BACKUP_DUE = timedelta(hours=26)  # the daily backup, and two hours for it
PROOF_DUE = timedelta(hours=1)  # after which nobody is proving a backup any more
BUILT_IN = "aegis_web.services."


@dataclass(frozen=True)
class Trouble:
    """A job that is broken, or whose last run did not do its work."""

    job_id: int
    job_name: str
    paused: bool
    status: str  # "broken", or the word of its last run's status
    text: str | None  # what is wrong
    run: RunRow | None  # the last run that says so; None: the job is broken


@dataclass(frozen=True)
class RunningRow:
    """A run that goes right now."""

    run: RunRow
    progress: RunProgress | None
    expected: Expected | None  # when it should end; None: nobody knows


@dataclass(frozen=True)
class Upcoming:
    """A job that is due soon."""

    job_id: int
    job_name: str
    at: datetime
    words: str  # its trigger
    zone: str
    within_the_hour: int  # fire times from now on
    skipped: str | None  # why it will not run then: the name of a blackout, or a wish


@dataclass(frozen=True)
class Hour:
    """What runs came to in one hour."""

    start: datetime
    counts: Mapping[str, int]  # by status word


@dataclass(frozen=True)
class Day:
    """The last 24 hours."""

    hours: tuple[Hour, ...]  # oldest first

    def total(self, *words: str) -> int:
        """How many runs came to one of these statuses (none: to any)."""
        return sum(
            count
            for hour in self.hours
            for word, count in hour.counts.items()
            if not words or word in words
        )

    @property
    def totals(self) -> dict[str, int]:
        """How many runs came to each status, those without any left out."""
        counted = {status.name.lower(): self.total(status.name.lower()) for status in RunStatus}
        return {word: count for word, count in counted.items() if count}

    @property
    def success_percent(self) -> float | None:
        """How many of those that should have worked did; None: there was nothing to judge."""
        judged = self.total(*(status.name.lower() for status in TELLING))
        return None if not judged else 100 * self.total("succeeded") / judged


@dataclass(frozen=True)
class Unproven:
    """A backup on which nobody should rely."""

    made_at: datetime
    problem: str | None  # what came out of its proof; None: it never came to an end
    file_problem: str | None = None  # whether its file is missing or damaged; None: neither


@dataclass(frozen=True)
class Overview:
    """All that the first page says."""

    engine: EngineHealth
    backup_overdue: bool
    unproven: Unproven | None  # the newest backup, where it is no good
    off_site: OffSite | None  # None: there is no place off-site
    last_backup_at: datetime | None
    troubles: tuple[Trouble, ...]
    more_troubles: bool
    running: tuple[RunningRow, ...]
    running_count: int  # at most MOST_COUNTED
    queued_count: int  # at most MOST_COUNTED
    upcoming: tuple[Upcoming, ...]  # within the hour, or the very next one
    day: Day
    is_new: bool  # nobody has given it work yet


def overview(settings: Settings) -> Overview:
    """The first page's facts. A constant number of queries; no row of runs is counted."""
    now = utc_now()
    troubles = find_troubles(SHOWN_TROUBLES + 1)
    last_backup_at = newest_backup_at()
    return Overview(
        engine=engine_health(),
        backup_overdue=settings.persistent and backup_overdue(last_backup_at, now),
        last_backup_at=last_backup_at,
        unproven=unproven_backup(now),
        off_site=off_site_status(settings) if settings.backup_off_site else None,
        troubles=troubles[:SHOWN_TROUBLES],
        more_troubles=len(troubles) > SHOWN_TROUBLES,
        running=running_now(SHOWN),
        running_count=count_open(RunStatus.RUNNING),
        queued_count=count_open(RunStatus.QUEUED),
        upcoming=upcoming(now, SHOWN),
        day=last_day(now),
        is_new=current() is None and has_no_work(),
    )


def find_troubles(limit: int) -> tuple[Trouble, ...]:
    """Broken jobs, then those whose last telling run was bad, the newest first. Two queries."""
    broken = db.session.execute(
        select(Job.id, Job.name, Job.state, Job.problem, Job.service, Job.arguments, Job.trigger)
        .where(Job.problem.is_not(None), Job.deleted_at.is_(None))
        .order_by(Job.name + "")  # few, and faster found than by the index over all names
        .limit(limit)
    )
    found = [
        Trouble(row.id, row.name, row.state == JobState.PAUSED, "broken", problem_words(row), None)
        for row in broken
    ]
    return (*found, *failing(limit - len(found)))


def failing(limit: int) -> list[Trouble]:
    """Jobs that are whole, but whose last telling run was bad; newest first."""
    whole = select(Job.id).where(Job.id == JobResult.job_id)
    whole = whole.where(Job.deleted_at.is_(None), Job.problem.is_(None))
    bad = (
        select(JobResult.run_id)
        .where(JobResult.status.in_(BAD), whole.exists())
        .order_by(JobResult.run_id.desc())
        .limit(limit)
    )
    query = row_query().add_columns(Job.state).where(Run.id.in_(bad)).order_by(Run.id.desc())
    return [failed_job(run_row(row), row.state) for row in db.session.execute(query)]


def failed_job(run: RunRow, state: str) -> Trouble:
    """A job whose last telling run is `run`."""
    text = run.error or run.sentence
    return Trouble(run.job_id, run.job_name, state == JobState.PAUSED, run.status, text, run)


def running_now(limit: int) -> tuple[RunningRow, ...]:
    """The runs that go right now, the longest first. Two queries."""
    query = (
        row_query()
        .add_columns(RunDetails)
        .outerjoin(RunDetails, RunDetails.run_id == Run.id)
        .where(Run.status == RunStatus.RUNNING)
        .order_by(Run.started_at, Run.id)
        .limit(limit)
    )
    going = [
        (run_row(row), row.RunDetails and progress_of(row.RunDetails))
        for row in db.session.execute(query)
    ]
    expected = expected_ends(going)
    return tuple(RunningRow(run, progress, expected.get(run.id)) for run, progress in going)


def count_open(status: RunStatus) -> int:
    """How many runs have this status now, up to MOST_COUNTED. One query over few rows."""
    some = select(Run.id).where(Run.status == status).limit(MOST_COUNTED).subquery()
    return int(db.session.scalar(select(func.count()).select_from(some)))


def upcoming(now: datetime, limit: int) -> tuple[Upcoming, ...]:
    """The jobs that are due within the hour, or else the one that is due next. Two queries."""
    query = (
        select(
            Job.id,
            Job.name,
            Job.next_run_at,
            Job.trigger,
            Job.zone,
            Job.calendar_id,
            skips_next().label("skips"),
        )
        .where(Job.state == JobState.ACTIVE, Job.next_run_at.is_not(None), Job.deleted_at.is_(None))
        .order_by(Job.next_run_at)
        .limit(limit)
    )
    rows = db.session.execute(query).all()
    soon = [row for row in rows if row.next_run_at <= now + SOON] or rows[:1]
    blackouts = blackouts_at((row.calendar_id, row.next_run_at) for row in soon)
    found = []
    for row in soon:
        trigger = as_stored(row.trigger)
        times = trigger.count_between(now, now + SOON)
        skipped = blackouts.get((row.calendar_id, row.next_run_at))
        if row.skips:
            skipped = _("as somebody asked")
        at, words = row.next_run_at, trigger.words()
        found.append(Upcoming(row.id, row.name, at, words, row.zone, times, skipped))
    return tuple(found)


def last_day(now: datetime) -> Day:
    """What runs came to in each of the last 24 hours, this one included. One query."""
    this_hour = (now - EPOCH) // timedelta(hours=1)
    first = this_hour - DAY_HOURS + 1
    settled = [status for status in RunStatus if status > RunStatus.RUNNING]
    # By hour alone, in the order of the primary key: with the status it would have to be sorted.
    sums = (func.sum(RunCount.count).filter(RunCount.status == status) for status in settled)
    query = select(RunCount.hour, *sums).where(RunCount.hour >= first).group_by(RunCount.hour)
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for hour, *numbers in db.session.execute(query):
        counts[hour] = {
            status.name.lower(): int(number)
            for status, number in zip(settled, numbers, strict=True)
            if number
        }
    return Day(
        tuple(
            Hour(EPOCH + timedelta(hours=hour), counts[hour])
            for hour in range(first, this_hour + 1)
        )
    )


def newest_backup_at() -> datetime | None:
    """When the newest proven backup of ours was made; one from elsewhere saves nothing here."""
    made_at: datetime | None = db.session.scalar(
        select(Backup.made_at)
        .where(Backup.proven_at.is_not(None), Backup.origin.not_in(ELSEWHERE))
        .order_by(Backup.made_at.desc())
        .limit(1)
    )
    return made_at


def is_off_site(name: str) -> bool:
    """Whether a copy of the backup is off-site."""
    copied = OffSiteCopy.file_name == name, OffSiteCopy.state == CopyState.COPIED
    return db.session.scalar(select(OffSiteCopy.id).where(*copied)) is not None


def unproven_backup(now: datetime) -> Unproven | None:
    """The newest backup of ours, if it cannot be relied on.

    Its file is not whole and no copy of it is off-site, or its proof failed or never came.
    """
    query = select(Backup).where(Backup.origin.not_in(ELSEWHERE))
    newest = db.session.scalar(query.order_by(Backup.id.desc()).limit(1))
    if newest is None:
        return None
    file_problem = described([newest])[0].problem
    if file_problem and not is_off_site(newest.file_name):
        return Unproven(newest.made_at, newest.proof_error, file_problem)
    if newest.proven_at is not None:
        return None
    if newest.proof_error is None and now - newest.made_at < PROOF_DUE:
        return None
    return Unproven(newest.made_at, newest.proof_error)


def backup_overdue(last_backup_at: datetime | None, now: datetime) -> bool:
    """Whether the daily backup has not come; a new installation has its first day to make it."""
    if last_backup_at is not None:
        return now - last_backup_at > BACKUP_DUE
    since = db.session.scalar(select(Job.created_at).order_by(Job.id).limit(1))
    return since is not None and now - since > BACKUP_DUE


def has_no_work() -> bool:
    """Whether there is no job yet but those that the product brings along. One query."""
    registry: Registry = current_app.extensions["aegis.registry"]
    own = [
        name
        for name, function in registry.functions.items()
        if function.module.startswith(BUILT_IN)
    ]
    given = select(Job.id).where(
        Job.deleted_at.is_(None), or_(Job.origin == Origin.USER, Job.service.not_in(own))
    )
    return db.session.scalar(given.limit(1)) is None
