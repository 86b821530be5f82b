"""What the pages about jobs show besides stored values: previews, choices, how often to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aegis_web.calendars.queries import calendar_names, forbidden_times
from aegis_web.clock import utc_now
from aegis_web.engine.clockmarks import Mark, clock_marks, coming_change
from aegis_web.engine.decide import BACKLOG_CAP
from aegis_web.engine.triggers import Trigger
from aegis_web.errors import Invalid
from aegis_web.jobs.crowding import Crowd, crowd_at
from aegis_web.jobs.filters import is_number
from aegis_web.jobs.groups import group_limits
from aegis_web.jobs.listing import JobRow
from aegis_web.jobs.models import CatchUp, JobState
from aegis_web.jobs.policy_form import PolicyFields, placeholders
from aegis_web.jobs.policy_words import (
    BACKOFF_WORDS,
    CATCH_UP_WORDS,
    NOT_IDEMPOTENT,
    ON_LOST_WORDS,
    OVERLAP_WORDS,
    PRIORITY_WORDS,
    Shared,
    with_default,
)
from aegis_web.jobs.queries import next_times
from aegis_web.jobs.trigger_form import PRESETS, UNITS, TriggerFields, translated
from aegis_web.language import _, grouped, ngettext
from aegis_web.registry import ServiceFunction
from aegis_web.web.formats import short_clock
from aegis_web.web.zones import viewer_zone, zones

SOON = timedelta(minutes=1)
YEAR = timedelta(days=366)
QUICK, SLOW = 5, 30  # seconds


@dataclass(frozen=True)
class Preview:
    """A typed trigger in words, or what is wrong with it."""

    words: str = ""
    times: tuple[datetime, ...] = ()
    forbidden: Mapping[datetime, str] = field(default_factory=dict)  # by a blackout of that name
    marks: Mapping[datetime, Mark] = field(default_factory=dict)  # by changes of the clock
    coming: str | None = None  # what the next change does that lies beyond `times`
    crowd: Crowd | None = None  # of the first of `times`, where its minute can be moved
    zone: ZoneInfo | None = None
    viewer: ZoneInfo | None = None  # None: the viewer reads times in the same zone
    errors: tuple[str, ...] = ()


def preview_of(
    fields: TriggerFields, stored: Trigger | None, calendar: str, job_id: int | None = None
) -> Preview:
    """What the typed trigger of job `job_id`, or of a new one, would do from now on, with the
    calendar of that number, if any. At most two queries.
    """
    now = utc_now()
    try:
        trigger = fields.read(now, stored)
    except Invalid as invalid:
        return Preview(errors=tuple(invalid.errors.values()))
    viewer = viewer_zone()
    times = tuple(next_times(trigger))
    first, last = (times[0], times[-1]) if times else (None, None)
    movable = first and first.astimezone(trigger.zone).minute == fields.minute
    return Preview(
        words=trigger.words(),
        times=times,
        forbidden=forbidden_times(int(calendar) if is_number(calendar) else None, times),
        marks=clock_marks(trigger, now, times),
        coming=coming_change(trigger, last, now + YEAR) if last else None,
        crowd=crowd_at(first, trigger.zone, job_id) if first and movable else None,
        zone=trigger.zone,
        viewer=None if viewer.key == trigger.zone.key else viewer,
    )


def shared_things() -> Shared:
    """The groups and calendars that there are. Two queries."""
    return Shared(group_limits(), calendar_names())


def form_choices(function: ServiceFunction | None) -> dict[str, Any]:
    """What the form of a job of that service function offers."""
    usual = PolicyFields()
    priorities = {str(priority.value): word for priority, word in PRIORITY_WORDS.items()}
    return {
        "zone_names": zones(),
        "presets": translated(PRESETS),
        "units": translated(UNITS),
        "overlaps": with_default(OVERLAP_WORDS, usual.overlap),
        "catch_ups": with_default(CATCH_UP_WORDS, usual.catch_up),
        "priorities": with_default(priorities, usual.priority),
        "backoffs": with_default(BACKOFF_WORDS, usual.retry_backoff),
        "on_losts": with_default(ON_LOST_WORDS, usual.on_lost),
        "not_idempotent": NOT_IDEMPOTENT if function and not function.idempotent else None,
        "placeholders": placeholders(function),
        "shared": shared_things(),
    }


def catch_up_choice(passed: int) -> list[tuple[str, str]]:
    """What may become of `passed` fire times when a job is resumed."""
    kept = min(passed, BACKLOG_CAP)
    if passed == 1:
        return [(CatchUp.NONE, _("Do not run it")), (CatchUp.LATEST, _("Run it"))]
    if passed == kept:
        everything = _("Run all %(count)s", count=grouped(passed))
    else:
        everything = _("Run the newest %(count)s", count=grouped(kept))
    return [
        (CatchUp.NONE, _("Run none")),
        (CatchUp.LATEST, _("Run the latest")),
        (CatchUp.ALL, everything),
    ]


def dropped_words(dropped: Sequence[datetime]) -> str:
    """Which instants were to be skipped and are no fire times any more; after another sentence."""
    if not dropped:
        return ""
    times = ", ".join(short_clock(instant) for instant in dropped)
    text = ngettext(
        "%(times)s was to be skipped and is no fire time any more.",
        "%(times)s were to be skipped and are none any more.",
        len(dropped),
        times=times,
    )
    return f" {text}"


def list_poll(rows: Sequence[JobRow]) -> int | None:
    """After how many seconds the list should look again where there is no stream.

    None: nothing in it changes by itself.
    """
    soon = utc_now() + SOON
    active = [row for row in rows if row.state == JobState.ACTIVE and row.next_run_at]
    if any(row.busy for row in rows):
        return QUICK
    if any(row.next_run_at and row.next_run_at <= soon for row in active):
        return QUICK
    return SLOW if active else None
