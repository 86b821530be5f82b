"""What is to be expected of a job's next fire time, as sentences made from its settings."""

from collections.abc import Container, Sequence
from datetime import datetime, timedelta

from aegis_web.engine.decide import LONGEST_GRACE
from aegis_web.jobs.models import Backoff, CatchUp, Job, Overlap
from aegis_web.jobs.policy_words import seconds_text
from aegis_web.language import _, ngettext
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
        return [_("All of these are skipped.")]
    found = []
    if first != fires[0]:
        found.append(_("The first of them that runs is %(time)s.", time=short_clock(first)))
    fires = fires[fires.index(first) :]
    timeout = job.timeout_seconds or (function.timeout_seconds if function else None)
    found += [overlapping(job), lateness(job, fires)]
    if job.jitter_seconds:
        spread = seconds_text(job.jitter_seconds)
        found.append(_("It starts up to %(time)s after its fire time.", time=spread))
    if timeout:
        found.append(_("It is stopped after %(time)s.", time=seconds_text(timeout)))
    if job.retries:
        found.append(retried(job))
    return found


def overlapping(job: Job) -> str:
    """What happens where the run before still goes."""
    most = job.max_running
    match Overlap(job.overlap):
        case Overlap.SKIP:
            return ngettext(
                "If the run before still goes then, this one is skipped.",
                "If %(num)s of its runs still go then, this one is skipped.",
                most,
            )
        case Overlap.QUEUE_ONE:
            return ngettext(
                "If the run before still goes then, this one waits, unless one waits already.",
                "If %(num)s of its runs still go then, this one waits, unless one waits already.",
                most,
            )
        case Overlap.QUEUE:
            return ngettext(
                "If the run before still goes then, this one waits.",
                "If %(num)s of its runs still go then, this one waits.",
                most,
            )
        case Overlap.REPLACE:
            return _("A run that still goes then is stopped first.")
        case Overlap.RUN:
            return _("It runs whether or not the run before still goes.")


def lateness(job: Job, fires: Sequence[datetime]) -> str:
    """What happens where nothing can run it in time."""
    if job.catch_up == CatchUp.LATEST and len(fires) > 1:
        return _(
            "If nothing can run it then, it runs as soon as something can, "
            "unless a later fire time has come by then."
        )
    if job.catch_up != CatchUp.NONE:
        return _("If nothing can run it then, it runs as soon as something can.")
    if job.grace_seconds is not None:
        grace = timedelta(seconds=job.grace_seconds)
    else:
        grace = min(LONGEST_GRACE, fires[1] - fires[0]) if len(fires) > 1 else LONGEST_GRACE
    end = fires[0] + grace
    if end.second:
        late = seconds_text(int(grace.total_seconds()))
        return _("It may start up to %(time)s late; later it is missed.", time=late)
    return _("It may start late until %(time)s; later it is missed.", time=short_clock(end))


def retried(job: Job) -> str:
    """What happens where it fails, of a job that is tried again."""
    times, wait = job.retries, seconds_text(job.retry_delay_seconds)
    only = ""
    if job.retry_errors:
        only = _("; only after %(errors)s", errors=", ".join(job.retry_errors))
    if job.retry_backoff == Backoff.EXPONENTIAL and times > 1:
        return _(
            "If it fails, it is tried again up to %(num)s times, %(time)s later, "
            "then twice as long each time%(only)s.",
            num=times,
            time=wait,
            only=only,
        )
    return ngettext(
        "If it fails, it is tried again once, %(time)s later%(only)s.",
        "If it fails, it is tried again up to %(num)s times, %(time)s later%(only)s.",
        times,
        time=wait,
        only=only,
    )
