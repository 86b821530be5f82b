"""What becomes of the fire times of one job that are due: the policies, as pure functions.

Knows no database and no clock. A verdict is one row of the ledger.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from aegis_web.engine.triggers import Trigger
from aegis_web.jobs.models import CatchUp, Overlap
from aegis_web.runs.models import Kind, Reason, RunStatus

BACKLOG_CAP = 1000  # fire times of one job that get a row each; older ones share a summary row
LONGEST_GRACE = timedelta(hours=1)  # of a job that has no grace time of its own
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Policy:
    """The rules of one job that decide about a due fire time."""

    grace_seconds: int | None  # None: up to the next fire time, at most LONGEST_GRACE
    overlap: str
    max_running: int
    catch_up: str
    jitter_seconds: int
    queue_limit: int | None  # queued runs of the job; None: only the limit for all
    broken: bool  # its function is missing or its arguments do not fit
    skips: frozenset[datetime] = frozenset()  # the fire times that somebody asked to skip


@dataclass(frozen=True)
class Load:
    """What is open when a fire time is judged."""

    running: int = 0  # of the job
    queued: int = 0  # of the job


class Verdict(NamedTuple):
    """The row that one fire time gets. QUEUED means: it may run."""

    fire_at: datetime
    status: RunStatus
    reason: Reason | None = None
    not_before: datetime | None = None
    kind: Kind = Kind.SCHEDULED
    range_from: datetime | None = None  # of a summary row: its first fire time,
    range_count: int | None = None  # and how many it stands for


@dataclass(frozen=True)
class Due:
    """The fire times of a job from its cursor to now, and where the cursor goes next."""

    newest: tuple[datetime, ...]  # oldest first, at most BACKLOG_CAP
    older_from: datetime | None  # the first fire time that got no place in `newest`
    older_until: datetime | None  # the last such
    older_count: int
    next_run_at: datetime | None  # None: the trigger has ended


def due(trigger: Trigger, cursor: datetime, now: datetime) -> Due:
    """The fire times from `cursor` (itself one, even where a hand set it) to `now`, both included.

    Cheap for one fire time; for a backlog it costs by `BACKLOG_CAP`, not by its length.
    """
    following = trigger.next_after(cursor)
    if following is None or following > now:
        return Due((cursor,), None, None, 0, following)
    newest = trigger.last_between(cursor, now, BACKLOG_CAP)
    older = 1 + trigger.count_between(cursor, now) - len(newest)
    next_run_at = trigger.next_after(newest[-1])
    if older == 1 and len(newest) < BACKLOG_CAP:
        return Due((cursor, *newest), None, None, 0, next_run_at)
    until = trigger.last_between(cursor, newest[0] - TICK, 1) or [cursor]
    return Due(tuple(newest), cursor, until[0], older, next_run_at)


def decide(
    due: Due,
    policy: Policy,
    now: datetime,
    load: Load,
    jitter: float = 0.0,
    room: int = sys.maxsize,
) -> Iterator[Verdict]:
    """One verdict for each fire time in `due`, oldest first.

    `jitter` lies in 0..1; `room` is how many more runs the queue of all jobs takes.
    """
    if policy.queue_limit is not None:
        room = min(room, policy.queue_limit - load.queued)
    open_runs = load.running + load.queued
    latest = next((at for at in reversed(due.newest) if at not in policy.skips), None)
    if due.older_from is not None:
        yield summary(due, Reason.BROKEN if policy.broken else Reason.BACKLOG)
    for fire_at in due.newest:
        verdict = judge(fire_at, fire_at == latest, due, policy, now, open_runs, jitter)
        if verdict.status is RunStatus.QUEUED:
            if room <= 0:
                verdict = Verdict(fire_at, RunStatus.SKIPPED, Reason.QUEUE_FULL)
            else:
                room, open_runs = room - 1, open_runs + 1
        yield verdict


def summary(due: Due, reason: Reason, status: RunStatus = RunStatus.MISSED) -> Verdict:
    """The one row for the fire times that are too many for rows of their own."""
    assert due.older_until is not None
    return Verdict(
        due.older_until,
        status,
        reason,
        kind=Kind.SUMMARY,
        range_from=due.older_from,
        range_count=due.older_count,
    )


def judge(
    fire_at: datetime,
    is_latest: bool,
    due: Due,
    policy: Policy,
    now: datetime,
    open_runs: int,
    jitter: float,
) -> Verdict:
    """The verdict on one fire time; `is_latest`: none after it may run."""
    if policy.broken:
        return Verdict(fire_at, RunStatus.MISSED, Reason.BROKEN)
    if fire_at in policy.skips:
        return Verdict(fire_at, RunStatus.SKIPPED, Reason.SKIPPED_ONCE)
    if not is_latest and policy.catch_up != CatchUp.ALL:
        return Verdict(fire_at, RunStatus.MISSED, Reason.SUPERSEDED)
    in_time = now - fire_at <= grace(fire_at, due.next_run_at, policy)
    if not in_time and policy.catch_up == CatchUp.NONE:
        return Verdict(fire_at, RunStatus.MISSED, Reason.TOO_LATE)
    catching_up = policy.catch_up == CatchUp.ALL and len(due.newest) > 1
    if open_runs >= most_open(policy) and not catching_up:
        return Verdict(fire_at, RunStatus.SKIPPED, Reason.OVERLAP)
    not_before = None
    if policy.jitter_seconds:
        not_before = fire_at + timedelta(seconds=policy.jitter_seconds * jitter)
    return Verdict(fire_at, RunStatus.QUEUED, not_before=not_before)


def most_open(policy: Policy) -> int:
    """How many runs of the job may be open before its overlap policy skips the next one."""
    if policy.overlap == Overlap.SKIP:
        return policy.max_running
    if policy.overlap == Overlap.QUEUE_ONE:
        return policy.max_running + 1
    return sys.maxsize


def grace(fire_at: datetime, next_run_at: datetime | None, policy: Policy) -> timedelta:
    """How late a run for `fire_at` may still start."""
    if policy.grace_seconds is not None:
        return timedelta(seconds=policy.grace_seconds)
    if next_run_at is None:
        return LONGEST_GRACE
    return min(LONGEST_GRACE, next_run_at - fire_at)
