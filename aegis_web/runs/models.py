"""The ledger: one row for each fire time of each job and for each manual request.

`runs` is narrow, because many rows of it move at once; what a run was given, said and returned
lies in `run_details` and `run_logs`. `run_counts` and `job_results` are kept in the transaction
that settles the runs, so that no screen ever counts rows or looks for a job's last result.
"""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model
from aegis_web.language import N_


class RunStatus(IntEnum):
    """What became of a run. Stored as a number; its word is `name.lower()`."""

    QUEUED = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    TIMED_OUT = 4
    CANCELLED = 5
    LOST = 6  # its process died
    SKIPPED = 7  # a policy forbade it
    MISSED = 8  # too late, or nobody was there


BAD = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST, RunStatus.MISSED)
TELLING = (RunStatus.SUCCEEDED, *BAD)  # what says whether a job works


class Kind(IntEnum):
    """Why a run exists."""

    SCHEDULED = 0  # one fire time
    MANUAL = 1  # somebody asked
    SUMMARY = 2  # stands for `range_count` fire times from `range_from` to `fire_at`
    TRIAL = 3  # somebody tried a service function out, without a job


BY_HAND = (Kind.MANUAL, Kind.TRIAL)


class Lane(IntEnum):
    """Which kind of executor a run waits for."""

    THREAD = 0
    LOOP = 1  # the event loop: `async def`
    PROCESS = 2  # a killable process


class Reason(StrEnum):
    """Why a run is skipped, missed, lost or cancelled: the closed list."""

    OVERLAP = "overlap"
    PAUSED = "paused"
    DELETED = "deleted"
    SUPERSEDED = "superseded"
    TOO_LATE = "too_late"
    BACKLOG = "backlog"
    BROKEN = "broken"
    PROCESS_DIED = "process_died"
    SHUTDOWN = "shutdown"
    STOPPED = "stopped"
    BLACKOUT = "blackout"
    SKIPPED_ONCE = "skipped_once"
    QUEUE_FULL = "queue_full"
    REPLACED = "replaced"
    RESTORED = "restored"


REASON_SENTENCES = {
    Reason.OVERLAP: N_("The run before was still going, and this job lets no other start or wait."),
    Reason.PAUSED: N_("The job was paused at this time."),
    Reason.DELETED: N_("The job was deleted before this run could start."),
    Reason.SUPERSEDED: N_("A later fire time was already due; only the latest one is caught up."),
    Reason.TOO_LATE: N_("No process could start it within the grace time."),
    Reason.BACKLOG: N_("Part of a long backlog; one row stands for all these fire times."),
    Reason.BROKEN: N_("The job's function is missing or its arguments no longer fit."),
    Reason.PROCESS_DIED: N_(
        "The process that ran it died; whether it finished its work is unknown."
    ),
    Reason.SHUTDOWN: N_("The process was shut down before the run had ended."),
    Reason.STOPPED: N_("Somebody stopped it."),
    Reason.BLACKOUT: N_("Its blackout calendar forbids runs at this time."),
    Reason.SKIPPED_ONCE: N_("Somebody asked to skip this one fire time."),
    Reason.QUEUE_FULL: N_("Too many runs were waiting already."),
    Reason.REPLACED: N_("The next run of this job took its place."),
    Reason.RESTORED: N_("A backup was restored, and what was due before that does not run."),
}
LOST_TO_A_RESTORE = N_(
    "It was at work when the backup was made that was brought back; what became of it is not known."
)


def sentence_of(status: int, reason: Reason) -> str:
    """Why a run of that status did not end well, in English, to be translated where it is shown."""
    if (status, reason) == (RunStatus.LOST, Reason.RESTORED):
        return LOST_TO_A_RESTORE
    return REASON_SENTENCES[reason]


