"""The chain of the audit: each row carries a hash over the row before it and its own content.

A row joins the chain as the last thing before the commit of the transaction that wrote it, whoever
commits: a session of an action, the engine, Flask-Security. On PostgreSQL one lock lets
transactions do so one after another; as nothing is waited for with that lock in hand, there can be
no deadlock over it. A SQLite writer is alone anyway. docs/security.md has the recipe of the hash.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, event, select, text
from sqlalchemy.orm import Mapper

from aegis_web.audit.models import AuditEntry
from aegis_web.clock import to_us

FIRST = "0" * 64  # what stands for the hash before the first row's
BATCH = 1_000  # rows that join at once
WRITTEN = "aegis.audit"  # set on a connection that has rows to chain
LOCK = text("SELECT pg_advisory_xact_lock(7108117)")

table: Any = AuditEntry.__table__
CONTENT = (
    *("id", "at", "actor", "account_id", "action", "subject", "before", "after"),
    *("reason", "address", "token"),
)
CONTENT_COLUMNS = [table.c[name] for name in CONTENT]
UNCHAINED = select(*CONTENT_COLUMNS).where(table.c.hash.is_(None)).order_by(table.c.id).limit(BATCH)
HEAD = (
    select(table.c.id, table.c.position, table.c.hash)
    .where(table.c.position.is_not(None))
    .order_by(table.c.position.desc())
    .limit(1)
)
JOIN = (
    table.update()
    .where(table.c.id == bindparam("row"))
    .values(
        position=bindparam("new_position"),
        previous=bindparam("new_previous"),
        hash=bindparam("new_hash"),
    )
)


def canonical(row: Row[Any]) -> str:
    """The content of a row as text, always the same: JSON, keys sorted, ASCII, no spaces."""
    values = {name: getattr(row, name) for name in CONTENT}
    values["at"] = to_us(values["at"])
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def link(previous: str, row: Row[Any]) -> str:
    """The hash of a row that follows the one with the hash `previous`, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{canonical(row)}".encode("ascii")).hexdigest()


def seal(connection: Connection) -> int:
    """Let every row that is not in the chain yet join it, in the order of ids; how many did.

    Holds a lock until the commit that other writers of the audit wait for: take it last.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(LOCK)
    count = 0
    while rows := connection.execute(UNCHAINED).all():
        connection.execute(JOIN, joined(connection, rows))
        count += len(rows)
    return count


def joined(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """The places of `rows` after the last row of the chain."""
    head = connection.execute(HEAD).one_or_none()
    last, previous = (head.position, head.hash) if head else (0, FIRST)
    places = []
    for position, row in enumerate(rows, start=last + 1):
        own = link(previous, row)
        places.append(
            {"row": row.id, "new_position": position, "new_previous": previous, "new_hash": own}
        )
        previous = own
    return places


@event.listens_for(AuditEntry, "after_insert")
def _note(_: Mapper[AuditEntry], connection: Connection, __: AuditEntry) -> None:
    connection.info[WRITTEN] = True


@event.listens_for(Engine, "commit")
def _seal_before(connection: Connection) -> None:
    if connection.info.pop(WRITTEN, False):
        seal(connection)


@event.listens_for(Engine, "rollback")
def _forget(connection: Connection) -> None:
    if not connection.invalidated:  # else what it knew has gone with it
        connection.info.pop(WRITTEN, None)
