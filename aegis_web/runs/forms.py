"""What people type about runs: the filter's form, as it was typed and as it is understood."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import ClassVar

from werkzeug.datastructures import MultiDict

from aegis_web.errors import Invalid
from aegis_web.language import N_, _
from aegis_web.runs.filters import PERIODS, STATUSES, RunFilter
from aegis_web.runs.log import Place
from aegis_web.runs.log_pages import LogFilter

LARGEST_SEQUENCE = 2**31 - 1
PLACE = re.compile(r"([0-9]{1,10})\.([0-9]{1,7})")
FIND_LIMIT = 200  # characters
LABELS = {
    "q": N_("Search"),
    "status": N_("Status"),
    "kind": N_("Kind"),
    "period": N_("Time"),
    "since": N_("From"),
    "until": N_("Until"),
    "job": N_("Job"),
    "before": N_("Page"),
    "after": N_("Page"),
}
PERIOD_WORDS = {"1h": N_("Last hour"), "24h": N_("Last 24 hours"), "7d": N_("Last 7 days")}
KIND_WORDS = {"scheduled": N_("Scheduled"), "manual": N_("Manual")}


@dataclass(frozen=True)
class FilterForm:
    """The filter's form: what stands in each control, and what is wrong with it."""

    text: str
    statuses: frozenset[str]
    kind: str
    period: str
    since: str  # local time of the viewer, as a browser's control wants it
    until: str
    job: str
    errors: Mapping[str, str]  # by argument
    labels: ClassVar[Mapping[str, str]] = LABELS  # of arguments

    @property
    def has_range(self) -> bool:
        """Whether the control for two instants is to be open."""
        return bool(self.since or self.until)


def read_filter(args: MultiDict[str, str], zone: tzinfo) -> tuple[RunFilter | None, FilterForm]:
    """The filter in a URL's arguments (None: they cannot be understood), and its form."""
    try:
        chosen = RunFilter.from_args(args, zone)
    except Invalid as error:
        return None, form_of(args, args.get("since", ""), args.get("until", ""), error.errors)
    since, until = local(chosen.since, zone), local(chosen.until, zone)
    return chosen, form_of(args, since, until, {})


def form_of(
    args: MultiDict[str, str], since: str, until: str, errors: Mapping[str, str]
) -> FilterForm:
    """The form as it was typed; only what no control can show is left out."""
    return FilterForm(
        text=args.get("q", ""),
        statuses=frozenset(args.getlist("status")) & STATUSES.keys(),
        kind=args.get("kind", ""),
        period=args.get("period", "") if args.get("period", "") in PERIODS else "",
        since=since,
        until=until,
        job=args.get("job", ""),
        errors=errors,
    )


def local(instant: datetime | None, zone: tzinfo) -> str:
    """An instant as `<input type="datetime-local">` wants it."""
    return "" if instant is None else f"{instant.astimezone(zone):%Y-%m-%dT%H:%M}"


def read_log_filter(args: MultiDict[str, str]) -> tuple[LogFilter, str | None]:
    """Which lines of a log a URL asks for, and what is wrong with the text that is searched.

    Raises: Invalid for anything that no form of ours sends.
    """
    find, error = args.get("find", ""), None
    if len(find) > FIND_LIMIT:
        error = _(
            "Search for at most %(limit)s characters, not %(count)s.",
            limit=FIND_LIMIT,
            count=len(find),
        )
        find = ""
    chosen = LogFilter(
        attempt=read_attempt(args.get("attempt", "")),
        find=find if find.strip() else "",
        only="only" in args and bool(find.strip()),
        before=read_place("before", args.get("before", "")),
        after=read_place("after", args.get("after", "")),
    )
    return chosen, error


def read_attempt(text: str) -> int | None:
    """The number of an attempt; None where none is named. Raises: Invalid."""
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0:
        return int(text)
    raise Invalid({"attempt": _("Give the number of an attempt, or leave it out.")})


def read_place(name: str, text: str) -> Place | None:
    """A place in a log such as "12.40"; None where none is named. Raises: Invalid."""
    if not text:
        return None
    found = PLACE.fullmatch(text)
    if found and int(found[1]) <= LARGEST_SEQUENCE:
        return Place(int(found[1]), int(found[2]))
    raise Invalid({name: _("Give a place in the log such as 12.40, or leave it out.")})
