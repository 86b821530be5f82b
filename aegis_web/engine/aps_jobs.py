"""A job as APScheduler's users see it, and what a declaration in code says of it.

Knows no database: `store` keeps and compares what is said here.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Any

from apscheduler.job import Job as ApsJob

from aegis_web.engine.changes import NewJob
from aegis_web.jobs.models import CatchUp


@dataclass(frozen=True)
class Declared:
    """A job as code declares it: what is compared from start to start."""

    job: NewJob
    named: bool  # it came with an id of its own


class LedgerJob(ApsJob):
    """APScheduler's job, with what our declarations need to know besides."""

    anonymous = False  # declared without an id
    unnamed = False  # declared without a name
    declared: Declared
    floating = False  # its trigger took its start from the moment of the declaration
    jitter_seconds = 0

    def _modify(self, **changes: Any) -> None:
        """As APScheduler's; new `args` replace the stored ones of the same places."""
        if "args" in changes and "kwargs" not in changes:
            function: Any = changes.get("func", self.func)
            replaced = list(signature(function).parameters)[: len(changes["args"])]
            kept = {name: value for name, value in self.kwargs.items() if name not in replaced}
            changes["kwargs"] = kept
        super()._modify(**changes)

    @classmethod
    def options(cls, job: ApsJob, was: ApsJob) -> "LedgerJob":
        """A bare job that has just those options in which `job` differs from `was`."""
        changed = cls.__new__(cls)
        for name in ("misfire_grace_time", "coalesce", "max_instances"):
            if getattr(job, name, None) != getattr(was, name, None):
                setattr(changed, name, getattr(job, name))
        return changed


def fixed_part(job: LedgerJob) -> dict[str, Any]:
    """A declared trigger without what each start computes anew."""
    trigger: dict[str, Any] = job.trigger.trigger.to_json()
    if not job.floating:
        return trigger
    return {name: value for name, value in trigger.items() if name not in ("anchor", "at")}


def policies(job: LedgerJob) -> dict[str, Any]:
    """Our policies for the options that APScheduler's users know; only those that were given."""
    given: dict[str, Any] = {}
    if hasattr(job, "misfire_grace_time"):
        given["grace_seconds"] = job.misfire_grace_time
        late = job.misfire_grace_time is None
        given["catch_up"] = CatchUp.LATEST if late else CatchUp.NONE
    if hasattr(job, "coalesce"):
        given["catch_up"] = given.get("catch_up", CatchUp.LATEST) if job.coalesce else CatchUp.ALL
    if hasattr(job, "max_instances"):
        given["max_running"] = job.max_instances
    if job.jitter_seconds:
        given["jitter_seconds"] = job.jitter_seconds
    return given
