"""The definition of a job: what a person or a declaration decides about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aegis_web.engine.triggers import Trigger
from aegis_web.jobs.models import Backoff, CatchUp, Job, OnLost, Origin, Overlap, Priority
from aegis_web.parameters import mask_sealed

DEFINITION = (
    "name",
    "description",
    "owner",
    "tags",
    "service",
    "arguments",
    "trigger",
    "grace_seconds",
    "overlap",
    "max_running",
    "catch_up",
    "timeout_seconds",
    "jitter_seconds",
    "retries",
    "retry_delay_seconds",
    "retry_backoff",
    "retry_errors",
    "on_lost",
    "group_name",
    "calendar_id",
    "priority",
    "queue_limit",
)  # what a person or a declaration decides about a job; the rest follows


@dataclass(frozen=True)
class NewJob:
    """The definition of a job, ready to be stored. Arguments are sealed."""

    key: str
    name: str
    service: str
    trigger: Trigger
    arguments: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    origin: Origin = Origin.USER
    declaration: Mapping[str, Any] | None = None
    grace_seconds: int | None = None
    overlap: Overlap = Overlap.SKIP
    max_running: int = 1
    catch_up: CatchUp = CatchUp.LATEST
    timeout_seconds: int | None = None
    jitter_seconds: int = 0
    retries: int = 0
    retry_delay_seconds: int = 60
    retry_backoff: Backoff = Backoff.FIXED
    retry_errors: tuple[str, ...] = ()
    on_lost: OnLost = OnLost.MARK
    group_name: str | None = None
    calendar_id: int | None = None
    priority: Priority = Priority.NORMAL
    queue_limit: int | None = None
    paused: bool = False
    first_run_at: datetime | None = None  # set by hand; None: as the trigger says


def definition_of(job: Job) -> dict[str, Any]:
    """What a job says, by column; secrets as they are stored."""
    return {name: getattr(job, name) for name in DEFINITION}


def definition(job: Job) -> dict[str, Any]:
    """What the audit keeps of a job; secrets as bullets."""
    return {**definition_of(job), "arguments": mask_sealed(job.arguments)}
