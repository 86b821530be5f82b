"""The list of jobs: which ones a filter shows, in which order, with the last runs of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    TextClause,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    type_coerce,
)

from aegis_web.calendars.queries import blackouts_at
from aegis_web.clock import MICROSECOND, from_us, utc_now
from aegis_web.engine.triggers import Trigger, as_stored
from aegis_web.extensions import db
from aegis_web.jobs.filters import BIGGEST, Cursor, JobFilter
from aegis_web.jobs.models import Job, JobState
from aegis_web.jobs.sight import has_tag
from aegis_web.jobs.skips import skips_next
from aegis_web.runs.models import BAD, TELLING, JobResult, RunStatus

PAGE_SIZE = 30
SPARK_RUNS = 20
SORTED_BY = {"attention": ("tier", "due"), "name": ("sort_name",), "due": ("due",)}
BETWEEN = "\n"  # what is searched as one text; nobody types it into a search
STATUSES = {status.value: status for status in RunStatus}
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


class RunMark(NamedTuple):
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
    arguments: Mapping[str, Any]  # as stored; empty unless it is broken
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


def list_jobs(wanted: JobFilter, size: int = PAGE_SIZE) -> JobPage:
    """One page of the jobs that `wanted` describes. At most three queries."""
    backwards, cursor = wanted.before is not None, wanted.before or wanted.after
    shown = _shown(wanted, size + 1)
    keys = [shown.c[name] for name in (*SORTED_BY[wanted.order], "id")]
    query = select(*_listed(), *keys[:-1]).join(shown, shown.c.id == Job.id)
    found = db.session.execute(query.order_by(*_along(keys, backwards))).all()
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


def passed_count(trigger: Trigger, state: str, cursor: datetime | None) -> int:
    """How many fire times a paused job's cursor stands behind; 0 unless it is paused."""
    if state != JobState.PAUSED or cursor is None:
        return 0
    now = utc_now()
    return trigger.count_between(cursor - MICROSECOND, now) if cursor <= now else 0


def last_runs(job_ids: Sequence[int], count: int = SPARK_RUNS) -> dict[int, tuple[RunMark, ...]]:
    """The last `count` runs of each job, oldest first. One query, and no scan of the history."""
    if not job_ids:
        return {}
    values = {f"job{place}": job_id for place, job_id in enumerate(job_ids)}
    query = _last_of(len(job_ids))
    found: dict[int, list[RunMark]] = {}
    rows = db.session.execute(query, {**values, "count": count}).all()
    for run_id, job_id, status, queued, began, ended in rows:
        mark = RunMark(run_id, STATUSES[status], *_span(queued, began, ended))
        found.setdefault(job_id, []).append(mark)
    return {job_id: tuple(sorted(marks)) for job_id, marks in found.items()}


@cache
def _last_of(jobs: int) -> TextClause:
    """The last runs of as many jobs. It is long, and made once."""
    one = (
        "SELECT * FROM (SELECT id, job_id, status, queued_at, started_at, finished_at FROM runs"
        " WHERE job_id = :job{} ORDER BY id DESC LIMIT :count) AS runs{}"
    )
    return text(" UNION ALL ".join(one.format(place, place) for place in range(jobs)))


def _span(queued: int, began: int | None, ended: int | None) -> tuple[datetime, float | None]:
    """`at` and `seconds` of a `RunMark`; from microseconds."""
    if began is None:
        return from_us(queued if ended is None else ended), None
    return from_us(began), None if ended is None else (ended - began) / 1e6


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
        case((Job.problem.is_not(None), Job.arguments)).label("arguments"),
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
            arguments=row.arguments or {},
            trigger=as_stored(row.trigger),
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


def _along(keys: Iterable[Any], backwards: bool) -> list[Any]:
    return [key.desc() if backwards else key for key in keys]


def _shown(wanted: JobFilter, limit: int) -> Any:
    """The numbers and sort keys of the first `limit` jobs that fit, from the cursor on.

    All that fit are ranked, so that nothing is read of them here but what ranks them.
    """
    bad = Job.id.in_(select(JobResult.job_id).where(JobResult.status.in_(BAD)))
    due: Any = case((Job.state == JobState.ACTIVE, Job.next_run_at), else_=None)
    known: dict[str, Any] = {
        "sort_name": func.lower(Job.name),
        "tier": case((Job.problem.is_not(None), 0), (bad, 1), else_=2),
        "due": func.coalesce(type_coerce(due, BigInteger), BIGGEST),
    }
    names = SORTED_BY[wanted.order]
    keys = [*(known[name] for name in names), Job.id]
    labels = (known[name].label(name) for name in names)
    query = select(Job.id, *labels).where(Job.deleted_at.is_(None))
    if wanted.failed:
        query = query.where(bad)
    query = _narrowed(query, wanted)
    backwards, cursor = wanted.before is not None, wanted.before or wanted.after
    if cursor is not None:
        place = tuple_(*map(literal, (*cursor.values, cursor.job_id)))
        query = query.where(tuple_(*keys) < place if backwards else tuple_(*keys) > place)
    query = query.order_by(*_along(keys, backwards)).limit(limit)
    return query.cte("shown").prefix_with("MATERIALIZED")


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
    said: ColumnElement[str] = Job.name + BETWEEN + Job.key + BETWEEN + Job.description
    said = said + BETWEEN + Job.owner + BETWEEN + Job.service
    # Taking tags apart is dear: not where there are none.
    tagged = and_(type_coerce(cast(Job.tags, Text), Text) != "[]", has_tag(words))
    return or_(said.icontains(words, autoescape=True), tagged)
