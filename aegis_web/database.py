"""How the product speaks to SQLite and PostgreSQL: column types, engines, sessions.

There are two engines for one database. The reading one serves GET requests: deferred
transactions, and SQLite refuses writes on it. The writing one serves actions and the ledger: on
SQLite every transaction begins with the write lock in hand, so none fails half-way on a lock
upgrade. On PostgreSQL the two differ only in their pools.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    JSON,
    BigInteger,
    Delete,
    Dialect,
    Engine,
    Insert,
    Integer,
    MetaData,
    TypeDecorator,
    Update,
    event,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry

from aegis_web.clock import from_us, to_us

BUSY_SECONDS = 10  # how long a SQLite writer waits for the lock before it reports an error
WRITE = "write"  # the bind key of the writing engine

BigKey = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys itself
Document = JSON(none_as_null=True)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_us(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_us(value)


class Model(DeclarativeBase):
    """The base of all tables; constraints get predictable names so that Alembic can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RoutingSession(FlaskSession):
    """The request's session: reads on the reading engine, whatever it writes on the writing one."""

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        if bind is not None:
            return bind
        if self._flushing or isinstance(clause, (Insert, Update, Delete)):
            return self._db.engines[WRITE]
        return self._db.engines[None]


def engine_options(url: str) -> dict[str, Any]:
    """SQLAlchemy's engine options for `url`; the same for both engines."""
    if url.startswith("sqlite"):
        return {"connect_args": {"isolation_level": None, "timeout": BUSY_SECONDS}}
    return {
        "pool_pre_ping": True,
        "connect_args": {
            "application_name": "aegis-web",
            "connect_timeout": 10,
            # A peer that vanished without a word is noticed within about 11 s, from both ends.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=5000"
            " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
        },
    }


def tune(engine: Engine, *, writing: bool) -> None:
    """Give a SQLite `engine` its pragmas and its kind of BEGIN; nothing to do elsewhere."""
    if engine.dialect.name != "sqlite":
        return
    pragmas: Mapping[str, str | int] = {
        "journal_mode": "WAL",
        "synchronous": "FULL",
        "foreign_keys": 1,
        "busy_timeout": BUSY_SECONDS * 1000,
    }
    begin = "BEGIN IMMEDIATE" if writing else "BEGIN"

    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")
        if not writing:
            connection.execute("PRAGMA query_only=1")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
