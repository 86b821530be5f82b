"""Walking the chain of the audit: whether every row is as it was written, where it was written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select

from aegis_web.audit.chain import CONTENT_COLUMNS, FIRST, link, table
from aegis_web.audit.queries import Head
from aegis_web.extensions import db

BATCH = 1_000  # rows in memory at once
ROW = select(*CONTENT_COLUMNS, table.c.position, table.c.previous, table.c.hash)

Tell = Callable[[int, int], bool]  # rows checked and in all; False: do not go on


@dataclass(frozen=True)
class Verdict:
    """What a walk over the chain found."""

    rows: int  # that are sound, from the first on
    head: Head | None  # the last of them
    waiting: int = 0  # rows that are in no chain yet
    fault: str | None = None  # a sentence about the first bad row; None: all are sound


def verify(known: Head | None = None, tell: Tell = lambda _done, _total: True) -> Verdict | None:
    """Check the whole chain, and that `known`, a head noted before, is still in it.

    Memory does not grow with the audit: one short query for each thousand rows. None: told to stop.
    """
    total, rows, head = count_of(table.c.position.is_not(None)), 0, None
    for page in pages():
        if not tell(rows, max(total, rows)):
            return None
        for row in page:
            if fault := fault_of(row, head):
                return Verdict(rows, head, fault=fault)
            rows, head = rows + 1, Head(row.id, row.hash, row.position)
    waiting = count_of(table.c.hash.is_(None))
    return Verdict(rows, head, waiting, fault_since(known, head) if known else None)


def pages() -> Iterator[list[Row[Any]]]:
    """The rows of the chain in their order, a batch at a time; no transaction stays open."""
    last = 0
    while page := fetch(ROW.where(table.c.position > last).order_by(table.c.position).limit(BATCH)):
        yield page
        last = page[-1].position


def fetch(query: Any) -> list[Row[Any]]:
    """All rows of a query, read in a transaction of its own."""
    with db.engines[None].connect() as connection:
        return list(connection.execute(query).all())


def count_of(condition: Any) -> int:
    """How many rows meet a condition."""
    return int(fetch(select(func.count()).select_from(table).where(condition))[0][0])


def fault_of(row: Row[Any], before: Head | None) -> str | None:
    """What is wrong with a row that follows `before`, in a sentence; None: nothing."""
    position, hash_before = (before.position, before.hash) if before else (0, FIRST)
    after = f"after row {before.id}" if before else "at the beginning"
    if row.position > position + 1:
        gone = row.position - position - 1
        rows = "1 row is" if gone == 1 else f"{gone} rows are"
        return f"{rows} missing {after}: the next one, row {row.id}, had another before it."
    if link(row.previous or "", row) != row.hash:
        return f"Row {row.id} was edited: its content does not fit its hash."
    if row.previous == hash_before:
        return None
    if fetch(select(table.c.id).where(table.c.hash == row.previous).limit(1)):
        return f"Row {row.id} was reordered: it stands {after}, and was written elsewhere."
    return f"A row is missing {after}: the next one, row {row.id}, had another before it."


def fault_since(known: Head, head: Head | None) -> str | None:
    """What became of a head that was noted before, if the sound chain does not hold it."""
    found = fetch(select(table.c.hash).where(table.c.id == known.id))
    if found and found[0].hash == known.hash:
        return None
    if found:
        return f"Row {known.id} was rewritten: it had another hash when its head was noted."
    end = f"the audit now ends at row {head.id}" if head else "the audit is empty"
    return f"The end was cut off: row {known.id} was the head, and {end}."
