"""Which rows of the audit somebody wants to see: the filter that is in the URL."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from werkzeug.datastructures import MultiDict

from aegis_web.runs.filters import Reading, iso


@dataclass(frozen=True)
class AuditFilter:
    """A choice of rows, newest first, and the place in it (`before` or `after` a row)."""

    who: str = ""  # a part of the name of who did it, whatever the case
    thing: str = ""  # the first part of the action, "job"; "": any
    verb: str = ""  # its second part, "pause"; "": any
    subject: str = ""  # the whole of it, "job:17"
    since: datetime | None = None
    until: datetime | None = None  # not included
    text: str = ""  # in the reason, whatever the case
    before: int | None = None  # only rows older than that one: the next page
    after: int | None = None  # only rows newer than that one: the page before

    @classmethod
    def from_args(cls, args: MultiDict[str, str], zone: tzinfo = UTC) -> "AuditFilter":
        """The filter that a URL's arguments describe; times without a zone are in `zone`.

        Raises: Invalid with one message for each wrong argument.
        """
        reading = Reading(args, zone)
        chosen = cls(
            who=reading.text("who"),
            thing=reading.text("thing"),
            verb=reading.text("verb"),
            subject=reading.text("subject"),
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
            "who": self.who,
            "thing": self.thing,
            "verb": self.verb,
            "subject": self.subject,
            "since": iso(self.since),
            "until": iso(self.until),
            "q": self.text,
            "before": self.before,
            "after": self.after,
        }
        return {name: value for name, value in args.items() if value}

    def first_page(self) -> "AuditFilter":
        """The same choice, from its newest row on."""
        return replace(self, before=None, after=None)

    def at(self, before: int | None = None, after: int | None = None) -> "AuditFilter":
        """The same choice at another place."""
        return replace(self, before=before, after=after)

    def narrows(self) -> bool:
        """Whether the choice leaves anything out."""
        return bool(self.first_page().to_args())
