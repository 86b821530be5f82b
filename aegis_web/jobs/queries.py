"""What is asked about jobs besides the list: one job, its fire times, tags and owners."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from flask import current_app
from sqlalchemy import Row, Text, select, type_coerce
from sqlalchemy import cast as cast_sql

from aegis_web.calendars.queries import forbidden_times
from aegis_web.clock import utc_now
from aegis_web.engine.changes import problem_with
from aegis_web.engine.skips import WITHIN
from aegis_web.engine.triggers import Trigger, as_stored, coming, preview
from aegis_web.extensions import db
from aegis_web.jobs.listing import OPEN, JobRow, RunMark, last_runs, passed_count
from aegis_web.jobs.models import Job, JobSkip, JobState, Origin
from aegis_web.jobs.skips import skips_of
from aegis_web.parameters import MASK, mask_sealed
from aegis_web.registry import Registry, ServiceFunction
from aegis_web.vault import Vault

NEXT_TIMES = 10
DURATIONS = 100  # runs in the chart of a job
OFFERED = 200  # tags, or owners, to choose from


@dataclass(frozen=True)
class JobDetail:
    """One job as its page shows it."""

    job: Job
    trigger: Trigger
    function: ServiceFunction | None
    arguments: Mapping[str, Any]  # secrets masked
    next_times: tuple[datetime, ...]  # empty unless it is active
    forbidden: Mapping[datetime, str]  # those of them in a blackout, with its name
    skips: Mapping[datetime, JobSkip]  # those that are to be skipped, of a paused job too
    passed: int  # fire times while it was paused
    runs: tuple[RunMark, ...]  # the last ones, oldest first

    @property
    def busy(self) -> bool:
        """Whether a run of it is queued or running."""
        return any(run.status in OPEN for run in self.runs)


@dataclass(frozen=True)
class FormerJob:
    """A job that was deleted."""

    id: int
    name: str
    deleted_at: datetime
    deleted_by: str


def registry() -> Registry:
    """The service functions of this installation."""
    return cast(Registry, current_app.extensions["aegis.registry"])


def vault() -> Vault:
    """What encrypts the secrets among arguments."""
    return cast(Vault, current_app.extensions["aegis.vault"])


def find_job(job_id: int) -> Job | None:
    """The live job of that number. One query."""
    return cast(
        "Job | None",
        db.session.scalar(select(Job).where(Job.id == job_id, Job.deleted_at.is_(None))),
    )


def find_former(job_id: int) -> FormerJob | None:
    """The deleted job of that number. One query."""
    job = db.session.get(Job, job_id)
    if job is None or job.deleted_at is None:
        return None
    return FormerJob(job.id, job.name, job.deleted_at, job.updated_by)


def describe(job: Job) -> JobDetail:
    """A job with what follows from it and its last runs. Three queries."""
    trigger, function = as_stored(job.trigger), registry().find(job.service)
    times: tuple[datetime, ...] = ()
    if job.state == JobState.ACTIVE:
        times = tuple(coming(trigger, job.next_run_at, utc_now(), WITHIN))
    return JobDetail(
        job=job,
        trigger=trigger,
        function=function,
        arguments=masked_arguments(function, job.arguments),
        next_times=times,
        forbidden=forbidden_times(job.calendar_id, times),
        skips=skips_of([job.id]).get(job.id, {}),
        passed=passed_count(trigger, job.state, job.next_run_at),
        runs=last_runs([job.id], DURATIONS).get(job.id, ()),
    )


def masked_arguments(
    function: ServiceFunction | None, stored: Mapping[str, Any], mask: Any = MASK
) -> Mapping[str, Any]:
    """Stored arguments for people: secrets as `mask`, also where the function is gone."""
    if function:
        return function.masked(stored, mask)
    return cast("dict[str, Any]", mask_sealed(stored, mask))


def next_times(trigger: Trigger, count: int = NEXT_TIMES) -> list[datetime]:
    """The next `count` fire times from now on, in UTC; fewer where the trigger ends."""
    return preview(trigger, utc_now(), count)


def all_tags() -> list[str]:
    """The tags of all live jobs, sorted; at most `OFFERED`. One query."""
    tags = type_coerce(cast_sql(Job.tags, Text), Text)  # as text: JSON cannot be compared
    query = select(tags).where(tags != "[]", Job.deleted_at.is_(None)).distinct()
    found = {tag for text in db.session.scalars(query) for tag in json.loads(text)}
    return sorted(found)[:OFFERED]


def all_owners() -> list[str]:
    """The owners of all live jobs, sorted; at most `OFFERED`. One query."""
    query = select(Job.owner).where(Job.owner != "", Job.deleted_at.is_(None)).distinct()
    return list(db.session.scalars(query.order_by(Job.owner).limit(OFFERED)))


def any_job() -> bool:
    """Whether there is a live job at all. One query."""
    return db.session.scalar(select(Job.id).where(Job.deleted_at.is_(None)).limit(1)) is not None


def problem_words(job: Job | JobRow | Row[Any]) -> str | None:
    """Why the job is broken, in the reader's language; what was noted where it seems whole now.

    A row must hold its problem, service, arguments and trigger.
    """
    if job.problem is None:
        return None
    trigger = job.trigger.to_json() if isinstance(job, JobRow) else job.trigger
    return problem_with(job.service, job.arguments, trigger, registry()) or job.problem


def is_declared(job: Job | JobRow) -> bool:
    """Whether the code still declares the job, so that deleting it would not last."""
    return job.origin == Origin.CODE and job.declared
