"""The part of the job form that says what happens when things go otherwise than planned."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aegis_web.engine.decide import BACKLOG_CAP
from aegis_web.errors import Invalid
from aegis_web.jobs.definition import LONGEST_SECONDS, seconds_errors
from aegis_web.jobs.models import CatchUp, Job, Overlap
from aegis_web.parameters.durations import duration_words, parse_duration
from aegis_web.registry import ServiceFunction

OVERLAP_WORDS = {
    Overlap.SKIP: "Skip the new run",
    Overlap.QUEUE: "Let the new run wait",
    Overlap.RUN: "Run both at once",
}
CATCH_UP_WORDS = {
    CatchUp.LATEST: "Run the latest one",
    CatchUp.ALL: "Run all of them",
    CatchUp.NONE: "Run none of them",
}
DEFAULT_GRACE = "up to the next fire time, at most 1 hour"
FIELD_LIMIT = 100  # characters


@dataclass(frozen=True)
class PolicyFields:
    """What stands in the fields about policies, as texts."""

    overlap: str = Overlap.SKIP
    catch_up: str = CatchUp.LATEST
    grace: str = ""
    timeout: str = ""

    @classmethod
    def from_form(cls, form: Any) -> "PolicyFields":
        """What was posted; what was not is as in an empty form."""
        names = ("overlap", "catch_up", "grace", "timeout")
        return cls(**{name: form[name].strip()[:FIELD_LIMIT] for name in names if name in form})

    @classmethod
    def from_job(cls, job: Job) -> "PolicyFields":
        """The texts that say a job's policies."""
        return cls(
            job.overlap,
            job.catch_up,
            seconds_text(job.grace_seconds),
            seconds_text(job.timeout_seconds),
        )

    def read(self, function: ServiceFunction | None) -> dict[str, Any]:
        """The policies by their names in a definition. Raises: Invalid by field.

        An empty grace time is what the function asks for, if it does.
        """
        errors: dict[str, str] = {}
        if self.overlap not in list(Overlap):
            errors["overlap"] = "Choose what happens if the job still runs."
        if self.catch_up not in list(CatchUp):
            errors["catch_up"] = "Choose what happens to fire times that were missed."
        grace = _seconds("grace", self.grace, errors)
        timeout = _seconds("timeout", self.timeout, errors)
        if not self.grace and function is not None:
            grace = function.grace_seconds
        errors = {**seconds_errors(grace, timeout), **errors}
        if errors:
            raise Invalid(errors)
        return {
            "overlap": Overlap(self.overlap),
            "catch_up": CatchUp(self.catch_up),
            "grace_seconds": grace,
            "timeout_seconds": timeout,
        }

    @property
    def usual(self) -> bool:
        """Whether all is as in an empty form."""
        return self == PolicyFields()


def seconds_text(seconds: int | None) -> str:
    """Seconds as people type them, "1h 30m"; empty for None."""
    return "" if seconds is None else duration_words(timedelta(seconds=seconds))


def policy_words(job: Job, function: ServiceFunction | None) -> list[tuple[str, str]]:
    """A job's policies as name and sentence, as its page shows them."""
    timeout = job.timeout_seconds or (function.timeout_seconds if function else None)
    grace = DEFAULT_GRACE if job.grace_seconds is None else seconds_text(job.grace_seconds)
    together = OVERLAP_WORDS[Overlap(job.overlap)]
    if job.overlap != Overlap.RUN and job.max_running > 1:
        together = f"{together} once {job.max_running} run at once"
    missed = CATCH_UP_WORDS[CatchUp(job.catch_up)]
    if job.catch_up == CatchUp.ALL:
        missed = f"{missed}, at most {BACKLOG_CAP:,}"
    words = [
        ("If it still runs", together),
        ("If fire times were missed", missed),
        ("Timeout", seconds_text(timeout) or "none"),
    ]
    if job.catch_up == CatchUp.NONE:
        words.insert(2, ("May start late by", grace))
    if job.jitter_seconds:
        words.append(("Spread", f"starts up to {seconds_text(job.jitter_seconds)} later"))
    return words


def _seconds(name: str, typed: str, errors: dict[str, str]) -> int | None:
    """The seconds that `typed` says; a number alone means seconds."""
    if not typed:
        return None
    if re.fullmatch(r"[0-9]{1,9}", typed, re.ASCII):
        return int(typed)
    try:
        duration = parse_duration(typed)
    except ValueError as error:
        errors[name] = f"This {error}."
        return None
    if duration > timedelta(seconds=LONGEST_SECONDS):
        return LONGEST_SECONDS + 1
    if duration % timedelta(seconds=1):
        errors[name] = "Parts of a second are too fine here. Write whole seconds."
        return None
    return int(duration.total_seconds())
