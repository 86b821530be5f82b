"""The versions of a job as people compare them, and what a change does to its fire times."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from aegis_web.engine.triggers import Trigger
from aegis_web.extensions import db
from aegis_web.jobs.compare import Difference, differences
from aegis_web.jobs.models import Job, JobVersion
from aegis_web.jobs.screens import shared_things

SHOWN = 50  # versions on a page
AHEAD = timedelta(days=14)
WALKED = 3000  # fire times that are compared one by one; of more only the numbers are
LISTED = 8  # gained or lost fire times that are named


@dataclass(frozen=True)
class Version:
    """One version beside the one before it."""

    number: int
    from_at: datetime
    made_by: str
    note: str  # why, in the words of who made it
    changed: tuple[Difference, ...]  # empty for the first one


@dataclass(frozen=True)
class TimesDifference:
    """What another trigger does to the fire times of the next `AHEAD`."""

    before: int
    after: int
    exact: bool  # whether the following were compared; else there are too many
    lost_count: int = 0
    gained_count: int = 0
    lost: tuple[datetime, ...] = ()  # the first `LISTED`
    gained: tuple[datetime, ...] = ()

    @property
    def any(self) -> bool:
        """Whether something is lost or gained, as far as is known."""
        return not self.exact or bool(self.lost_count or self.gained_count)


def versions_of(job_id: int, before: int | None = None) -> tuple[list[Version], int | None]:
    """The versions of a job, newest first, at most `SHOWN`; and the number to go on with, if any.

    With `before` those older than that one. One query, and two for groups and calendars.
    """
    query = select(JobVersion).where(JobVersion.job_id == job_id)
    if before is not None:
        query = query.where(JobVersion.number < before)
    found = db.session.scalars(query.order_by(JobVersion.number.desc()).limit(SHOWN + 1)).all()
    shared = shared_things()
    jobs = [as_job(version) for version in found]
    versions = [
        Version(
            version.number,
            version.from_at,
            version.made_by,
            version.note,
            tuple(differences(jobs[place + 1], jobs[place], shared))
            if place + 1 < len(found)
            else (),
        )
        for place, version in enumerate(found[:SHOWN])
    ]
    return versions, versions[-1].number if len(found) > SHOWN else None


def newest_versions(job_id: int, count: int) -> list[JobVersion]:
    """The last `count` versions of a job, newest first; each has one. One query."""
    query = select(JobVersion).where(JobVersion.job_id == job_id)
    return list(db.session.scalars(query.order_by(JobVersion.number.desc()).limit(count)))


def find_version(job_id: int, number: int) -> JobVersion | None:
    """That version of the job. One query."""
    found: JobVersion | None = db.session.get(JobVersion, (job_id, number))
    return found


def as_job(version: JobVersion) -> Job:
    """The job as that version says it, not stored anywhere."""
    return Job(**version.definition)


def times_difference(before: Trigger, after: Trigger, now: datetime) -> TimesDifference:
    """The fire times that are lost and gained in the next `AHEAD`. No query."""
    until = now + AHEAD
    counts = before.count_between(now, until), after.count_between(now, until)
    if max(counts) > WALKED:
        return TimesDifference(*counts, exact=before.to_json() == after.to_json())
    old, new = (set(trigger.last_between(now, until, WALKED)) for trigger in (before, after))
    lost, gained = sorted(old - new), sorted(new - old)
    return TimesDifference(
        *counts, True, len(lost), len(gained), tuple(lost[:LISTED]), tuple(gained[:LISTED])
    )
