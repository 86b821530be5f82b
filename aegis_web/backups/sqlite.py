"""How SQLite is copied: its online backup API, over one snapshot.

The copy goes page by page in small steps, so that nobody waits for it. The reading connection
holds one read transaction over all of them: every step sees the same instant, and writers neither
wait nor make the copy start again.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine

from aegis_web.backups.copies import Snapshot, Unusable, Watch, read_snapshot, require_same
from aegis_web.database import BUSY_SECONDS
from aegis_web.errors import AegisError

STEP_PAGES = 500  # 2 MB: the steps between which progress is told and a stop is heard
CHECK_KB = 16_000  # of memory: a check looks up each row in each index, twice as fast as with 2 MB
CHECK_STEPS = 1_000_000  # of SQLite's machine, between two looks whether to stop


def copy(source: Path, target: Path, watch: Watch) -> Snapshot:
    """Copy the database file `source` to the empty file `target`; what it held at that instant.

    Raises: AegisError when the disk is full or the source cannot be read; Stopped.
    """
    with plain_errors(target.parent):
        with closing(open_to_read(source)) as live:
            live.execute("BEGIN")
            snapshot = what_it_holds(live)  # the first read fixes the instant
            require_room(size_of(live), target.parent)
            with closing(sqlite3.connect(target, isolation_level=None)) as made:
                made.execute("PRAGMA journal_mode=OFF")  # an unfinished copy is thrown away
                made.execute("PRAGMA synchronous=OFF")  # what is packed from it is flushed
                live.backup(
                    made,
                    pages=STEP_PAGES,
                    progress=lambda _, left, total: watch.step(total - left, total, "pages copied"),
                )
        with closing(sqlite3.connect(target, isolation_level=None)) as made:
            made.execute("PRAGMA journal_mode=DELETE")  # one file that opens anywhere, no -wal
        empty_log(source)
    return snapshot


def empty_log(source: Path) -> None:
    """Empty the log of writes, which could not be while the copy read.

    One who is in the way does it later.
    """
    with closing(sqlite3.connect(source, isolation_level=None, timeout=0)) as live:
        try:
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise


def check(target: Path, wanted: Snapshot | None, watch: Watch, *, proven: bool = False) -> Snapshot:
    """Refuse the copy `target` unless it is intact and holds what `wanted` says; what it holds.

    Of a `proven` one, the same bytes as when it was checked, only what it holds is compared.
    Raises: Unusable; Stopped.
    """
    with plain_errors(target.parent), closing(open_to_read(target, "immutable=1")) as made:
        size = target.stat().st_size
        watch.step(size, size, "bytes unpacked, now checked")
        made.set_progress_handler(watch.asked_to_stop, CHECK_STEPS)
        try:
            if not proven:
                require_intact(made)
            found = what_it_holds(made)
        except sqlite3.OperationalError:
            watch.step(size, size, "not checked")  # an interrupted check was asked to stop
            raise
    if wanted is not None:
        require_same(wanted, found)
    return found


def require_intact(made: sqlite3.Connection) -> None:
    """Look at every row, every index and every foreign key.

    Raises: Unusable.
    """
    made.execute(f"PRAGMA cache_size=-{CHECK_KB}")
    verdict = made.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise Unusable(f"It is damaged ({verdict}): check the disk, then back up again.")
    orphan = made.execute("PRAGMA foreign_key_check").fetchone()
    if orphan:
        raise Unusable(
            f"A row of its table {orphan[0]} refers to one of {orphan[2]} that is not "
            "there: take another backup, and check the ledger."
        )


def open_to_read(file: Path, options: str = "") -> sqlite3.Connection:
    """A connection that cannot write, and never makes a missing file."""
    address = f"{file.as_uri()}?mode=ro&{options}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def opened_to_read(file: Path) -> closing[sqlite3.Connection]:
    """A connection to a file that nobody changes, closed at the end of the block."""
    return closing(open_to_read(file, "immutable=1"))


@contextmanager
def connected(file: Path) -> Iterator[Connection]:
    """A file that nobody changes, read in SQLAlchemy's words."""
    engine = create_engine("sqlite://", creator=lambda: open_to_read(file, "immutable=1"))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def what_it_holds(connection: sqlite3.Connection) -> Snapshot:
    """What the connection sees."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    there = {name for (name,) in tables}
    return read_snapshot(connection, f"SQLite {sqlite3.sqlite_version}", there)


def size_of(connection: sqlite3.Connection) -> int:
    """How many bytes the copy will have."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return int(pages * connection.execute("PRAGMA page_size").fetchone()[0])


def require_room(needed: int, folder: Path) -> None:
    """Refuse to fill the disk, which may be the database's own.

    Raises: AegisError naming what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise AegisError(
            f"the copy needs {needed:,} bytes and the disk with {folder} has only {free:,} free: "
            "make room, or keep fewer backups"
        )


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Say in plain words what SQLite complains about."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        cure = "try again; if it stays, check the disk"
        if code == sqlite3.SQLITE_FULL:
            cure = f"the disk with {folder} is full; make room, or keep fewer backups"
        elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            cure = "what was read is damaged; check the disk"
        raise AegisError(f"the database could not be copied ({error}): {cure}") from error
