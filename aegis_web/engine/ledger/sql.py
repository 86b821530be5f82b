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
        """A SELECT of the rows in one parameter: `columns` like `id bigint, error text`."""
        names, kinds = zip(*(column.split() for column in columns.split(",")), strict=True)
        if self.is_sqlite:
            picks = (f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(names))
            return f"SELECT {', '.join(picks)} FROM json_each(?)"
        arrays = (f"?::{kind}[]" for kind in kinds)
        return f"SELECT * FROM unnest({', '.join(arrays)}) AS given({', '.join(names)})"

    def among(self, column: str, kind: str = "bigint") -> str:
        """A condition: `column` is one of the values in one parameter, a list."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(?))"
        return f"{column} = ANY(?::{kind}[])"

    def values(self, parameters: Iterable[Any]) -> tuple[Any, ...]:
        """The driver's values: lists as JSON here, as arrays there; rows as one array each column.

        Rows must not be empty.
        """
        if self.is_sqlite:
            return tuple(json.dumps(p) if isinstance(p, list) else p for p in parameters)
        found: list[Any] = []
        for parameter in parameters:
            if isinstance(parameter, list) and parameter and isinstance(parameter[0], list):
                found += map(list, zip(*parameter, strict=True))
            else:
                found.append(parameter)
        return tuple(found)


DIALECTS = {name: Dialect(name) for name in ("sqlite", "postgresql")}


def execute(connection: Connection, text: str, *parameters: Any) -> Any:
    """Run one statement written with `?` marks; a list is one parameter."""
    dialect = DIALECTS[connection.dialect.name]
    return connection.exec_driver_sql(dialect.sql(text), dialect.values(parameters))


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