class Run(Model):
    """The ledger's row for one fire time, or for one manual request."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("job_id", "fire_at"),
        UniqueConstraint("request_key"),
        Index(
            "ix_runs_open",
            "job_id",
            sqlite_where=text("status < 2"),
            postgresql_where=text("status < 2"),
        ),
        Index(
            "ix_runs_running",
            "job_id",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index(
            "ix_runs_stop",
            "node_id",
            sqlite_where=text("status = 1 AND stop_at IS NOT NULL"),
            postgresql_where=text("status = 1 AND stop_at IS NOT NULL"),
        ),
        Index(
            "ix_runs_queued",
            "lane",
            "priority",
            "id",
            sqlite_where=text("status = 0"),
            postgresql_where=text("status = 0"),
        ),
        Index(
            "ix_runs_late",
            "fire_at",
            sqlite_where=text("queued_at - fire_at > 3600000000"),
            postgresql_where=text("queued_at - fire_at > 3600000000"),
        ),  # the few rows written long after their fire time: lists by time look here too
        Index(
            "ix_runs_manual",
            "id",
            sqlite_where=text("kind = 1"),
            postgresql_where=text("kind = 1"),
        ),
        Index(
            "ix_runs_error",
            "id",
            "status",
            "error",
            sqlite_where=text("error IS NOT NULL"),
            postgresql_where=text("error IS NOT NULL"),
        ),  # so that a search in errors reads nothing else
        Index("ix_runs_job_id_id", "job_id", "id"),
        Index("ix_runs_status_id", "status", "id"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    job_id: Mapped[int] = mapped_column(BigKey, ForeignKey("jobs.id"))
    fire_at: Mapped[datetime | None] = mapped_column(Instant)  # None: manual
    kind: Mapped[int] = mapped_column(SmallInteger, default=Kind.SCHEDULED)
    status: Mapped[int] = mapped_column(SmallInteger, default=RunStatus.QUEUED)
    reason: Mapped[str | None]  # a Reason
    lane: Mapped[int] = mapped_column(SmallInteger, default=Lane.THREAD)  # where it executes
    priority: Mapped[int] = mapped_column(SmallInteger, default=1)  # the job's, when it was queued
    attempt: Mapped[int] = mapped_column(SmallInteger, default=1)
    node_id: Mapped[int | None] = mapped_column(BigKey)  # who runs or ran it; no foreign key: kept
    queued_at: Mapped[datetime] = mapped_column(Instant)
    not_before: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    stop_at: Mapped[datetime | None] = mapped_column(Instant)  # when somebody asked it to stop
    requested_by: Mapped[str | None]  # None: the trigger
    request_key: Mapped[str | None]  # makes a repeated request the same request
    error: Mapped[str | None]  # first line, at most 500 characters
    cpu_us: Mapped[int | None] = mapped_column(BigInteger)  # user and system; None: not measured
    peak_kb: Mapped[int | None]  # of resident memory; None: not measured
    exit_code: Mapped[int | None] = mapped_column(SmallInteger)  # of its process; -9: SIGKILL
    range_from: Mapped[datetime | None] = mapped_column(Instant)
    range_count: Mapped[int | None]


class FormerAttempt(Model):
    """An attempt that another one followed. A run's newest attempt stands in `runs`."""

    __tablename__ = "attempts"

    run_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    status: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str | None]
    node_id: Mapped[int | None] = mapped_column(BigKey)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    error: Mapped[str | None]
    traceback: Mapped[str | None]
    cpu_us: Mapped[int | None] = mapped_column(BigInteger)
    peak_kb: Mapped[int | None]
    exit_code: Mapped[int | None] = mapped_column(SmallInteger)


class RunDetails(Model):
    """What a run was given and what came of it, apart from its output. At most one per run."""

    __tablename__ = "run_details"

    run_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    arguments: Mapped[dict[str, Any] | None] = mapped_column(Document)  # None: the job's own
    result: Mapped[str | None]  # JSON text, at most 64 kB
    result_note: Mapped[str | None]  # why the returned value was not kept
    traceback: Mapped[str | None]
    progress_done: Mapped[float | None]
    progress_total: Mapped[float | None]
    progress_message: Mapped[str | None]
    late_status: Mapped[int | None] = mapped_column(SmallInteger)  # how a run called lost ended
    late_at: Mapped[datetime | None] = mapped_column(Instant)
    late_error: Mapped[str | None]


class RunLog(Model):
    """One piece of a run's output: zlib-compressed lines `microseconds TAB level TAB text`."""

    __tablename__ = "run_logs"

    run_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[bytes]
    written_at: Mapped[datetime] = mapped_column(Instant, index=True)


class RunCount(Model):
    """How many runs of a job came to a status in an hour (by the time they were settled)."""

    __tablename__ = "run_counts"

    hour: Mapped[int] = mapped_column(BigKey, primary_key=True)  # hours since the epoch
    job_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    status: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    count: Mapped[int] = mapped_column(default=0)


class JobResult(Model):
    """What the newest run of a job came to that tells whether it works: one of `TELLING`."""

    __tablename__ = "job_results"

    job_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigKey)
    status: Mapped[int] = mapped_column(SmallInteger, index=True)
