"""A program that rebuilds a SQLite file of unknown origin, in a process of its own with limits.

Our own migrations make the tables, and only the rows of those are copied, column by column. What
else the file holds (triggers, views, virtual tables, tables of others) is neither run nor taken.
"""

import re
import resource
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from aegis_web.backups.copies import REVISIONS, Unusable
from aegis_web.backups.values import (
    LATEST_US,
    LISTS,
    LONGEST_NAME,
    NUMBERS,
    OBJECTS,
    PARTS,
    STRANGE,
    choice_of,
    readable,
    strange_value,
)
from aegis_web.errors import NotFound
from aegis_web.system import schema

REFUSED = 3  # the exit status that goes with a sentence for people
MEMORY_BYTES = 2**31
SECONDS_AT_LEAST, BYTES_A_SECOND = 120, 1_000_000  # of processor time
GROWTH = 3  # times the file's size: indexes that it may lack
INSTANT = f"typeof({{0}}) = 'integer' AND {{0}} BETWEEN 0 AND {LATEST_US}"
READABLE = "json_valid({0}) AND readable({0})"
OBJECT = f"{READABLE} AND json_type({{0}}) = 'object'"
LIST = (
    f"{READABLE} AND json_type({{0}}) = 'array' "
    "AND NOT EXISTS (SELECT 1 FROM json_each({0}) AS one WHERE one.type <> 'KIND')"
)
SHAPES = {
    **dict.fromkeys(OBJECTS, OBJECT),
    **dict.fromkeys(LISTS, LIST.replace("KIND", "text")),
    **dict.fromkeys(NUMBERS, LIST.replace("KIND", "integer")),
    **dict.fromkeys(PARTS, LIST.replace("KIND", "object")),
    "name": f"typeof({{0}}) = 'text' AND length({{0}}) <= {LONGEST_NAME}",
}
FITS = (  # by the declared type of a column, what a value of it must be
    (re.compile("JSON"), "json_valid({0})"),
    (re.compile("INT|BOOL"), "typeof({0}) = 'integer'"),
    (re.compile("CHAR|TEXT|CLOB"), "typeof({0}) = 'text'"),
    (re.compile("REAL|FLOA|DOUB"), "typeof({0}) IN ('real', 'integer')"),
)


def main() -> int:
    """Rebuild the file `argv[1]` into the empty file `argv[2]` with the migrations in `argv[3]`."""
    source, target, migrations = map(Path, sys.argv[1:])
    limit(source.stat().st_size)
    try:
        rebuild(source, target, migrations)
    except Unusable as error:
        print(error)
        return REFUSED
    except sqlite3.Error as error:
        print(f"It is damaged ({error}): take another backup.")
        return REFUSED
    return 0


def limit(size_bytes: int) -> None:
    """Let this process take no more than such a file needs."""
    seconds = SECONDS_AT_LEAST + size_bytes // BYTES_A_SECOND
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most := size_bytes * GROWTH + 2**26, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rebuild(source: Path, target: Path, migrations: Path) -> None:
    """Make the tables that `source` should have in `target`, and copy its rows.

    Raises: Unusable; sqlite3.Error.
    """
    with closing(open_strange(f"{source.as_uri()}?mode=ro&immutable=1")) as given:
        verdict = given.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise Unusable(f"It is damaged ({verdict}): take another backup.")
        revision = revision_of(given)
    engine = create_engine(f"sqlite:///{target}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=OFF")  # an unfinished one is thrown away
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        try:
            schema.build(connection, revision, schema.read_scripts(str(migrations)))
        except NotFound as error:
            raise Unusable(
                f"It was made by a newer release, whose schema {revision} this one does not know: "
                "install that release, then try again."
            ) from error
        connection.commit()
    engine.dispose()
    with closing(open_strange(target.as_uri())) as made:
        made.create_function("readable", 1, readable, deterministic=True)
        made.execute("ATTACH DATABASE ? AS given", (f"{source.as_uri()}?mode=ro&immutable=1",))
        made.execute("BEGIN")
        for table in tables_of(made, "main"):
            copy_rows(made, table)
        made.execute("COMMIT")


def open_strange(address: str) -> sqlite3.Connection:
    """A connection on which nothing that a schema says may do more than compute."""
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute("PRAGMA mmap_size=0")
    return connection


def revision_of(given: sqlite3.Connection) -> str:
    """The schema's revision that the file says it has.

    Raises: Unusable when it says none.
    """
    if REVISIONS not in tables_of(given, "main"):
        raise Unusable(STRANGE.format(f"it has no table {REVISIONS}"))
    columns_of(given, "main", REVISIONS)
    found = given.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None or not isinstance(found[0], str):
        raise Unusable(STRANGE.format("it says nothing of its schema"))
    return str(found[0])


def tables_of(connection: sqlite3.Connection, place: str) -> list[str]:
    """The ordinary tables in a file: neither views nor virtual ones."""
    query = f"""
        SELECT name FROM {place}.sqlite_schema
        WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
        ORDER BY name
    """
    return [name for (name,) in connection.execute(query)]


def columns_of(connection: sqlite3.Connection, place: str, table: str) -> dict[str, str]:
    """The columns of a table and their declared types.

    Raises: Unusable when some are computed.
    """
    found = connection.execute(f'PRAGMA {place}.table_xinfo("{table}")').fetchall()
    if any(hidden for *_, hidden in found):
        raise Unusable(STRANGE.format(f"its table {table} has computed columns"))
    return {name: kind.upper() for _, name, kind, *_ in found}


def copy_rows(made: sqlite3.Connection, table: str) -> None:
    """Copy the rows of one table.

    Raises: Unusable when they do not fit.
    """
    if table not in tables_of(made, "given"):
        raise Unusable(STRANGE.format(f"it has no table {table}"))
    columns, there = columns_of(made, "main", table), columns_of(made, "given", table)
    if lacking := sorted(columns.keys() - there.keys()):
        raise Unusable(STRANGE.format(f"its table {table} has no column {lacking[0]}"))
    names = ", ".join(f'"{name}"' for name in columns)
    made.execute(f'DELETE FROM main."{table}"')  # what a migration put there
    try:
        made.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM given."{table}"')
    except sqlite3.IntegrityError as error:
        raise Unusable(
            f"Rows of its table {table} break its rules ({error}): take another backup."
        ) from error
    wrong = {
        name: f'"{name}" IS NOT NULL AND NOT ({rule})'
        for name, kind in columns.items()
        if (rule := rule_of(table, name, kind))
    }
    if not wrong or not holds(made, table, " OR ".join(f"({one})" for one in wrong.values())):
        return
    name = next(name for name, one in wrong.items() if holds(made, table, one))
    raise Unusable(strange_value(table, name))


def rule_of(table: str, name: str, kind: str) -> str | None:
    """What SQL says of a good value of a column."""
    if choice := choice_of(table, name):
        return choice
    by_type = next((rule for words, rule in FITS if words.search(kind)), None)
    if name.endswith("_at") and by_type and "integer" in by_type:
        by_type = INSTANT
    rule = SHAPES.get(name, by_type)
    return rule and rule.format(f'"{name}"')


def holds(made: sqlite3.Connection, table: str, condition: str) -> Any:
    """Whether some row of a table meets a condition."""
    return made.execute(f'SELECT 1 FROM main."{table}" WHERE {condition} LIMIT 1').fetchone()


if __name__ == "__main__":
    raise SystemExit(main())
