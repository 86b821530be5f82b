"""What is to be expected of a job's next fire time, as sentences made from its settings."""

from collections.abc import Container, Sequence
from datetime import datetime, timedelta

from aegis_web.engine.decide import LONGEST_GRACE
from aegis_web.jobs.models import CatchUp, Job, Overlap
from aegis_web.jobs.policy_words import policy_sentences, seconds_text
from aegis_web.registry import ServiceFunction
from aegis_web.web.formats import short_clock


def outlook(
    job: Job,
    function: ServiceFunction | None,
    fires: Sequence[datetime],
    skipped: Container[datetime] = (),
) -> list[str]:
    """What may keep the first of `fires` that is not `skipped` from running, and what happens then.

    No query.
    """
    if not fires:
        return []
    first = next((at for at in fires if at not in skipped), None)
    if first is None:
        return ["All of these are skipped."]
    begin = [] if first == fires[0] else [f"The first of them that runs is {short_clock(first)}."]
    fires = fires[fires.index(first) :]
    timeout = job.timeout_seconds or (function.timeout_seconds if function else None)
    found = [*begin, overlapping(job), lateness(job, fires)]
    if job.jitter_seconds:
        found.append(f"It starts up to {seconds_text(job.jitter_seconds)} after its fire time.")
    if timeout:
        found.append(f"It is stopped after {seconds_text(timeout)}.")
    if job.retries:
        again = policy_sentences(job, function)["If it fails"]
        found.append(f"If it fails, {again[0].lower()}{again[1:]}")
    return found


def overlapping(job: Job) -> str:
    """What happens where the run before still goes."""
    goes = "If the run before still goes then"
    if job.max_running > 1:
        goes = f"If {job.max_running} of its runs still go then"
    return {
        Overlap.SKIP: f"{goes}, this one is skipped.",
        Overlap.QUEUE_ONE: f"{goes}, this one waits, unless one waits already.",
        Overlap.QUEUE: f"{goes}, this one waits.",
        Overlap.REPLACE: "A run that still goes then is stopped first.",
        Overlap.RUN: "It runs whether or not the run before still goes.",
    }[Overlap(job.overlap)]


def lateness(job: Job, fires: Sequence[datetime]) -> str:
    """What happens where nothing can run it in time."""
    if job.catch_up != CatchUp.NONE:
        text = "If nothing can run it then, it runs as soon as something can"
        unless = ", unless a later fire time has come by then" if len(fires) > 1 else ""
        return f"{text}{unless if job.catch_up == CatchUp.LATEST else ''}."
    if job.grace_seconds is not None:
        grace = timedelta(seconds=job.grace_seconds)
    else:
        grace = min(LONGEST_GRACE, fires[1] - fires[0]) if len(fires) > 1 else LONGEST_GRACE
    end = fires[0] + grace
    if end.second:
        late = seconds_text(int(grace.total_seconds()))
        return f"It may start up to {late} late; later it is missed."
    return f"It may start late until {short_clock(end)}; later it is missed."
