"""The jobs table: the one truth about what should run when, and APScheduler's job store too."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model


class Origin(StrEnum):
    """Who made a job."""

    CODE = "code"  # declared in code, upserted at start
    USER = "user"  # created by a person
    TRIAL = "trial"  # in no list: stands for a service function that is tried out


class JobState(StrEnum):
    """What a job's trigger is doing."""

    ACTIVE = "active"
    PAUSED = "paused"  # its cursor stands still; resume settles what was passed
    FINISHED = "finished"  # its trigger has ended


class Overlap(StrEnum):
    """What happens to a fire time that comes while the job still runs."""

    SKIP = "skip"
    QUEUE_ONE = "queue_one"  # one may wait; a second one is skipped
    QUEUE = "queue"  # all wait
    REPLACE = "replace"  # what runs is cancelled, then the new one starts
    RUN = "run"


class CatchUp(StrEnum):
    """What happens to fire times that passed while nobody was there."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class Backoff(StrEnum):
    """How the time before the next attempt grows."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"  # doubles with each attempt


class OnLost(StrEnum):
    """What happens to a run whose process died."""

    MARK = "mark"  # it stays lost
    RERUN = "rerun"  # it is tried again; for idempotent functions only


class Priority(IntEnum):
    """Which queued run goes first when there is not room for all."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Group(Model):
    """A concurrency group: jobs that share a limit of runs at once."""

    __tablename__ = "groups"

    name: Mapped[str] = mapped_column(primary_key=True)
    max_running: Mapped[int]


class Calendar(Model):
    """A blackout calendar: named periods in which the jobs that use it do not run."""

    __tablename__ = "calendars"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    zone: Mapped[str]  # IANA name; in which the periods are meant
    periods: Mapped[list[dict[str, str]]] = mapped_column(Document, default=list)
    # each {"name", "from", "until"}: local ISO times to the minute, `until` excluded
    revision: Mapped[int] = mapped_column(default=1)


class Pause(Model):
    """A time during which nothing was claimed: everything was paused. At most one is open."""

    __tablename__ = "pauses"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    from_at: Mapped[datetime] = mapped_column(Instant)
    until_at: Mapped[datetime | None] = mapped_column(Instant)  # None: until somebody resumes
    reason: Mapped[str] = mapped_column(default="")
    paused_by: Mapped[str]
    catch_up: Mapped[str] = mapped_column(default="")  # chosen at the resume; "": as each job says


class Job(Model):
    """A stored request to run one service function with given arguments on a trigger."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "uq_jobs_key_live",
            "key",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_jobs_due",
            "next_run_at",
            sqlite_where=text("next_run_at IS NOT NULL AND state = 'active'"),
            postgresql_where=text("next_run_at IS NOT NULL AND state = 'active'"),
        ),
        Index(
            "ix_jobs_pause_until",
            "pause_until",
            sqlite_where=text("pause_until IS NOT NULL"),
            postgresql_where=text("pause_until IS NOT NULL"),
        ),
        Index("ix_jobs_name", "name"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str]  # APScheduler's job id; free again once the job is deleted
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    owner: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(Document, default=list)
    origin: Mapped[str] = mapped_column(default=Origin.USER)  # an Origin
    declared: Mapped[bool] = mapped_column(default=True)  # a code job the code no longer has: False

    service: Mapped[str]  # a name in the registry
    arguments: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)  # secrets encrypted
    problem: Mapped[str | None]  # why the job is broken, in words; None when it is not

    trigger: Mapped[dict[str, Any]] = mapped_column(Document)  # triggers.Trigger.to_json()
    trigger_kind: Mapped[str]  # cron, fields, interval or date
    zone: Mapped[str]  # IANA name
    state: Mapped[str] = mapped_column(default=JobState.ACTIVE)  # a JobState
    pause_reason: Mapped[str] = mapped_column(default="")
    pause_until: Mapped[datetime | None] = mapped_column(Instant)  # None: until somebody resumes
    next_run_at: Mapped[datetime | None] = mapped_column(Instant)  # the cursor

    grace_seconds: Mapped[int | None]  # None: up to the next fire time, at most one hour
    overlap: Mapped[str] = mapped_column(default=Overlap.SKIP)  # an Overlap
    max_running: Mapped[int] = mapped_column(default=1)  # runs at once, unless overlap is RUN
    catch_up: Mapped[str] = mapped_column(default=CatchUp.LATEST)  # a CatchUp
    timeout_seconds: Mapped[int | None]  # of one attempt; None: no limit
    jitter_seconds: Mapped[int] = mapped_column(default=0)
    retries: Mapped[int] = mapped_column(default=0)  # further attempts after the first
    retry_delay_seconds: Mapped[int] = mapped_column(default=60)
    retry_backoff: Mapped[str] = mapped_column(default=Backoff.FIXED)  # a Backoff
    retry_errors: Mapped[list[str]] = mapped_column(Document, default=list)  # empty: any error
    on_lost: Mapped[str] = mapped_column(default=OnLost.MARK)  # an OnLost
    group_name: Mapped[str | None] = mapped_column(ForeignKey("groups.name"))
    calendar_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("calendars.id"))
    priority: Mapped[int] = mapped_column(SmallInteger, default=Priority.NORMAL)  # a Priority
    queue_limit: Mapped[int | None]  # queued runs of this job; None: only the limit for all

    declaration: Mapped[dict[str, Any] | None] = mapped_column(Document)  # a code job as declared
    revision: Mapped[int] = mapped_column(default=1)  # rises with each edit; stale forms lose
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(Instant)
    updated_by: Mapped[str]
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)


class JobSkip(Model):
    """A fire time to come that is to be skipped. The cursor of its job takes it along."""

    __tablename__ = "job_skips"

    job_id: Mapped[int] = mapped_column(BigKey, ForeignKey("jobs.id"), primary_key=True)
    fire_at: Mapped[datetime] = mapped_column(Instant, primary_key=True, index=True)
    skipped_by: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")


class JobVersion(Model):
    """What a job said from an instant on, until its next version or its end."""

    __tablename__ = "job_versions"

    job_id: Mapped[int] = mapped_column(BigKey, ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # 1, 2, … of the job
    from_at: Mapped[datetime] = mapped_column(Instant)  # its trigger rules what comes after it
    first_at: Mapped[datetime | None] = mapped_column(Instant)  # its first fire time, set by hand
    made_by: Mapped[str]
    note: Mapped[str] = mapped_column(default="")  # why, in the words of who made it
    definition: Mapped[dict[str, Any]] = mapped_column(Document)  # by column; secrets encrypted


class SavedView(Model):
    """A filter of the list of jobs that somebody keeps under a name, for themselves."""

    __tablename__ = "saved_views"

    account_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    args: Mapped[dict[str, str]] = mapped_column(Document)  # filters.JobFilter.to_args()
