"""The facts of a report: what ran, failed, never ran and got slower, and what comes next.

Runs count by the instant at which they were settled. Everything is bounded: the ledger is entered
at one number, found by bisection, and each job's durations are read back to a limit.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from aegis_web.clock import MICROSECOND
from aegis_web.engine.triggers import as_stored
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import Reason, Run, RunStatus, sentence_of
from aegis_web.runs.search import first_since

LONGEST_RUN = timedelta(days=7)  # a run that waited and took longer is not in the report
COMPARED = 200  # runs of a job on each side, at most, whose durations are compared
LEAST_BEFORE = 3  # earlier runs without which nothing is called slower
SLOWER_FACTOR, SLOWER_SECONDS = 1.5, 1.0  # both must be exceeded
FAILED = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)
NEVER_RAN = (RunStatus.SKIPPED, RunStatus.MISSED)
PAUSED_NOW = "The job is paused."

Tell = Callable[[int, int], None]  # jobs looked at, of how many


@dataclass(frozen=True)
class Failure:
    """A job some of whose runs failed, timed out or were lost."""

    job_id: int
    job: str
    counts: Mapping[str, int]  # by status word
    last_run: int
    last_at: datetime
    error: str | None  # of the last one

    @property
    def times(self) -> int:
        """How many runs that are."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Unrun:
    """Fire times of a job at which nothing ran, for one reason."""

    job_id: int
    job: str
    status: str  # "skipped", "missed" or "paused"
    reason: str  # a sentence
    times: int


@dataclass(frozen=True)
class Slowdown:
    """A job that takes longer than before, by the medians of its successful runs."""

    job_id: int
    job: str
    now_seconds: float
    before_seconds: float

    @property
    def factor(self) -> float:
        """How many times as long it takes."""
        return self.now_seconds / max(self.before_seconds, 0.001)


@dataclass(frozen=True)
class Coming:
    """A job that is due."""

    job_id: int
    job: str
    at: datetime  # the first fire time
    times: int


@dataclass(frozen=True)
class Report:
    """What happened from `since` to `now`, and what comes until `until`. Worst or next first."""

    since: datetime
    now: datetime
    until: datetime
    counts: Mapping[str, int]  # runs and fire times by status word
    jobs: int  # how many different ones
    failures: Sequence[Failure]
    unrun: Sequence[Unrun]
    slower: Sequence[Slowdown]
    coming: Sequence[Coming]


def report(session: Session, now: datetime, hours: int, tell: Tell) -> Report:
    """The facts of the `hours` before `now` and after it.

    `tell` is called once in a while and may raise to end it.
    """
    since, until = now - timedelta(hours=hours), now + timedelta(hours=hours)
    settled = settled_runs(session, since)
    counts: Counter[str] = Counter()
    for row in settled:
        counts[word(row.status)] += int(row.times)
    names = job_names(session, {row.job_id for row in settled})
    ran_well = [row.job_id for row in settled if row.status == RunStatus.SUCCEEDED]
    return Report(
        since=since,
        now=now,
        until=until,
        counts=counts,
        jobs=len(names),
        failures=failures(session, settled, names),
        unrun=sorted(
            (*unrun(settled, names), *passed_while_paused(session, since, now)),
            key=lambda one: (-one.times, one.job),
        ),
        slower=slowdowns(session, ran_well, names, since, tell),
        coming=coming(session, now, until),
    )


def word(status: int) -> str:
    """The word of a status."""
    return RunStatus(status).name.lower()


def settled_runs(session: Session, since: datetime) -> Sequence[Any]:
    """What runs came to since then, by job, status and reason. Two queries."""
    query = (
        select(
            Run.job_id,
            Run.status,
            Run.reason,
            func.sum(func.coalesce(Run.range_count, 1)).label("times"),
            func.max(Run.id).label("last_run"),
        )
        .where(Run.id >= first_since(session, since - LONGEST_RUN), Run.finished_at >= since)
        .group_by(Run.job_id, Run.status, Run.reason)
    )
    return session.execute(query).all()


