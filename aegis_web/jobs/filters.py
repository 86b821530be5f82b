"""Which jobs a list shows and in which order: a value that URLs carry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aegis_web.jobs.models import JobState, Origin

TEXT_LIMIT = 200  # characters of a search
KINDS = ("cron", "fields", "interval", "date")
ORDERS = ("attention", "name", "due")
SORT_KEYS = {"attention": 2, "due": 1}  # numbers in a cursor, besides the job's own
BIGGEST = 2**63 - 1  # what a database's integer holds


@dataclass(frozen=True)
class Cursor:
    """A place in the list: the sort key of the job there, and its number."""

    values: tuple[int | str, ...]
    job_id: int

    def text(self) -> str:
        """The cursor as it stands in a URL."""
        return "~".join(str(part) for part in (self.job_id, *self.values))


@dataclass(frozen=True)
class JobFilter:
    """Which jobs, in which order, and from which place on. Empty: all."""

    text: str = ""  # part of a name, key, description, owner, service or tag
    state: str = ""  # a JobState
    tag: str = ""
    kind: str = ""  # of the trigger
    service: str = ""  # a name in the registry
    origin: str = ""  # an Origin
    owner: str = ""
    broken: bool = False
    failed: bool = False  # its last run failed, timed out, was lost or was missed
    order: str = "attention"  # broken, then failed, then by next fire time; "name"; "due"
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> "JobFilter":
        """The filter in a URL's query; what is unknown in it is left out."""
        state = args.get("state", "")
        order = args.get("order", "")
        order = order if order in ORDERS else ORDERS[0]
        return cls(
            text=printable(args.get("q", "")),
            state=state if state in list(JobState) else "",
            tag=printable(args.get("tag", "")),
            kind=args.get("kind", "") if args.get("kind") in KINDS else "",
            service=printable(args.get("service", "")),
            origin=args.get("origin", "") if args.get("origin") in list(Origin) else "",
            owner=printable(args.get("owner", "")),
            broken=state == "broken",
            failed=state == "failed",
            order=order,
            after=read_cursor(args.get("after", ""), order),
            before=read_cursor(args.get("before", ""), order),
        )

    def to_args(self) -> dict[str, Any]:
        """The query of a URL that leads to this list; only what differs from the whole list."""
        args = {
            "q": self.text,
            "state": "broken" if self.broken else "failed" if self.failed else self.state,
            "tag": self.tag,
            "kind": self.kind,
            "service": self.service,
            "origin": self.origin,
            "owner": self.owner,
            "order": self.order if self.order != ORDERS[0] else "",
            "after": self.after.text() if self.after else "",
            "before": self.before.text() if self.before else "",
        }
        return {name: value for name, value in args.items() if value}

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out, apart from other pages."""
        return bool(replace(self, order=ORDERS[0]).first_page().to_args())

    def first_page(self) -> "JobFilter":
        """The same list from its beginning."""
        return replace(self, after=None, before=None)

    def ordered(self, order: str) -> "JobFilter":
        """The same jobs from the beginning in another order, one of `ORDERS`."""
        return replace(self.first_page(), order=order)


def read_cursor(text: str, order: str) -> Cursor | None:
    """The cursor that `text` says; None where it says none."""
    number, _, rest = text[: TEXT_LIMIT * 2].partition("~")
    values: tuple[int | str, ...]
    if order == "name":
        values = (printable(rest),)
    else:
        parts = rest.split("~")
        if len(parts) != SORT_KEYS[order] or not all(map(is_number, parts)):
            return None
        values = tuple(map(int, parts))
    return Cursor(values, int(number)) if is_number(number) and rest else None


def is_number(text: str) -> bool:
    """Whether `text` is a whole number that a database can hold."""
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= BIGGEST


def printable(text: str) -> str:
    """`text` without what no database takes, and not longer than anybody types."""
    return text.replace("\0", "").strip()[:TEXT_LIMIT]
