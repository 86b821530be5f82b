"""A job's policies in words: the choices of its form, and the sentences of its page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aegis_web.engine.decide import BACKLOG_CAP
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.models import Backoff, CatchUp, Job, OnLost, Overlap, Priority
from aegis_web.language import N_, _, grouped, ngettext, pgettext
from aegis_web.parameters.durations import duration_words
from aegis_web.registry import ServiceFunction

OVERLAP_WORDS = {
    Overlap.SKIP: N_("Skip the new run"),
    Overlap.QUEUE_ONE: N_("Let one wait"),
    Overlap.QUEUE: N_("Let all wait"),
    Overlap.REPLACE: N_("Stop the old run"),
    Overlap.RUN: N_("Run both at once"),
}
OVERLAP_SENTENCES = {
    Overlap.SKIP: N_("The new run is skipped."),
    Overlap.QUEUE_ONE: N_("One new run waits until it has ended; further ones are skipped."),
    Overlap.QUEUE: N_("New runs wait, one behind the other."),
    Overlap.REPLACE: N_("The old run is stopped, then the new one starts."),
    Overlap.RUN: N_("The new run starts beside it."),
}
SEVERAL_SENTENCES = {  # of a job that may run several times at once
    Overlap.SKIP: N_("Up to %(number)s run at once. Beyond that: the new run is skipped."),
    Overlap.QUEUE_ONE: N_(
        "Up to %(number)s run at once. Beyond that: one new run waits until it has ended; further "
        "ones are skipped."
    ),
    Overlap.QUEUE: N_(
        "Up to %(number)s run at once. Beyond that: new runs wait, one behind the other."
    ),
    Overlap.REPLACE: N_(
        "Up to %(number)s run at once. Beyond that: the old run is stopped, then the new one "
        "starts."
    ),
}
CATCH_UP_WORDS = {
    CatchUp.LATEST: N_("Run the latest one"),
    CatchUp.ALL: N_("Run all of them"),
    CatchUp.NONE: N_("Run none of them"),
}
CATCH_UP_SENTENCES = {
    CatchUp.LATEST: N_("The latest one runs, the others are noted as missed."),
    CatchUp.ALL: N_("All of them run, at most the newest %(most)s."),
    CatchUp.NONE: N_("None of them runs; they are noted as missed."),
}
BACKOFF_WORDS = {
    Backoff.FIXED: N_("The same each time"),
    Backoff.EXPONENTIAL: N_("Twice as long each time"),
}
ON_LOST_WORDS = {
    OnLost.MARK: N_("Mark the run as lost"),
    OnLost.RERUN: N_("Run it again"),
}
ON_LOST_SENTENCES = {
    OnLost.MARK: N_("The run is marked as lost."),
    OnLost.RERUN: N_("The run is tried again."),
}
PRIORITY_WORDS = {
    Priority.HIGH: N_("High"),
    Priority.NORMAL: N_("Normal"),
    Priority.LOW: N_("Low"),
}
DEFAULT_GRACE = N_("up to the next fire time, at most 1 hour")
NO_QUEUE_LIMIT = N_("no limit of its own")
SPREAD_SENTENCE = N_("It starts up to %(time)s after the fire time.")
NOT_IDEMPOTENT = N_(
    "“Run it again” is only for functions that may safely do their work twice. This one does not "
    "say so: register it with idempotent=True."
)


@dataclass(frozen=True)
class Shared:
    """What jobs share, by what jobs name it with."""

    groups: Mapping[str, int] = field(default_factory=dict)  # name: runs at once
    calendars: Mapping[int, str] = field(default_factory=dict)  # number: name


NOTHING_SHARED = Shared()


@dataclass(frozen=True)
class Policy:
    """One policy of a job, as people read it."""

    name: str  # of its field in the form
    label: str
    text: str
    empty: bool = False  # there is none


def seconds_text(seconds: int | None) -> str:
    """Seconds as people type them, "1h 30m"; empty for None."""
    return "" if seconds is None else duration_words(timedelta(seconds=seconds))


def none_word() -> str:
    """What stands for a policy that is not there."""
    return pgettext("policy", "none")


def with_default(words: Mapping[Any, str], usual: str) -> dict[str, str]:
    """Choices by what is posted, the one of a new job marked."""
    return {
        str(value): _("%(choice)s (default)", choice=_(word)) if value == usual else _(word)
        for value, word in words.items()
    }


def policy_sentences(
    job: Job | Definition, function: ServiceFunction | None, shared: Shared = NOTHING_SHARED
) -> dict[str, str]:
    """All policies of a job as sentences, by what they are about, in the order of the form."""
    return {policy.label: policy.text for policy in policies_of(job, function, shared)}


def policies_of(
    job: Job | Definition, function: ServiceFunction | None, shared: Shared = NOTHING_SHARED
) -> list[Policy]:
    """All policies of a job, in the order of the form."""
    limit = function.timeout_seconds if function else None
    timeout = seconds_text(job.timeout_seconds or limit)
    grace, spread = seconds_text(job.grace_seconds), seconds_text(job.jitter_seconds or None)
    catch_up = _(CATCH_UP_SENTENCES[CatchUp(job.catch_up)], most=grouped(BACKLOG_CAP))
    return [
        Policy("overlap", _("If it still runs"), _overlap(job)),
        _or_none("group", _("Concurrency group"), _group(job, shared)),
        Policy("priority", _("Priority"), _(PRIORITY_WORDS[Priority(job.priority)])),
        Policy("queue_limit", _("Waiting runs"), _queue(job.queue_limit)),
        Policy("catch_up", _("If fire times were missed"), catch_up),
        Policy("grace", _("May start late by"), grace or _(DEFAULT_GRACE)),
        _or_none("timeout", _("Timeout"), timeout and _("%(time)s for each attempt", time=timeout)),
        Policy("retries", _("If it fails"), _retries(job)),
        Policy("on_lost", _("If its process dies"), _(ON_LOST_SENTENCES[OnLost(job.on_lost)])),
        _or_none("calendar", _("Blackout calendar"), _calendar(job.calendar_id, shared)),
        _or_none("jitter", _("Spread"), spread and _(SPREAD_SENTENCE, time=spread)),
    ]


def _or_none(name: str, label: str, text: str) -> Policy:
    return Policy(name, label, text or none_word(), empty=not text)


def _overlap(job: Job | Definition) -> str:
    overlap = Overlap(job.overlap)
    if overlap == Overlap.RUN or job.max_running == 1:
        return _(OVERLAP_SENTENCES[overlap])
    return _(SEVERAL_SENTENCES[overlap], number=job.max_running)


def _group(job: Job | Definition, shared: Shared) -> str:
    if job.group_name is None:
        return ""
    limit = getattr(job, "group_limit", None) or shared.groups.get(job.group_name, 1)
    return _("%(group)s: at most %(limit)s of its runs at once", group=job.group_name, limit=limit)


def _queue(limit: int | None) -> str:
    if limit is None:
        return _(NO_QUEUE_LIMIT)
    return _("At most %(limit)s; a fire time beyond that is skipped.", limit=grouped(limit))


def _retries(job: Job | Definition) -> str:
    if not job.retries:
        return _("It is not tried again.")
    time, only = seconds_text(job.retry_delay_seconds), ""
    if job.retry_errors:
        only = _("; only after %(errors)s", errors=", ".join(job.retry_errors))
    if job.retry_backoff == Backoff.EXPONENTIAL and job.retries > 1:
        return _(
            "It is tried again up to %(num)s times, %(time)s later, "
            "then twice as long each time%(only)s.",
            num=job.retries,
            time=time,
            only=only,
        )
    return ngettext(
        "It is tried again once, %(time)s later%(only)s.",
        "It is tried again up to %(num)s times, %(time)s later%(only)s.",
        job.retries,
        time=time,
        only=only,
    )


def _calendar(number: int | None, shared: Shared) -> str:
    if number is None:
        return ""
    name = shared.calendars.get(number, number)
    return _("It does not run in the periods of “%(name)s”.", name=name)
