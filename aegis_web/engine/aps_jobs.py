"""A job as APScheduler's users see it, and what a declaration in code says of it.

Knows no database: `store` keeps and compares what is said here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from types import MappingProxyType
from typing import Any

from apscheduler.job import Job as ApsJob

from aegis_web.engine.new_job import NewJob
from aegis_web.engine.policy_rules import check
from aegis_web.errors import Invalid
from aegis_web.jobs.models import CatchUp
from aegis_web.registry import ServiceFunction

OUR_WORDS = (
    "overlap",
    "catch_up",
    "timeout_seconds",
    "retries",
    "retry_delay_seconds",
    "retry_backoff",
    "retry_errors",
    "on_lost",
    "priority",
    "queue_limit",
)  # policies that `add_job` takes by our names, because APScheduler has none for them
THEIR_WORDS = {
    "grace_seconds": "misfire_grace_time",
    "max_running": "max_instances",
    "jitter_seconds": "jitter",
}


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
    own: Mapping[str, Any] = MappingProxyType({})  # policies given by our names

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


def policies(job: LedgerJob, function: ServiceFunction | None = None) -> dict[str, Any]:
    """Our policies for the options of a declaration; only those that were given.

    What was not given is as the registration of `function` says, if it does.
    """
    given: dict[str, Any] = {}
    if function is not None and function.retries:
        given["retries"] = function.retries
    if hasattr(job, "misfire_grace_time"):
        given["grace_seconds"] = job.misfire_grace_time
    elif function is not None and function.grace_seconds is not None:
        given["grace_seconds"] = function.grace_seconds
    if "grace_seconds" in given:
        late = given["grace_seconds"] is None
        given["catch_up"] = CatchUp.LATEST if late else CatchUp.NONE
    if hasattr(job, "coalesce"):
        given["catch_up"] = given.get("catch_up", CatchUp.LATEST) if job.coalesce else CatchUp.ALL
    if hasattr(job, "max_instances"):
        given["max_running"] = job.max_instances
    if job.jitter_seconds:
        given["jitter_seconds"] = job.jitter_seconds
    return {**given, **job.own}


def checked_policies(job: LedgerJob, function: ServiceFunction) -> dict[str, Any]:
    """`policies`, ready to be stored. Raises: Invalid by the words that `add_job` takes."""
    found = policies(job, function)
    errors = check(found, job.trigger.trigger, function)
    if errors:
        raise Invalid({THEIR_WORDS.get(name, name): text for name, text in errors.items()})
    if "retry_errors" in found:
        found["retry_errors"] = list(found["retry_errors"])
    return found