def job_names(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The names of jobs, deleted ones too."""
    return {
        row.id: row.name
        for part in parts(sorted(ids))
        for row in session.execute(select(Job.id, Job.name).where(Job.id.in_(part)))
    }


def parts(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    """The numbers in pieces that fit into one statement."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def failures(session: Session, settled: Sequence[Any], names: Mapping[int, str]) -> list[Failure]:
    """The jobs that failed, those that did so most often first."""
    by_job: dict[int, dict[str, int]] = defaultdict(Counter)
    last: dict[int, int] = {}
    for row in settled:
        if row.status in FAILED:
            by_job[row.job_id][word(row.status)] += int(row.times)
            last[row.job_id] = max(row.last_run, last.get(row.job_id, 0))
    found = {
        row.id: row
        for part in parts(sorted(last.values()))
        for row in session.execute(
            select(Run.id, Run.status, Run.error, Run.reason, Run.finished_at).where(
                Run.id.in_(part)
            )
        )
    }
    listed = [
        Failure(
            job_id,
            names[job_id],
            counts,
            last[job_id],
            found[last[job_id]].finished_at,
            found[last[job_id]].error or sentence(found[last[job_id]]),
        )
        for job_id, counts in by_job.items()
    ]
    return sorted(listed, key=lambda one: (-one.times, one.job))


def sentence(run: Any) -> str:
    """The reason of a row of runs in words."""
    return sentence_of(run.status, Reason(run.reason)) if run.reason else ""


def unrun(settled: Sequence[Any], names: Mapping[int, str]) -> list[Unrun]:
    """The fire times that the ledger says were skipped or missed."""
    return [
        Unrun(row.job_id, names[row.job_id], word(row.status), sentence(row), int(row.times))
        for row in settled
        if row.status in NEVER_RAN
    ]


def passed_while_paused(session: Session, since: datetime, now: datetime) -> list[Unrun]:
    """The fire times that paused jobs have passed by; the ledger gets them when they resume."""
    query = select(Job.id, Job.name, Job.trigger, Job.next_run_at).where(
        Job.state == JobState.PAUSED, Job.deleted_at.is_(None), Job.next_run_at <= now
    )
    found = []
    for job in session.execute(query):
        after = max(job.next_run_at, since) - MICROSECOND
        if times := as_stored(job.trigger).count_between(after, now):
            found.append(Unrun(job.id, job.name, "paused", PAUSED_NOW, times))
    return found


def slowdowns(
    session: Session, job_ids: Sequence[int], names: Mapping[int, str], since: datetime, tell: Tell
) -> list[Slowdown]:
    """The jobs that take clearly longer than before, the worst first. Two queries for each job."""
    found = []
    ids = sorted(set(job_ids))
    for place, job_id in enumerate(ids):
        tell(place, len(ids))
        before = durations(session, job_id, Run.finished_at < since)
        if len(before) < LEAST_BEFORE:
            continue
        slower = Slowdown(
            job_id,
            names[job_id],
            median(durations(session, job_id, Run.finished_at >= since)),
            median(before),
        )
        longer = slower.now_seconds - slower.before_seconds
        if slower.factor > SLOWER_FACTOR and longer > SLOWER_SECONDS:
            found.append(slower)
    return sorted(found, key=lambda one: (-one.factor, one.job))


def durations(session: Session, job_id: int, when: ColumnElement[bool]) -> list[float]:
    """How long the newest successful runs took that ended at such a time, in seconds."""
    query = (
        select(Run.started_at, Run.finished_at)
        .where(Run.job_id == job_id, Run.status == RunStatus.SUCCEEDED, when)
        .order_by(Run.id.desc())
        .limit(COMPARED)
    )
    return [(row.finished_at - row.started_at).total_seconds() for row in session.execute(query)]


def coming(session: Session, now: datetime, until: datetime) -> list[Coming]:
    """The jobs that are due until then, the next first."""
    query = (
        select(Job.id, Job.name, Job.trigger, Job.next_run_at)
        .where(
            Job.state == JobState.ACTIVE,
            Job.next_run_at <= until,
            Job.deleted_at.is_(None),
            Job.problem.is_(None),
        )
        .order_by(Job.next_run_at, Job.name)
    )
    found = []
    for job in session.execute(query):
        later = as_stored(job.trigger).count_between(max(job.next_run_at, now), until)
        found.append(Coming(job.id, job.name, job.next_run_at, 1 + later))
    return found
