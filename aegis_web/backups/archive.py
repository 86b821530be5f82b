"""The rows in a copy of PostgreSQL, as COPY blocks: what pg_dump wrote, or what we did without it.

Nothing in such a file is ever run. Of what it says only the rows of our own tables are taken, into
tables that our own migrations have made.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from tempfile import TemporaryFile
from typing import IO

import psycopg
from sqlalchemy import JSON, Connection, inspect

from aegis_web.backups.copies import REVISIONS, Unusable, Watch, own_tables
from aegis_web.backups.postgres import COPIED, COPIED_END, driver, environment, newest_client
from aegis_web.backups.values import (
    LATEST_US,
    LISTS,
    LONGEST_NAME,
    NUMBERS,
    OBJECTS,
    PARTS,
    choice_of,
    readable,
    strange_value,
)

DUMPED = b"PGDMP"
HEADER = re.compile(rb"COPY (\S+) \((.*)\) FROM stdin;\n")
END = b"\\.\n"
ROWS_AT_ONCE = 20  # whose JSON is in memory
WATCHED_LINES = 50_000  # between two looks whether to stop
REFERENCES = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""
LIST = """
    CASE WHEN json_typeof({0}) = 'array' THEN NOT EXISTS (
        SELECT 1 FROM json_array_elements({0}) AS one (value) WHERE json_typeof(value) <> 'KIND'
    ) ELSE false END
