"""What is asked about jobs: the list, one job, its fire times, the tags."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any, cast

from flask import current_app
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    case,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    type_coerce,
)
from sqlalchemy import cast as cast_sql

from aegis_web.calendars.queries import blackouts_at, forbidden_times
from aegis_web.clock import MICROSECOND, from_us, utc_now
from aegis_web.engine.skips import WITHIN
from aegis_web.engine.triggers import Trigger, coming, from_json, preview
from aegis_web.extensions import db
from aegis_web.jobs.filters import BIGGEST, Cursor, JobFilter
from aegis_web.jobs.models import Job, JobSkip, JobState, Origin
from aegis_web.jobs.skips import skips_next, skips_of
from aegis_web.parameters import mask_sealed
from aegis_web.registry import Registry, ServiceFunction
from aegis_web.runs.models import BAD, TELLING, JobResult, RunStatus
from aegis_web.vault import Vault

PAGE_SIZE = 30
SPARK_RUNS = 20
NEXT_TIMES = 10
DURATIONS = 100  # runs in the chart of a job
OFFERED = 200  # tags, or owners, to choose from
SORTED_BY = {"attention": ("tier", "due"), "name": ("sort_name",), "due": ("due",)}
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(frozen=True)
class RunMark:
    """One run, as far as lists show it."""

    id: int
    status: RunStatus
    at: datetime  # when it began; of a run that did not: when it was settled or queued
    seconds: float | None  # how long it took; None: it did not run, or still does


@dataclass(frozen=True)
class JobRow:
    """One job as the list shows it."""

    id: int
    name: str
    tags: tuple[str, ...]
    origin: str
    declared: bool
    service: str
    problem: str | None
    trigger: Trigger
    state: str
    pause_reason: str
    pause_until: datetime | None  # None: until somebody resumes
    skips: bool  # whether its next fire time is to be skipped
    next_run_at: datetime | None
    blackout: str | None  # the period that forbids its next fire time
    runs: tuple[RunMark, ...]  # the last ones, oldest first

    @property
    def telling(self) -> RunMark | None:
        """The run that says how the job does: one that goes, else the last that told."""
        newest = reversed(self.runs)
        return next((run for run in newest if run.status in (*OPEN, *TELLING)), None) or self.last

    @property
    def usual_seconds(self) -> float | None:
        """How long its good runs usually take: the median of those among `runs`."""
        good = (run for run in self.runs if run.status == RunStatus.SUCCEEDED)
        took = [run.seconds for run in good if run.seconds is not None]
        return median(took) if took else None

    @property
    def last(self) -> RunMark | None:
        """The newest run."""
        return self.runs[-1] if self.runs else None

    @property
    def busy(self) -> bool:
        """Whether a run of it is queued or running."""
        return any(run.status in OPEN for run in self.runs)

    @property
    def due(self) -> bool:
        """Whether its next fire time has come and nobody has claimed it yet."""
        return self.next_run_at is not None and self.next_run_at <= utc_now()

    @property
    def passed(self) -> int:
        """How many fire times passed while it was paused."""
        return passed_count(self.trigger, self.state, self.next_run_at)


@dataclass(frozen=True)
class JobPage:
    """One page of the list, and the filters of its neighbours (None: there is none)."""

    rows: tuple[JobRow, ...]
    newer: JobFilter | None
    older: JobFilter | None


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


def list_jobs(wanted: JobFilter, size: int = PAGE_SIZE) -> JobPage:
    """One page of the jobs that `wanted` describes. At most three queries."""
    backwards = wanted.before is not None
    ranked = _ranked(wanted)
    keys = [ranked.c[name] for name in (*SORTED_BY[wanted.order], "id")]
    query = select(*_listed(), *keys[:-1]).join(ranked, ranked.c.id == Job.id)
    cursor = wanted.before or wanted.after
    if cursor is not None:
        place = tuple_(*map(literal, (*cursor.values, cursor.job_id)))
        query = query.where(tuple_(*keys) < place if backwards else tuple_(*keys) > place)
    query = query.order_by(*(key.desc() if backwards else key for key in keys)).limit(size + 1)
    found = db.session.execute(query).all()
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    rows = _rows(found)
    first = wanted.first_page()
    cursors = [_cursor(row, len(keys) - 1) for row in found]
    has_newer = more if backwards else cursor is not None
    has_older = more if not backwards else True
    return JobPage(
        rows,
        newer=replace(first, before=cursors[0]) if rows and has_newer else None,
        older=replace(first, after=cursors[-1]) if rows and has_older else None,
    )


def job_rows(ids: Iterable[int]) -> tuple[JobRow, ...]:
    """The live jobs with these numbers, as the list shows them. At most three queries."""
    query = select(*_listed()).where(Job.id.in_(list(ids)), Job.deleted_at.is_(None))
    return _rows(db.session.execute(query.order_by(Job.name, Job.id)).all())


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
    trigger, function = from_json(job.trigger), registry().find(job.service)
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
    function: ServiceFunction | None, stored: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Stored arguments for people: secrets as bullets, also where the function is gone."""
    return function.masked(stored) if function else cast("dict[str, Any]", mask_sealed(stored))


def next_times(trigger: Trigger, count: int = NEXT_TIMES) -> list[datetime]:
    """The next `count` fire times from now on, in UTC; fewer where the trigger ends."""
    return preview(trigger, utc_now(), count)


def passed_count(trigger: Trigger, state: str, cursor: datetime | None) -> int:
    """How many fire times a paused job's cursor stands behind; 0 unless it is paused."""
    if state != JobState.PAUSED or cursor is None:
        return 0
    now = utc_now()
    return trigger.count_between(cursor - MICROSECOND, now) if cursor <= now else 0


