"""The way from one database to another: from SQLite to PostgreSQL when it is outgrown, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import Connection, Table, create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from aegis_web.backups.archive import without_references
from aegis_web.backups.copies import REVISIONS
from aegis_web.backups.merging import EMPTIED, raise_sequences
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.config_values import normal_database, sqlite_path, without_passwords
from aegis_web.database import Model, engine_options, tune
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import db
from aegis_web.system import schema
from aegis_web.system.models import Node

CHUNK_ROWS = 5_000
ALIVE = timedelta(seconds=30)  # since a process last gave a sign
OURS = ("accounts", "jobs", "runs", "audit")  # where one of them has rows, somebody has begun
EMPTY = {
    "sqlite": "name a file that does not exist yet, or move that one away",
    "postgresql": "name an empty database",
}

Report = Callable[[str, int], None]


def copy_to(url: str, report: Report) -> dict[str, int]:
    """Copy every row to the empty database at `url`, in one transaction there; how many by table.

    Sessions stay behind: everybody signs in anew. `report` is told each table and its rows.
    Raises: Invalid for a URL that names no database; AegisError when a process is at work on this
    database, when the other is not empty or cannot be used, or when the counts differ.
    """
    target = target_url(url)
    engine = create_engine(target, poolclass=NullPool, **options(target))
    try:
        with db.engines[None].connect() as source:
            if source.dialect.name == "postgresql":  # one instant, as it is on SQLite anyway
                source = source.execution_options(isolation_level="REPEATABLE READ")
            require_idle(source)
            if engine.dialect.name == "sqlite":
                sqlite_path(target).touch(mode=0o600)  # it holds the hashes of passwords
                tune(engine, writing=True)
            with engine.connect() as made:
                if engine.dialect.name == "sqlite":
                    made.exec_driver_sql("PRAGMA foreign_keys=OFF")  # one row may name a later one
                    made.commit()
                with made.begin():
                    copied = fill(source, made, report)
    except (DBAPIError, psycopg.Error, OSError) as error:
        said = " ".join(str(getattr(error, "orig", error)).split())
        shown = without_passwords(engine.url.render_as_string())
        raise AegisError(f"{shown} cannot be used ({said}): nothing was copied.") from error
    finally:
        engine.dispose()
    return copied


def target_url(url: str) -> str:
    """The address of another database than this one.

    Raises: Invalid.
    """
    try:
        target = normal_database(url)
    except ValueError as error:
        raise Invalid({"to": f"{error}."}) from error
    if target == settings().database_url:
        raise Invalid({"to": "this is the database that DATABASE_URL names: name another one."})
    return target


def options(url: str) -> dict[str, Any]:
    """The engine's options; the transaction there may take its time."""
    found = engine_options(url)
    if not url.startswith("sqlite"):
        connect = found["connect_args"]
        connect["options"] += " -c idle_in_transaction_session_timeout=0"
        found.pop("pool_pre_ping")
    return found


def require_idle(source: Connection) -> None:
    """Raises: AegisError while a process works on the database that is copied."""
    busy = select(Node.name).where(Node.ended_at.is_(None), Node.beat_at > utc_now() - ALIVE)
    name = source.scalar(busy.limit(1))
    if name is not None:
        raise AegisError(
            f"the process {name} works on this database: stop every server first, so that no row "
            "is left behind."
        )


def fill(source: Connection, made: Connection, report: Report) -> dict[str, int]:
    """Make the tables, copy the rows and compare."""
    head = schema.scripts().get_current_head()
    assert head is not None
    require_empty(made, head)
    schema.build(made, head)
    copied = {}
    with in_any_order(made):
        for table in Model.metadata.sorted_tables:
            if table.name not in EMPTIED:
                copied[table.name] = copy_table(source, made, table)
                report(table.name, copied[table.name])
    if made.dialect.name == "postgresql":
        raise_sequences(made, tuple(copied))
    return copied


def copy_table(source: Connection, made: Connection, table: Table) -> int:
    """Copy the rows of one table; how many.

    Raises: AegisError when they are others there.
    """
    made.execute(table.delete())  # what a migration put there
    every = select(table).order_by(*table.primary_key.columns)
    rows = source.execution_options(yield_per=CHUNK_ROWS).execute(every)
    for chunk in rows.mappings().partitions():
        made.execute(insert(table), [dict(row) for row in chunk])
    count = select(func.count()).select_from(table)
    here, there = source.scalar(count) or 0, made.scalar(count) or 0
    if here != there:
        raise AegisError(
            f"table {table.name} has {here} rows here and {there} there: nothing was copied. Stop "
            "whatever writes, then try again."
        )
    return there


def require_empty(made: Connection, head: str) -> None:
    """Raises: AegisError where somebody has begun, or another release made the tables."""
    there, cure = set(inspect(made).get_table_names()), EMPTY[made.dialect.name]
    if REVISIONS in there:
        found = made.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found not in (None, head):
            raise AegisError(
                f"the tables there are of schema {found}, and this release needs {head}: {cure}."
            )
    for name in OURS:
        if name in there and made.scalar(select(1).select_from(Model.metadata.tables[name])):
            raise AegisError(f"table {name} has rows there already: {cure}.")


@contextmanager
def in_any_order(made: Connection) -> Iterator[None]:
    """The tables there without their foreign keys, which must hold at the end.

    Raises: AegisError where one does not.
    """
    if made.dialect.name == "postgresql":
        with without_references(made):
            yield
        return
    yield
    orphan = made.exec_driver_sql("PRAGMA foreign_key_check").first()
    if orphan:
        raise AegisError(
            f"a row of table {orphan[0]} refers to one of {orphan[2]} that is not there: nothing "
            "was copied. Check this database first."
        )
