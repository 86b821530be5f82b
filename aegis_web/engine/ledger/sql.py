"""How the ledger speaks to both databases: marks, many rows in one parameter, locks, the clock."""

import json
from collections import namedtuple
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection

from aegis_web.clock import to_us, utc_now_us

Row = Any


class Dialect:
    """What the two databases say differently."""

    def __init__(self, name: str) -> None:
        self.is_sqlite = name == "sqlite"
        self.skip_locked = "" if self.is_sqlite else "FOR UPDATE OF {} SKIP LOCKED"

    def sql(self, text: str) -> str:
        """`text` with its `?` marks in the driver's style."""
        return text if self.is_sqlite else text.replace("?", "%s")

    def rows(self, columns: str) -> str:
        """A SELECT of the rows in one JSON parameter: `columns` like `id bigint, error text`."""
        pairs = [column.split() for column in columns.split(",")]
        if self.is_sqlite:
            picks = (f"json_extract(value, '$[{i}]') AS {name}" for i, (name, _) in numbered(pairs))
            return f"SELECT {', '.join(picks)} FROM json_each(?)"
        picks = (f"(value->>{i})::{kind} AS {name}" for i, (name, kind) in numbered(pairs))
        return f"SELECT {', '.join(picks)} FROM json_array_elements(?::json)"

    def among(self, column: str) -> str:
        """A condition: `column` is one of the integers in one JSON parameter."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(?))"
        return f"{column} IN (SELECT value::text::bigint FROM json_array_elements(?::json))"

    def among_texts(self, column: str) -> str:
        """A condition: `column` is one of the texts in one JSON parameter."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(?))"
        return f"{column} IN (SELECT value FROM json_array_elements_text(?::json))"


def numbered(pairs: list[list[str]]) -> Iterable[tuple[int, list[str]]]:
    """The column pairs with their places in the JSON rows."""
    return enumerate(pairs)


DIALECTS = {name: Dialect(name) for name in ("sqlite", "postgresql")}


def execute(connection: Connection, text: str, *parameters: Any) -> Any:
    """Run one statement written with `?` marks; lists become JSON parameters."""
    dialect = DIALECTS[connection.dialect.name]
    values = tuple(json.dumps(p) if isinstance(p, list) else p for p in parameters)
    return connection.exec_driver_sql(dialect.sql(text), values)


def fetch(connection: Connection, text: str, *parameters: Any) -> list[Row]:
    """The rows of `execute` as named tuples, straight from the driver: many rows cost little."""
    result = execute(connection, text, *parameters)
    make = maker(tuple(column[0] for column in result.cursor.description))
    rows = list(map(make, result.cursor.fetchall()))
    result.close()
    return rows


@lru_cache(maxsize=256)
def maker(columns: tuple[str, ...]) -> Callable[[Any], Row]:
    """What turns a tuple into a named one."""
    return partial(tuple.__new__, namedtuple("Row", columns))


def dialect_of(connection: Connection) -> Dialect:
    """The dialect of `connection`."""
    return DIALECTS[connection.dialect.name]


def now_us(connection: Connection) -> int:
    """The database's own clock; on SQLite that is this machine's."""
    if dialect_of(connection).is_sqlite:
        return utc_now_us()
    clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    return int(execute(connection, clock).scalar_one())


def serialise_pauses(connection: Connection) -> None:
    """Let one person at a time pause or resume everything, until the commit."""
    if not dialect_of(connection).is_sqlite:
        execute(connection, "SELECT pg_advisory_xact_lock(7108116)")


def serialise_starts(connection: Connection) -> None:
    """Let one process at a time compare its declarations with the table, until the commit."""
    if not dialect_of(connection).is_sqlite:  # there every writer is alone
        execute(connection, "SELECT pg_advisory_xact_lock(7108115)")


def optional_us(instant: datetime | None) -> int | None:
    """`to_us`, for an instant that may be missing."""
    return None if instant is None else to_us(instant)