def all_tags() -> list[str]:
    """The tags of all live jobs, sorted; at most `OFFERED`. One query."""
    tags = type_coerce(cast_sql(Job.tags, Text), Text)  # as text: JSON cannot be compared
    query = select(tags).where(Job.deleted_at.is_(None)).distinct()
    found = {tag for text in db.session.scalars(query) for tag in json.loads(text)}
    return sorted(found)[:OFFERED]


def all_owners() -> list[str]:
    """The owners of all live jobs, sorted; at most `OFFERED`. One query."""
    query = select(Job.owner).where(Job.deleted_at.is_(None), Job.owner != "").distinct()
    return list(db.session.scalars(query.order_by(Job.owner).limit(OFFERED)))


def any_job() -> bool:
    """Whether there is a live job at all. One query."""
    return db.session.scalar(select(Job.id).where(Job.deleted_at.is_(None)).limit(1)) is not None


def last_runs(job_ids: Sequence[int], count: int = SPARK_RUNS) -> dict[int, tuple[RunMark, ...]]:
    """The last `count` runs of each job, oldest first. One query, and no scan of the history."""
    if not job_ids:
        return {}
    one = (
        "SELECT * FROM (SELECT id, job_id, status, queued_at, started_at, finished_at FROM runs"
        " WHERE job_id = :job{} ORDER BY id DESC LIMIT :count) AS runs{}"
    )
    parts = (one.format(place, place) for place in range(len(job_ids)))
    values = {f"job{place}": job_id for place, job_id in enumerate(job_ids)}
    found: dict[int, list[RunMark]] = {}
    for row in db.session.execute(text(" UNION ALL ".join(parts)), {**values, "count": count}):
        found.setdefault(row.job_id, []).append(_mark(row))
    return {
        job_id: tuple(sorted(marks, key=lambda mark: mark.id)) for job_id, marks in found.items()
    }


def _mark(row: Any) -> RunMark:
    began, ended = row.started_at, row.finished_at
    instant = row.queued_at if began is None and ended is None else began or ended
    took = None if began is None or ended is None else (ended - began) / 1e6
    return RunMark(row.id, RunStatus(row.status), from_us(instant), took)


def _listed() -> list[Any]:
    """The columns of a `JobRow`."""
    return [
        Job.id,
        Job.name,
        Job.tags,
        Job.origin,
        Job.declared,
        Job.service,
        Job.problem,
        Job.trigger,
        Job.state,
        Job.pause_reason,
        Job.pause_until,
        skips_next().label("skips"),
        Job.calendar_id,
        Job.next_run_at,
    ]


def _rows(found: Sequence[Any]) -> tuple[JobRow, ...]:
    runs = last_runs([row.id for row in found])
    blackouts = blackouts_at((row.calendar_id, row.next_run_at) for row in found)
    return tuple(
        JobRow(
            id=row.id,
            name=row.name,
            tags=tuple(row.tags),
            origin=row.origin,
            declared=row.declared,
            service=row.service,
            problem=row.problem,
            trigger=from_json(row.trigger),
            state=row.state,
            pause_reason=row.pause_reason,
            pause_until=row.pause_until,
            skips=row.skips,
            next_run_at=row.next_run_at,
            blackout=blackouts.get((row.calendar_id, row.next_run_at)),
            runs=runs.get(row.id, ()),
        )
        for row in found
    )


def _cursor(row: Any, keys: int) -> Cursor:
    return Cursor(tuple(row[-keys:]), row.id)


def _ranked(wanted: JobFilter) -> Any:
    """The numbers and sort keys of the jobs that fit, each computed once."""
    bad = JobResult.status.in_(BAD)
    due: Any = case((Job.state == JobState.ACTIVE, Job.next_run_at), else_=None)
    keys: dict[str, Any] = {
        "sort_name": func.lower(Job.name),
        "tier": case((Job.problem.is_not(None), 0), (bad, 1), else_=2),
        "due": func.coalesce(type_coerce(due, BigInteger), BIGGEST),
    }
    sorted_by = [keys[name].label(name) for name in SORTED_BY[wanted.order]]
    query = select(Job.id, *sorted_by).where(Job.deleted_at.is_(None))
    query = query.outerjoin(JobResult, JobResult.job_id == Job.id)
    if wanted.failed:
        query = query.where(bad)
    return _narrowed(query, wanted).cte("ranked").prefix_with("MATERIALIZED")


def _narrowed(query: Select[Any], wanted: JobFilter) -> Select[Any]:
    for column, value in (
        (Job.state, wanted.state),
        (Job.service, wanted.service),
        (Job.origin, wanted.origin),
        (Job.owner, wanted.owner),
        (Job.trigger_kind, wanted.kind),
    ):
        if value:
            query = query.where(column == value)
    if wanted.broken:
        query = query.where(Job.problem.is_not(None))
    if wanted.tag:
        query = query.where(has_tag(wanted.tag))
    if wanted.text:
        query = query.where(_contains(wanted.text))
    return query


def _contains(words: str) -> ColumnElement[bool]:
    columns = (Job.name, Job.key, Job.description, Job.owner, Job.service)
    found = [column.icontains(words, autoescape=True) for column in columns]
    return or_(*found, has_tag(words))


def has_tag(tag: str) -> ColumnElement[bool]:
    values = _tag_values()
    return select(values.c.value).where(values.c.value == tag).exists()


def _tag_values() -> Any:
    """The tags of a job as rows, in the words of the database at hand."""
    sqlite = db.engine.dialect.name == "sqlite"
    explode = func.json_each if sqlite else func.json_array_elements_text
    return explode(Job.tags).table_valued("value", joins_implicitly=True)


def is_declared(job: Job | JobRow) -> bool:
    """Whether the code still declares the job, so that deleting it would not last."""
    return job.origin == Origin.CODE and job.declared
