"""The jobs table: the one truth about what should run when, and APScheduler's job store too."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model


class Origin(StrEnum):
    """Who made a job."""

    CODE = "code"  # declared in code, upserted at start
    USER = "user"  # created by a person


class JobState(StrEnum):
    """What a job's trigger is doing."""

    ACTIVE = "active"
    PAUSED = "paused"  # its cursor stands still; resume settles what was passed
    FINISHED = "finished"  # its trigger has ended


class Overlap(StrEnum):
    """What happens to a fire time that comes while the job still runs."""

    SKIP = "skip"
    QUEUE = "queue"
    RUN = "run"


class CatchUp(StrEnum):
    """What happens to fire times that passed while nobody was there."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


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
    next_run_at: Mapped[datetime | None] = mapped_column(Instant)  # the cursor

    grace_seconds: Mapped[int | None]  # None: up to the next fire time, at most one hour
    overlap: Mapped[str] = mapped_column(default=Overlap.SKIP)  # an Overlap
    max_running: Mapped[int] = mapped_column(default=1)  # runs at once, unless overlap is RUN
    catch_up: Mapped[str] = mapped_column(default=CatchUp.LATEST)  # a CatchUp
    timeout_seconds: Mapped[int | None]  # of one attempt; None: no limit
    jitter_seconds: Mapped[int] = mapped_column(default=0)

    declaration: Mapped[dict[str, Any] | None] = mapped_column(Document)  # a code job as declared
    revision: Mapped[int] = mapped_column(default=1)  # rises with each edit; stale forms lose
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(Instant)
    updated_by: Mapped[str]
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)
