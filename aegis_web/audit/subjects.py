"""What the audit's rows are about, in words, and the page of it where there is one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy import Row, String, cast, false, select, true

from aegis_web.accounts.models import Account
from aegis_web.extensions import db
from aegis_web.feeds.models import Feed
from aegis_web.jobs.models import Calendar, Job
from aegis_web.language import N_, _
from aegis_web.runs.filters import LARGEST_KEY
from aegis_web.runs.models import Run
from aegis_web.tokens.models import Token

THINGS = {
    "account": N_("Account"),
    "backup": N_("Backup"),
    "calendar": N_("Calendar"),
    "everything": N_("Everything"),
    "failure": N_("Error"),
    "feed": N_("Calendar feed"),
    "group": N_("Group"),
    "history": N_("History"),
    "job": N_("Job"),
    "run": N_("Run"),
    "token": N_("Token"),
}
# Of things that have rows: their number, their name, and whether they have a page.
NAMED: dict[str, tuple[Any, Any, Any]] = {
    "account": (Account.id, Account.email, true()),
    "calendar": (Calendar.id, Calendar.name, true()),
    "feed": (Feed.id, Feed.name, false()),
    "job": (Job.id, Job.name, Job.deleted_at.is_(None)),
    "run": (Run.id, cast(Run.id, String), true()),
    "token": (Token.id, Token.name, false()),
}
PAGES = {  # of one thing: the endpoint and what it calls its number
    "account": ("accounts.show", "id"),
    "job": ("jobs.show", "job_id"),
    "run": ("runs.show", "run_id"),
    "calendar": ("calendars.edit", "calendar_id"),
}
LISTS = {
    "backup": "backups.index",
    "failure": "failures.index",
    "feed": "feeds.index",
    "token": "tokens.index",
}


@dataclass(frozen=True)
class Subject:
    """One thing that rows are about."""

    key: str  # "job:17"
    thing: str  # "Job"; the stored word where it is not known
    name: str  # its name, else its number; empty where there is one only
    url: str | None


def subjects_of(keys: Collection[str]) -> dict[str, Subject]:
    """The subjects by their keys. One query for each kind of thing that has rows."""
    own: dict[str, set[int]] = {}
    for kind, _sign, text in (key.partition(":") for key in keys):
        if kind in NAMED and (number := number_of(text)):
            own.setdefault(kind, set()).add(number)
    found = {
        f"{kind}:{row.number}": row for kind, numbers in own.items() for row in rows(kind, numbers)
    }
    return {key: subject(key, found.get(key)) for key in keys}


def rows(kind: str, numbers: set[int]) -> Sequence[Row[Any]]:
    """Number, name and whether there is a page, of things of one kind. One query."""
    key, name, has_page = NAMED[kind]
    columns = (key.label("number"), name.label("name"), has_page.label("has_page"))
    return db.session.execute(select(*columns).where(key.in_(numbers))).all()  # type: ignore[no-any-return]


def subject(key: str, row: Row[Any] | None) -> Subject:
    """One subject; `row` is what is stored of it, if it has a row."""
    kind, _sign, own = key.partition(":")
    url = None
    if kind in LISTS:
        url = url_for(LISTS[kind])
    elif row and row.has_page and kind in PAGES:
        endpoint, argument = PAGES[kind]
        url = url_for(endpoint, **{argument: row.number})
    thing = _(THINGS[kind]) if kind in THINGS else kind
    return Subject(key, thing, row.name if row else own, url)


def number_of(text: str) -> int | None:
    """The number that a text is; None: it is none that a table could have."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return number if 0 < number <= LARGEST_KEY else None