"""
SHAPES = {
    **dict.fromkeys(OBJECTS, "json_typeof({0}) = 'object'"),
    **dict.fromkeys(LISTS, LIST.replace("KIND", "string")),
    **dict.fromkeys(NUMBERS, LIST.replace("KIND", "number")),
    **dict.fromkeys(PARTS, LIST.replace("KIND", "object")),
    "name": f"length({{0}}) <= {LONGEST_NAME}",
}
MAY_BE_UNREADABLE = "length({0}::text) > 200 OR {0}::text ~ '\\\\u|[eE][+-]?[0-9]{{3}}'"
STRANGE = "It was not made by this product: take a backup that Aegis Web has made."
TOO_LARGE = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
LONGEST_LINE = 2**25  # bytes of one row
CUT = "It ends too early: take another backup."


@dataclass(frozen=True)
class Block:
    """The rows of one table."""

    table: str
    columns: list[str]
    rows: Iterator[bytes]  # as COPY takes them


def blocks(lines: Iterable[bytes]) -> Iterator[Block]:
    """The blocks in `lines`; the rows of each are to be read before the next.

    Raises: Unusable when the last of them is not whole.
    """
    every = iter(lines)
    for line in every:
        if opened := HEADER.fullmatch(line):
            name, columns = (read(part).replace('"', "") for part in opened.groups())
            rows = rows_until_end(every)
            yield Block(name.rpartition(".")[2], columns.split(", "), rows)
            for _ in rows:  # what was not wanted
                pass


def read(words: bytes) -> str:
    """Raises: Unusable for what is no text."""
    try:
        return words.decode()
    except UnicodeDecodeError as error:
        raise Unusable(STRANGE) from error


def rows_until_end(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == END:
            return
        yield line
    raise Unusable(CUT)


def load(connection: Connection, file: BufferedReader, watch: Watch) -> None:
    """Put the rows of our tables that `file` holds into the tables that `connection` sees first.

    Raises: Unusable; psycopg.OperationalError where the rows are not to blame; Stopped.
    """
    with refused_rows(), without_references(connection):
        load_rows(connection, file, watch)


@contextmanager
def refused_rows() -> Iterator[None]:
    """Raises: Unusable for what PostgreSQL says of rows; its own error where they are no cause."""
    try:
        yield
    except psycopg.Error as error:
        too_large = isinstance(error, TOO_LARGE)
        if isinstance(error, psycopg.OperationalError) and not too_large:
            raise
        words = " ".join(str(error).split())
        raise Unusable(f"Its rows do not fit the tables ({words}): take another backup.") from error


@contextmanager
def without_references(connection: Connection) -> Iterator[None]:
    """PostgreSQL without its foreign keys, so that rows may come in any order; they come back.

    Raises: psycopg.Error where one does not hold then.
    """
    raw = driver(connection)
    references = raw.execute(REFERENCES).fetchall()
    for table, name, _ in references:
        raw.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, words in references:
        raw.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {words}")


def load_rows(connection: Connection, file: BufferedReader, watch: Watch) -> None:
    ours = set(own_tables())
    found = inspect(connection)
    raw = driver(connection)
    missing = {*found.get_table_names()} & ours
    for block in blocks(lines_of(file)):
        if block.table not in ours:
            continue
        missing.discard(block.table)
        known = {column["name"] for column in found.get_columns(block.table)}
        if not known.issuperset(block.columns):
            strange = sorted(set(block.columns) - known)
            raise Unusable(
                f"Its table {block.table} has a column {strange[0]} that no release gave it: it "
                "was not made by this product."
            )
        columns = ", ".join(f'"{name}"' for name in block.columns)
        raw.execute(f'DELETE FROM "{block.table}"')  # noqa: S608 - what a migration put there
        with raw.cursor().copy(f'COPY "{block.table}" ({columns}) FROM STDIN') as target:
            for number, line in enumerate(block.rows):
                if number % WATCHED_LINES == 0:
                    watch.step(number, None, f"rows of {block.table} restored")
                target.write(line)
    if missing:
        raise Unusable(f"It has no table {min(missing)}: it was not made by this product.")


def require_good_values(connection: Connection, watch: Watch) -> None:
    """Look at the rows that were loaded.

    Raises: Unusable for a value that the product could not read or show; Stopped.
    """
    found = inspect(connection)
    with refused_rows():
        for table in found.get_table_names():
            watch.step(0, None, f"rows of {table} checked")
            kinds = {column["name"]: column["type"] for column in found.get_columns(table)}
            documents = [name for name, kind in kinds.items() if isinstance(kind, JSON)]
            wrong = wrong_column(connection, table, list(kinds)) or next(
                (name for name in documents if not all_readable(connection, table, name)), None
            )
            if wrong:
                raise Unusable(strange_value(table, wrong))


def wrong_column(connection: Connection, table: str, names: Sequence[str]) -> str | None:
    """A column in which some row breaks its rule; None: there is none. One look at each row."""
    broken = {
        name: f'("{name}" IS NOT NULL AND NOT ({rule}))'
        for name in names
        if (rule := rule_of(table, name))
    }
    if not broken:
        return None
    which = " ".join(f"WHEN {one} THEN '{name}'" for name, one in broken.items())
    query = f'SELECT CASE {which} END FROM "{table}" WHERE {" OR ".join(broken.values())} LIMIT 1'  # noqa: S608
    row = driver(connection).execute(query).fetchone()
    return None if row is None else str(row[0])


def all_readable(connection: Connection, table: str, name: str) -> bool:
    """Whether Python can read all JSON in a column."""
    doubtful = MAY_BE_UNREADABLE.format(f'"{name}"')
    with driver(connection).cursor(name="doubtful") as rows:
        rows.itersize = ROWS_AT_ONCE
        rows.execute(f'SELECT "{name}"::text FROM "{table}" WHERE {doubtful}')  # noqa: S608
        return all(readable(text) for (text,) in rows)


def rule_of(table: str, name: str) -> str | None:
    """What SQL says of a good value of a column, as far as its type does not."""
    if choice := choice_of(table, name):
        return choice
    instant = f"{{0}} BETWEEN 0 AND {LATEST_US}" if name.endswith("_at") else None
    rule = SHAPES.get(name, instant)
    return rule and rule.format(f'"{name}"')


def revision_in(file: BufferedReader) -> str:
    """The schema's revision that `file` says it has.

    Raises: Unusable when it says none.
    """
    for block in blocks(lines_of(file)):
        if block.table == REVISIONS:
            for line in block.rows:
                return read(line).strip()
    raise Unusable("It says nothing of its schema, so it was not made by this product.")


def require_rows(file: BufferedReader) -> None:
    """Raises: Unusable when `file` is no copy of PostgreSQL at all."""
    if not file.peek(len(COPIED)).startswith((COPIED, DUMPED)):
        raise Unusable("It is neither a SQLite database nor a copy of PostgreSQL: take another.")


def lines_of(file: BufferedReader) -> Iterable[bytes]:
    """The lines of SQL in `file`.

    Raises: Unusable when it holds none.
    """
    require_rows(file)
    if file.peek(len(COPIED)).startswith(COPIED):
        return whole(bounded(file))
    client = newest_client()
    if client is None:
        raise Unusable(
            "It was made by pg_dump, and no pg_restore is installed here to read it: install "
            "PostgreSQL's client, on Debian and Ubuntu `apt-get install postgresql-client`."
        )
    return unpacked([client.program("pg_restore"), "--data-only", "--file=-"], file)


def bounded(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, none of which fills the memory.

    Raises: Unusable for one that would.
    """
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unusable(STRANGE)
        yield line


def whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, if the last is the one that ends such a file."""
    line = b""
    for line in lines:
        yield line
    if line != COPIED_END:
        raise Unusable(CUT)


def unpacked(arguments: list[str], archive: BufferedReader) -> Iterator[bytes]:
    """The lines that pg_restore makes of `archive`.

    Raises: Unusable with what it said, when it fails.
    """
    os.lseek(archive.fileno(), 0, os.SEEK_SET)  # whatever was read ahead here
    with TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            arguments, stdin=archive, stdout=subprocess.PIPE, stderr=said, env=environment(None)
        )
        assert process.stdout is not None
        try:
            with process.stdout as lines:
                yield from bounded(lines)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(said.read(2000).decode(errors="replace").split())
            raise Unusable(f"pg_restore cannot read it: {words}")
