"""A job's policies in words: the choices of its form, and the sentences of its page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from aegis_web.engine.decide import BACKLOG_CAP
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.models import Backoff, CatchUp, Job, OnLost, Overlap, Priority
from aegis_web.parameters.durations import duration_words
from aegis_web.registry import ServiceFunction

OVERLAP_WORDS = {
    Overlap.SKIP: "Skip the new run",
    Overlap.QUEUE_ONE: "Let one wait",
    Overlap.QUEUE: "Let all wait",
    Overlap.REPLACE: "Stop the old run",
    Overlap.RUN: "Run both at once",
}
OVERLAP_SENTENCES = {
    Overlap.SKIP: "The new run is skipped.",
    Overlap.QUEUE_ONE: "One new run waits until it has ended; further ones are skipped.",
    Overlap.QUEUE: "New runs wait, one behind the other.",
    Overlap.REPLACE: "The old run is stopped, then the new one starts.",
    Overlap.RUN: "The new run starts beside it.",
}
CATCH_UP_WORDS = {
    CatchUp.LATEST: "Run the latest one",
    CatchUp.ALL: "Run all of them",
    CatchUp.NONE: "Run none of them",
}
CATCH_UP_SENTENCES = {
    CatchUp.LATEST: "The latest one runs, the others are noted as missed.",
    CatchUp.ALL: f"All of them run, at most the newest {BACKLOG_CAP:,}.",
    CatchUp.NONE: "None of them runs; they are noted as missed.",
}
BACKOFF_WORDS = {
    Backoff.FIXED: "The same each time",
    Backoff.EXPONENTIAL: "Twice as long each time",
}
ON_LOST_WORDS = {
    OnLost.MARK: "Mark the run as lost",
    OnLost.RERUN: "Run it again",
}
ON_LOST_SENTENCES = {
    OnLost.MARK: "The run is marked as lost.",
    OnLost.RERUN: "The run is tried again.",
}
PRIORITY_WORDS = {
    Priority.HIGH: "High",
    Priority.NORMAL: "Normal",
    Priority.LOW: "Low",
}
DEFAULT_GRACE = "up to the next fire time, at most 1 hour"
NOT_IDEMPOTENT = (
    "“Run it again” is only for functions that may safely do their work twice. This one does not "
    "say so: register it with idempotent=True."
)


@dataclass(frozen=True)
class Shared:
    """What jobs share, by what jobs name it with."""

    groups: Mapping[str, int] = field(default_factory=dict)  # name: runs at once
    calendars: Mapping[int, str] = field(default_factory=dict)  # number: name


NOTHING_SHARED = Shared()


def seconds_text(seconds: int | None) -> str:
    """Seconds as people type them, "1h 30m"; empty for None."""
    return "" if seconds is None else duration_words(timedelta(seconds=seconds))


def policy_sentences(
    job: Job | Definition, function: ServiceFunction | None, shared: Shared = NOTHING_SHARED
) -> dict[str, str]:
    """All policies of a job as sentences, by what they are about, in the order of the form."""
    limit = function.timeout_seconds if function else None
    timeout = seconds_text(job.timeout_seconds or limit)
    spread = seconds_text(job.jitter_seconds or None)
    return {
        "If it still runs": _overlap(job),
        "Concurrency group": _group(job, shared),
        "Priority": PRIORITY_WORDS[Priority(job.priority)],
        "Waiting runs": _queue(job.queue_limit),
        "If fire times were missed": CATCH_UP_SENTENCES[CatchUp(job.catch_up)],
        "May start late by": seconds_text(job.grace_seconds) or DEFAULT_GRACE,
        "Timeout": f"{timeout} for each attempt" if timeout else "none",
        "If it fails": _retries(job),
        "If its process dies": ON_LOST_SENTENCES[OnLost(job.on_lost)],
        "Blackout calendar": _calendar(job.calendar_id, shared),
        "Spread": f"It starts up to {spread} after the fire time." if spread else "none",
    }


def _overlap(job: Job | Definition) -> str:
    sentence = OVERLAP_SENTENCES[Overlap(job.overlap)]
    if job.overlap == Overlap.RUN or job.max_running == 1:
        return sentence
    return f"Up to {job.max_running} run at once. Beyond that: {sentence[0].lower()}{sentence[1:]}"


def _group(job: Job | Definition, shared: Shared) -> str:
    if job.group_name is None:
        return "none"
    limit = getattr(job, "group_limit", None) or shared.groups.get(job.group_name, 1)
    return f"{job.group_name}: at most {limit} of its runs at once"


def _queue(limit: int | None) -> str:
    if limit is None:
        return "no limit of its own"
    return f"At most {limit:,}; a fire time beyond that is skipped."


def _retries(job: Job | Definition) -> str:
    if not job.retries:
        return "It is not tried again."
    times = "once" if job.retries == 1 else f"up to {job.retries} times"
    wait = f"{seconds_text(job.retry_delay_seconds)} later"
    if job.retry_backoff == Backoff.EXPONENTIAL and job.retries > 1:
        wait = f"{wait}, then twice as long each time"
    which = f"; only after {', '.join(job.retry_errors)}" if job.retry_errors else ""
    return f"It is tried again {times}, {wait}{which}."


def _calendar(number: int | None, shared: Shared) -> str:
    if number is None:
        return "none"
    return f"It does not run in the periods of “{shared.calendars.get(number, number)}”."
