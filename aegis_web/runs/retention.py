"""What of the ledger is kept, and deleting the rest in small steps.

Each step is one short transaction, so that the engine's turns never wait for long. The rows that
guard the promise stay: nothing at or above a job's cursor goes, nor any open run, nor the last run
and the last failure of a job that is still there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from aegis_web.audit.models import SYSTEM, audit_entry
from aegis_web.clock import EPOCH, utc_now
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.runs.models import (
    FormerAttempt,
    JobResult,
    Run,
    RunCount,
    RunDetails,
    RunLog,
    RunStatus,
)
from aegis_web.runs.search import first_since

BATCH = 500  # rows deleted in one transaction
MEGABYTE = 1_000_000
FAILURES = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)

Tell = Callable[[str, int], bool]  # what was deleted so far; False: do not go on


@dataclass(frozen=True)
class Retention:
    """How much is kept."""

    runs_days: int
    logs_days: int
    logs_mb: int  # megabytes of all logs together, as they are stored


@dataclass(frozen=True)
class Pruned:
    """What was deleted."""

    runs: int
    log_pieces: int
    counts: int


def prune(keep: Retention, tell: Tell = lambda _what, _number: True) -> Pruned:
    """Delete what is no longer kept, oldest first. Needs an application context.

    After each step `tell` hears what was deleted so far, and may end the work early.
    """
    now = utc_now()
    runs_before = now - timedelta(days=keep.runs_days)
    pruned = Pruned(
        runs=all_of("runs", old_runs(runs_before), tell),
        log_pieces=all_of("pieces of logs", old_pieces(now - timedelta(days=keep.logs_days)), tell)
        + all_of("pieces of logs", surplus_pieces(keep.logs_mb * MEGABYTE), tell),
        counts=all_of("hourly counts", old_counts(runs_before), tell),
    )
    if pruned != Pruned(0, 0, 0):
        with transaction() as session:
            after = {"kept": vars(keep), "deleted": vars(pruned)}
            session.add(audit_entry(SYSTEM, "history.prune", "history", None, after))
    return pruned


def all_of(what: str, steps: Iterator[int], tell: Tell) -> int:
    """Take steps until there is nothing left to delete; how many rows that were."""
    total = 0
    for number in steps:
        total += number
        if not tell(what, total):
            break
    return total


# --- runs -------------------------------------------------------------------------------------


def old_runs(before: datetime) -> Iterator[int]:
    """Delete the runs written before an instant, but for those that stay; how many, by step."""
    bound = first_since(db.session, before)
    db.session.rollback()
    last = 0
    while last < bound:
        with transaction() as session:
            ids = list(session.scalars(deletable(last, bound, before).limit(BATCH)))
            delete_runs(session, ids)
        if not ids:
            return
        last = ids[-1]
        yield len(ids)


def deletable(after: int, bound: int, before: datetime) -> Select[int]:
    """The runs numbered between that may go, oldest first."""
    return (
        select(Run.id)
        .join(Job, Job.id == Run.job_id)
        .where(
            Run.id > after,
            Run.id < bound,
            Run.queued_at < before,
            Run.status >= RunStatus.SUCCEEDED,
            or_(Job.deleted_at.is_not(None), and_(below_cursor(), ~last_of_its_kind())),
        )
        .order_by(Run.id)
    )


def below_cursor() -> ColumnElement[bool]:
    """Whether no claim can ever come to this run's fire time again."""
    return or_(Run.fire_at.is_(None), Job.next_run_at.is_(None), Run.fire_at < Job.next_run_at)


def last_of_its_kind() -> ColumnElement[bool]:
    """Whether this is its job's last run, its last failure, or the one that says how it does."""
    newer = aliased(Run)
    follows = exists().where(newer.job_id == Run.job_id, newer.id > Run.id)
    fails_again = follows.where(newer.status.in_(FAILURES))
    tells = exists().where(JobResult.run_id == Run.id, JobResult.job_id == Run.job_id)
    return or_(~follows, tells, and_(Run.status.in_(FAILURES), ~fails_again))


def delete_runs(session: Session, ids: list[int]) -> None:
    """Delete these runs with everything that belongs to them."""
    for owned in (RunDetails.run_id, RunLog.run_id, FormerAttempt.run_id, Run.id):
        session.execute(delete(owned.class_).where(owned.in_(ids)))


# --- logs -------------------------------------------------------------------------------------


def old_pieces(before: datetime) -> Iterator[int]:
    """Delete the log pieces written before an instant; how many, by step."""
    while True:
        with transaction() as session:
            query = settled_pieces().where(RunLog.written_at < before)
            keys = [(row.run_id, row.sequence) for row in session.execute(query.limit(BATCH))]
            delete_pieces(session, keys)
        if not keys:
            return
        yield len(keys)


def surplus_pieces(limit_bytes: int) -> Iterator[int]:
    """Delete the oldest log pieces until all together take `limit_bytes`; how many, by step."""
    surplus = log_bytes() - limit_bytes
    while surplus > 0:
        keys = []
        with transaction() as session:
            for row in session.execute(settled_pieces().limit(BATCH)):
                keys.append((row.run_id, row.sequence))
                surplus -= row.size
                if surplus <= 0:
                    break
            delete_pieces(session, keys)
        if not keys:
            return
        yield len(keys)


def log_bytes() -> int:
    """What all logs take."""
    total = db.session.scalar(select(func.coalesce(func.sum(func.length(RunLog.lines)), 0)))
    db.session.rollback()
    return int(total)


def settled_pieces() -> Select[int, int, int]:
    """The log pieces of runs that have ended, oldest first."""
    still_open = exists().where(Run.id == RunLog.run_id, Run.status < RunStatus.SUCCEEDED)
    return (
        select(RunLog.run_id, RunLog.sequence, func.length(RunLog.lines).label("size"))
        .where(~still_open)
        .order_by(RunLog.written_at, RunLog.run_id, RunLog.sequence)
    )


def delete_pieces(session: Session, keys: list[tuple[int, int]]) -> None:
    """Delete these pieces of logs."""
    if keys:
        session.execute(delete(RunLog).where(tuple_(RunLog.run_id, RunLog.sequence).in_(keys)))


# --- counts -----------------------------------------------------------------------------------


def old_counts(before: datetime) -> Iterator[int]:
    """Delete the hourly counts of before an instant; how many, by step."""
    hour = (before - EPOCH) // timedelta(hours=1)
    key = (RunCount.hour, RunCount.job_id, RunCount.status)
    while True:
        with transaction() as session:
            old = select(*key).where(RunCount.hour < hour).order_by(*key).limit(BATCH)
            keys = [tuple(row) for row in session.execute(old)]
            if keys:
                session.execute(delete(RunCount).where(tuple_(*key).in_(keys)))
        if not keys:
            return
        yield len(keys)
