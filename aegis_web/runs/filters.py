"""Which runs somebody wants to see: the filter that is in the URL of every list of runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from werkzeug.datastructures import MultiDict

from aegis_web.errors import Invalid
from aegis_web.language import _
from aegis_web.runs.models import Kind, RunStatus

KINDS = {"scheduled": (Kind.SCHEDULED, Kind.SUMMARY), "manual": (Kind.MANUAL,)}
STATUSES = {status.name.lower(): status for status in RunStatus}
PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
LONGEST_TEXT = 200  # characters
LARGEST_KEY = 2**63 - 1
YEARS = range(1970, 9001)  # clear of the ends of the calendar, where no zone can be applied


@dataclass(frozen=True)
class RunFilter:
    """A choice of runs, newest first, and the place in it (`before` or `after` a run)."""

    job_id: int | None = None
    statuses: tuple[RunStatus, ...] = ()  # none: any
    kind: str = ""  # scheduled or manual; "": both
    period: str = ""  # one of PERIODS, up to now; "": `since` and `until` decide
    since: datetime | None = None  # of the fire time, or of the request of a manual run
    until: datetime | None = None  # not included
    text: str = ""  # in the job's name or in the first line of the error
    before: int | None = None  # only runs with a smaller number: the next, older page
    after: int | None = None  # only runs with a larger number: the page before

    @classmethod
    def from_args(cls, args: MultiDict[str, str], zone: tzinfo = UTC) -> "RunFilter":
        """The filter that a URL's arguments describe; times without a zone are in `zone`.

        Raises: Invalid with one message for each wrong argument.
        """
        reading = Reading(args, zone)
        chosen = cls(
            job_id=reading.key("job"),
            statuses=reading.statuses("status"),
            kind=reading.one_of("kind", KINDS),
            period=reading.one_of("period", PERIODS),
            since=reading.instant("since"),
            until=reading.instant("until"),
            text=reading.text("q"),
            before=reading.key("before"),
            after=reading.key("after"),
        )
        reading.finish(chosen.since, chosen.until)
        return chosen

    def to_args(self) -> dict[str, Any]:
        """The arguments for a link to this page of this choice."""
        args: dict[str, Any] = {
            "job": self.job_id,
            "status": [status.name.lower() for status in self.statuses],
            "kind": self.kind,
            "period": self.period,
            "since": iso(self.since),
            "until": iso(self.until),
            "q": self.text,
            "before": self.before,
            "after": self.after,
        }
        return {name: value for name, value in args.items() if value}

    def window(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """From when (included) and until when (not included) the runs are wanted."""
        if self.period:
            return now - PERIODS[self.period], None
        return self.since, self.until

    def first_page(self) -> "RunFilter":
        """The same choice, from its newest run on."""
        return replace(self, before=None, after=None)

    def without_job(self) -> "RunFilter":
        """The same choice over all jobs."""
        return replace(self.first_page(), job_id=None)

    def narrows(self) -> bool:
        """Whether the choice leaves anything out."""
        return bool(self.first_page().to_args())


class Reading:
    """Reads a URL's arguments one by one and collects what is wrong with them."""

    def __init__(self, args: MultiDict[str, str], zone: tzinfo) -> None:
        self.args, self.zone = args, zone
        self.errors: dict[str, str] = {}

    def finish(self, since: datetime | None, until: datetime | None) -> None:
        """Raises: Invalid with one message for each wrong argument, an empty period among them."""
        if since and until and since >= until:
            self.errors["until"] = _("Choose an end that is later than the start.")
        if self.errors:
            raise Invalid(self.errors)

    def key(self, name: str) -> int | None:
        """A run's or a job's number."""
        text = self.args.get(name, "").strip()
        if not text:
            return None
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        if 0 < number <= LARGEST_KEY:
            return number
        self.errors[name] = _("Give a number, as the links on this page do.")
        return None

    def one_of(self, name: str, choices: Mapping[str, Any]) -> str:
        """One of `choices`, or nothing."""
        text = self.args.get(name, "").strip()
        if text and text not in choices:
            self.errors[name] = _("Choose one of: %(values)s.", values=", ".join(choices))
            return ""
        return text

    def statuses(self, name: str) -> tuple[RunStatus, ...]:
        """Any number of status words, in the order of `RunStatus`."""
        words = {word for word in self.args.getlist(name) if word}
        if not words <= STATUSES.keys():
            self.errors[name] = _("Choose any of: %(values)s.", values=", ".join(STATUSES))
        return tuple(status for word, status in STATUSES.items() if word in words)

    def instant(self, name: str) -> datetime | None:
        """A date and time in ISO 8601."""
        text = self.args.get(name, "").strip()
        if not text:
            return None
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            self.errors[name] = _("Give a date and time such as 2026-11-24T09:00.")
            return None
        if given.year not in YEARS:
            self.errors[name] = _(
                "Choose a year from %(first)s to %(last)s.", first=YEARS[0], last=YEARS[-1]
            )
            return None
        given = given if given.tzinfo else given.replace(tzinfo=self.zone)
        return given.astimezone(UTC)

    def text(self, name: str) -> str:
        """A text to look for."""
        text = self.args.get(name, "").strip()
        if len(text) > LONGEST_TEXT:
            self.errors[name] = _("Shorten the text to %(limit)s characters.", limit=LONGEST_TEXT)
        elif "\0" in text:
            self.errors[name] = _("Leave out the NUL character: no name and no error has one.")
        return text


def iso(instant: datetime | None) -> str:
    """An instant for a URL: "2026-11-24T08:00:00Z"."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
