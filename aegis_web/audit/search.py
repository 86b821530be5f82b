"""Finding the rows of a filter fast in an audit of millions: each way in is a range of one index.

Rows are listed by their instant, then by their number: numbers alone follow the order in which
transactions began to write, not that of what was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from aegis_web.audit.filters import AuditFilter
from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import db

PAGE_SIZE = 30
MOST_KNOWN = 1_000  # names of actors, or actions, that are looked through
MOST_BRANCHES = 12  # ranges of an index that are looked at one by one

COLUMNS = {"actor": AuditEntry.actor, "action": AuditEntry.action}

Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True)
class AuditPage:
    """Some rows, newest first, and the pages beside them."""

    rows: Sequence[AuditEntry]
    newer: AuditFilter | None
    older: AuditFilter | None


def list_entries(chosen: AuditFilter, size: int = PAGE_SIZE) -> AuditPage:
    """The page of rows that `chosen` describes, newest first. At most five queries."""
    ids = page_of_ids(chosen, size + 1)
    more, ids = len(ids) > size, ids[:size]
    if chosen.after is not None:
        if not ids:  # nothing is newer any more
            return list_entries(chosen.first_page(), size)
        ids = ids[::-1]
    newer = ids and (more if chosen.after is not None else chosen.before is not None)
    older = ids and (more or chosen.after is not None)
    return AuditPage(
        entries(ids),
        chosen.at(after=ids[0]) if newer else None,
        chosen.at(before=ids[-1]) if older else None,
    )


def entries(ids: Sequence[int]) -> list[AuditEntry]:
    """The rows of these numbers, in the same order. One query."""
    found = db.session.scalars(select(AuditEntry).where(AuditEntry.id.in_(ids))) if ids else ()
    by_id = {entry.id: entry for entry in found}
    return [by_id[number] for number in ids]


def page_of_ids(chosen: AuditFilter, limit: int) -> list[int]:
    """At most `limit` rows of `chosen` from its place on, nearest to that place first."""
    branches = branches_of(chosen)
    where = [*place(chosen), *window(chosen), *said(chosen)]
    up = chosen.after is not None
    parts = [nearest([*branch, *where], up, limit) for branch in branches]
    if not parts:
        return []
    if len(parts) == 1:
        found = parts[0].subquery()
    else:
        found = union_all(*(select(part.subquery()) for part in parts)).subquery()
    order = (found.c.at, found.c.id) if up else (found.c.at.desc(), found.c.id.desc())
    return list(db.session.scalars(select(found.c.id).order_by(*order).limit(limit)))


def nearest(conditions: Conditions, up: bool, limit: int) -> Select[int, datetime]:
    """The `limit` nearest rows that meet `conditions`."""
    order = (AuditEntry.at, AuditEntry.id)
    query = select(AuditEntry.id, AuditEntry.at).where(*conditions).limit(limit)
    return query.order_by(*order) if up else query.order_by(*(key.desc() for key in order))


def place(chosen: AuditFilter) -> Conditions:
    """Where in the list the page begins. One query by key, or none."""
    number = chosen.before or chosen.after
    if number is None:
        return []
    near = select(AuditEntry.at, AuditEntry.id).where(AuditEntry.id <= number)
    found = db.session.execute(near.order_by(AuditEntry.id.desc()).limit(1)).one_or_none()
    if found is None:  # no row is that old
        return [literal(chosen.after is not None)]
    here = tuple_(AuditEntry.at, AuditEntry.id)
    there = tuple_(literal(found.at, AuditEntry.at.type), literal(found.id))
    if chosen.after is not None:
        return [here > there]
    return [here < there if found.id == number else here <= there]


def window(chosen: AuditFilter) -> Conditions:
    """The time range."""
    conditions: Conditions = []
    if chosen.since is not None:
        conditions.append(AuditEntry.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(AuditEntry.at < chosen.until)
    return conditions


def said(chosen: AuditFilter) -> Conditions:
    """What a person typed; by the index that has all reasons."""
    if not chosen.text:
        return []
    reason = AuditEntry.reason
    return [reason.is_not(None), reason.icontains(chosen.text, autoescape=True)]


def branches_of(chosen: AuditFilter) -> list[Conditions]:
    """Alternatives that together are the choice of who, what and to which subject."""
    actors = matching(AuditEntry.actor, _who(chosen)) if chosen.who else None
    by_action = bool(chosen.thing or chosen.verb)
    actions = matching(AuditEntry.action, _what(chosen)) if by_action else None
    if actors == [] or actions == []:
        return []
    chosen_columns = {
        name: values for name, values in (("actor", actors), ("action", actions)) if values
    }
    among: Conditions = [  # no range of an index, whatever the planner thinks of its length
        literal_column(f"audit.{name} || ''", String).in_(values)
        for name, values in chosen_columns.items()
    ]
    if chosen.subject:
        return [[AuditEntry.subject == chosen.subject, *among]]
    if chosen.text:
        return [among]
    branches = [
        [COLUMNS[name] == value for name, value in zip(chosen_columns, values, strict=True)]
        for values in product(*chosen_columns.values())
    ]
    return branches if len(branches) <= MOST_BRANCHES else [among]


def _who(chosen: AuditFilter) -> Callable[[str], bool]:
    part = chosen.who.casefold()
    return lambda name: part in name.casefold()


def _what(chosen: AuditFilter) -> Callable[[str], bool]:
    def fits(action: str) -> bool:
        thing, _, verb = action.partition(".")
        return chosen.thing in ("", thing) and chosen.verb in ("", verb)

    return fits


def matching(column: InstrumentedAttribute[str], fits: Callable[[str], bool]) -> list[str]:
    """The values of a column that fit."""
    return [value for value in known(column) if fits(value)]


def known_actions() -> list[str]:
    """Every action that was ever done, by name."""
    return known(AuditEntry.action)


def known(column: InstrumentedAttribute[str]) -> list[str]:
    """The different values of an indexed column, each found by one step down its index."""
    values = select(func.min(column).label("value")).cte("known", recursive=True)
    following = select(func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(select(following).where(values.c.value.is_not(None)))
    found = select(values.c.value).where(values.c.value.is_not(None)).limit(MOST_KNOWN)
    return list(db.session.scalars(found))
