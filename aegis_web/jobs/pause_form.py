"""The form of a pause, of one job or of everything: why, and until when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aegis_web.errors import Invalid
from aegis_web.jobs.definition import text_error
from aegis_web.jobs.trigger_form import local_instant
from aegis_web.language import N_, _

REASON_LIMIT = 500  # characters
OPEN, AT = "", "at"
LASTING_WORDS = {
    OPEN: N_("Until resumed"),
    "1h": N_("1 hour"),
    "4h": N_("4 hours"),
    "1d": N_("1 day"),
    "7d": N_("7 days"),
    AT: N_("Until a time"),
}
LASTING = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}


@dataclass(frozen=True)
class PauseForm:
    """What stands in the form, and what it says."""

    reason: str = ""
    lasting: str = OPEN  # one of LASTING_WORDS
    until: str = ""  # local time of the viewer
    errors: Mapping[str, str] = field(default_factory=dict)
    until_at: datetime | None = None  # None: until somebody resumes


def read_pause(form: Any, now: datetime, zone: ZoneInfo) -> PauseForm:
    """The posted form as it is understood, or with what is wrong in it."""
    reason = form.get("reason", "").strip()[: REASON_LIMIT * 10]
    lasting = form.get("lasting", OPEN)
    until = form.get("until", "").strip()[:100]
    errors, until_at = {}, None
    if text := text_error(_("The reason"), reason, REASON_LIMIT):
        errors["reason"] = text
    if lasting not in LASTING_WORDS:
        errors["lasting"] = _("Choose how long it is to be paused.")
    elif lasting == AT:
        until_at = read_until(until, now, zone, errors)
    elif lasting != OPEN:
        until_at = now + LASTING[lasting]
    return PauseForm(reason, lasting, until, errors, until_at)


def read_until(
    typed: str, now: datetime, zone: ZoneInfo, errors: dict[str, str]
) -> datetime | None:
    """The instant until which it is paused."""
    if not typed:
        errors["until"] = _("Choose the date and the time at which it goes on.")
        return None
    try:
        until = local_instant("until", typed, zone)
    except Invalid as invalid:
        errors.update(invalid.errors)
        return None
    if until <= now:
        errors["until"] = _("This time has passed. Choose a later one.")
    return until
