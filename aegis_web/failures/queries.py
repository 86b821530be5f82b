"""Failures by error: the same one over runs and jobs is one group."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    literal_column,
    select,
    type_coerce,
    union_all,
)

from aegis_web.clock import MICROSECOND, from_us, to_us, utc_now
from aegis_web.extensions import db
from aegis_web.failures.fingerprint import fingerprint
from aegis_web.failures.models import Acknowledgement
from aegis_web.jobs.models import Job
from aegis_web.jobs.sight import current
from aegis_web.runs.log import inert
from aegis_web.runs.models import Kind, Run, RunStatus
from aegis_web.runs.search import first_since

WINDOW = timedelta(days=30)
SPANS = {"1 h": timedelta(hours=1), "24 h": timedelta(hours=24), "7 d": timedelta(days=7)}
LOOKED_AT = 5_000  # runs with an error, the newest ones
SHOWN = 50  # groups
JOBS_NAMED = 3
FAILED = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)


@dataclass(frozen=True)
class Good:
    """A run that succeeded."""

    run_id: int
    at: datetime


@dataclass(frozen=True)
class Known:
    """Who has acknowledged an error, and when."""

    at: datetime
    by: str
    note: str
    jobs: frozenset[int]


@dataclass(frozen=True)
class Failure:
    """One error, over all runs and jobs that it hit in `WINDOW`."""

    fingerprint: str
    error: str  # as the newest run said it
    first_at: datetime
    last_at: datetime
    last_run_id: int
    counts: Mapping[str, int]  # by the words of SPANS
    jobs: Mapping[int, int]  # how often it hit each job, the most often first
    names: Mapping[int, str] = field(default_factory=dict)  # of the first JOBS_NAMED
    good: Good | None = None  # the last run that succeeded, of the job that it hit most
    known: Known | None = None

    @property
    def quiet(self) -> bool:
        """Whether it is known, and has neither hit another job nor come back since."""
        if self.known is None or not self.known.jobs >= self.jobs.keys():
            return False
        good = self.good
        return good is None or not self.known.at < good.at < self.last_at


@dataclass(frozen=True)
class Failures:
    """All of them, the newest first."""

    open: tuple[Failure, ...]
    known: tuple[Failure, ...]
    more: bool  # there were more runs with an error than were looked at


def failures() -> Failures:
    """The groups of the newest `LOOKED_AT` runs with an error. Five queries."""
    rows = failed_runs()
    groups = grouped(rows[:LOOKED_AT])
    shown = with_facts(groups[: SHOWN * 2])
    return Failures(
        tuple(each for each in shown if not each.quiet)[:SHOWN],
        tuple(each for each in shown if each.quiet)[:SHOWN],
        len(rows) > LOOKED_AT or len(groups) > len(shown),
    )


def find_failure(wanted: str) -> Failure | None:
    """The group of that fingerprint; None where no kept run has such an error."""
    groups = grouped(failed_runs()[:LOOKED_AT])
    return next((group for group in groups if group.fingerprint == wanted), None)


def failed_runs() -> Sequence[Any]:
    """The newest runs with an error, newest first. Two queries."""
    since = first_since(db.session, utc_now() - WINDOW)
    finished_us = type_coerce(Run.finished_at, BigInteger).label("finished_us")
    status: ColumnElement[int] = Run.status.expression
    if db.engine.dialect.name == "sqlite":  # else it reads all runs, and not the index of errors
        status = literal_column("runs.status + 0", Integer)
    query = (
        select(Run.id, Run.job_id, Run.error, finished_us)
        .where(Run.error.is_not(None), status.in_(FAILED), Run.id >= since)
        .where(Run.kind != Kind.TRIAL)
        .order_by(Run.id.desc())
        .limit(LOOKED_AT + 1)
    )
    rows: Sequence[Any] = db.session.execute(query).all()
    return rows


def grouped(rows: Iterable[Any]) -> list[Failure]:
    """The rows by fingerprint, in the order of each one's newest run. No query."""
    parts: dict[str, list[Any]] = {}
    marks: dict[str, list[Any]] = {}  # by the error's words, which many share
    for row in rows:
        error = row[2]
        part = marks.get(error)
        if part is None:
            part = marks[error] = parts.setdefault(fingerprint(error), [])
        part.append(row)
    now = to_us(utc_now())
    return [failure_of(mark, part, now) for mark, part in parts.items()]


def failure_of(mark: str, rows: Sequence[Any], now: int) -> Failure:
    """One group, from its runs, newest first; `now` in microseconds since the epoch."""
    times = sorted(at for _, _, _, at in rows if at is not None) or [now]
    floors = {word: now - span // MICROSECOND for word, span in SPANS.items()}
    counts = {word: len(times) - bisect_left(times, floor) for word, floor in floors.items()}
    jobs = dict(Counter(job_id for _, job_id, _, _ in rows).most_common())
    newest = rows[0]
    return Failure(
        mark, inert(newest.error), from_us(times[0]), from_us(times[-1]), newest.id, counts, jobs
    )


def with_facts(groups: Sequence[Failure]) -> list[Failure]:
    """The same with names, last good runs and who knows them. Three queries."""
    named = {job for group in groups for job in list(group.jobs)[:JOBS_NAMED]}
    names = names_of(named)
    good = last_good({next(iter(group.jobs)) for group in groups})
    known = acknowledged([group.fingerprint for group in groups])
    return [
        replace(
            group,
            names={job: names[job] for job in list(group.jobs)[:JOBS_NAMED] if job in names},
            good=good.get(next(iter(group.jobs))),
            known=known.get(group.fingerprint),
        )
        for group in groups
    ]


def names_of(job_ids: Collection[int]) -> dict[int, str]:
    """The names of jobs, deleted ones too."""
    query = select(Job.id, Job.name).where(Job.id.in_(job_ids))
    return {row.id: row.name for row in db.session.execute(query)} if job_ids else {}


def last_good(job_ids: Collection[int]) -> dict[int, Good]:
    """The last run of each job that succeeded."""
    if not job_ids:
        return {}
    newest = [
        select(
            select(Run.job_id, Run.id, Run.finished_at)
            .where(Run.job_id == job_id, Run.status == RunStatus.SUCCEEDED)
            .order_by(Run.id.desc())
            .limit(1)
            .subquery()
        )
        for job_id in job_ids
    ]
    rows = db.session.execute(union_all(*newest))
    return {row.job_id: Good(row.id, row.finished_at) for row in rows}


def acknowledged(marks: Sequence[str]) -> dict[str, Known]:
    """Who knows these errors; for who sees some jobs only, as far as it is about those.

    A note is shown to them where it is about none but their jobs, or their own. One more query.
    """
    if not marks:
        return {}
    query = select(Acknowledgement).where(Acknowledgement.fingerprint.in_(marks))
    found = list(db.session.scalars(query))
    named = {job for row in found for job in row.jobs}
    sight = current()
    seen = names_of(named).keys() if sight else named
    return {
        row.fingerprint: Known(
            row.made_at,
            row.made_by,
            row.note if seen >= set(row.jobs) or (sight and sight.name == row.made_by) else "",
            frozenset(seen & set(row.jobs)),
        )
        for row in found
        if not seen.isdisjoint(row.jobs)
    }
