"""The way back: what a backup holds takes the place of what the database holds, in one transaction.

Jobs, versions and history are replaced; runs newer than the backup stay; accounts, tokens and the
audit stay as they are now, except on an empty machine. Whoever looks sees the old or the new, and a
kill at any point leaves the old. The live SQLite file is never replaced, only written into.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.backups import sqlite
from aegis_web.backups.actions import back_up, writing_to
from aegis_web.backups.copies import UNWATCHED, Unusable, Watch
from aegis_web.backups.gaps import Kept, Tools, places_now, settle_jobs
from aegis_web.backups.manifest import snapshot_of
from aegis_web.backups.merging import Places, lock, replace_rows
from aegis_web.backups.models import SAFETY, Backup
from aegis_web.backups.proving import (
    build,
    existing,
    is_sqlite,
    prove,
    refusals,
    restored,
    unpacked,
)
from aegis_web.backups.queries import RESTORE, other_kind
from aegis_web.config import settings
from aegis_web.database import WRITE, Model
from aegis_web.errors import Conflict
from aegis_web.extensions import committed, db, transaction
from aegis_web.jobs.models import Job
from aegis_web.language import N_, _
from aegis_web.runs.models import Run
from aegis_web.system import schema

LOCK = "restore.lock"
OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
MAKING = N_("The safety backup is made")
PROVING = N_("The safety backup is proven")
READING = N_("The backup is read")
REPLACING = N_("The rows are replaced")
LOCK_NUMBER = 7108115  # PostgreSQL's advisory lock of the same meaning


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    file_name: str
    safety: str | None  # the file name of the backup made right before; None: there was nothing
    runs: int
    merged_runs: int  # newer than the backup, kept
    jobs: int
    paused_jobs: int
    missed: int  # fire times between what is known and now


def restore(backup_id: int, actor: Actor, watch: Watch = UNWATCHED) -> Restored:
    """Bring a backup back; all sessions end, and its jobs are paused.

    A backup of what is there now is made and proven first, unless nothing is there.
    Raises: NotFound; Conflict while another restore is at work; Unusable when it is no good here;
    AegisError when the safety backup cannot be made. In each case nothing has changed.
    """
    with transaction() as session:
        backup = existing(session, backup_id)
        require_same_kind(backup)
        name, sha256 = backup.file_name, backup.sha256
        wanted = snapshot_of(backup.manifest) if backup.manifest else None
        proven = backup.proven_at is not None
    with writing_to(settings().backup_dir) as folder, alone(folder.path):
        safety = None
        empty = is_empty()
        if not empty or has_history():
            watch.begin(MAKING)
            made = back_up(actor, made_by=actor.name, origin=SAFETY, watch=watch)
            watch.begin(PROVING)
            prove(made.id, actor, watch)
            safety = made.file_name
        watch.begin(READING)
        with folder.open(name) as file, unpacked(folder, file, sha256, watch) as scratch:
            if is_sqlite(scratch):
                sqlite.check(scratch.path, wanted, watch, proven=proven)
                bring_up_to_date(scratch.path, wanted.revision if wanted else None)
                entered = beside_sqlite(scratch.path)
            else:
                plain = scratch.read()
                entered = beside_postgres(plain, wanted, watch)
            watch.begin(REPLACING)
            watch.step(0, None, "rows replaced")
            with refusals(), entered as (connection, places):
                lock(connection, places)
                require_still(connection, empty)
                done = replace(connection, places, empty, backup_id, actor)
    committed.send()
    return Restored(name, safety, **done)


def replace(
    connection: Connection, places: Places, empty: bool, backup_id: int, actor: Actor
) -> dict[str, int]:
    """Put the rows in place, settle what they leave open, and write it down. Commits nothing."""
    before = places_now(connection)
    merged = replace_rows(connection, places, empty)
    tools = Tools(current_app.extensions["aegis.registry"], current_app.extensions["aegis.vault"])
    with Session(connection, join_transaction_mode="rollback_only") as session:
        kept = Kept(before, related=merged is not None)
        paused, missed = settle_jobs(session, kept, tools, actor)
        done = {
            "runs": session.scalar(select(func.count()).select_from(Run)) or 0,
            "merged_runs": merged or 0,
            "jobs": session.scalar(select(func.count()).where(Job.deleted_at.is_(None))) or 0,
            "paused_jobs": paused,
            "missed": missed,
        }
        session.add(audit_entry(actor, RESTORE, f"backup:{backup_id}", None, done))
        session.commit()
    return done


def is_empty(connection: Connection | None = None) -> bool:
    """Whether nobody has an account here."""
    return is_without("accounts", connection)


def has_history() -> bool:
    """Whether something has run here, or was due."""
    return not is_without("runs")


def is_without(table: str, connection: Connection | None = None) -> bool:
    """Whether a table has no row."""
    query = select(1).select_from(Model.metadata.tables[table]).limit(1)
    if connection is not None:
        return connection.scalar(query) is None
    with transaction() as session:
        return session.scalar(query) is None


def require_still(connection: Connection, empty: bool) -> None:
    """Raises: Conflict where somebody has begun to set up this installation meanwhile."""
    if empty and not is_empty(connection):
        text = _("Somebody has made an account meanwhile, and nothing has changed: try again.")
        raise Conflict(text)


def require_same_kind(backup: Backup) -> None:
    """Raises: Unusable for a backup of SQLite on PostgreSQL, and the other way round."""
    if problem := other_kind(backup.database):
        raise Unusable(problem)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else restores meanwhile, from this folder or into this database.

    Raises: Conflict while somebody does.
    """
    busy = Conflict(
        _("Another restore is at work: wait until it has ended, then look at what it brought back.")
    )
    descriptor = os.open(folder / LOCK, OPEN, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        engine = db.engines[WRITE]
        if engine.dialect.name != "postgresql":
            yield
            return
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            got = connection.execute(text(f"SELECT pg_try_advisory_lock({LOCK_NUMBER})"))
            if not got.scalar_one():
                raise busy
            try:
                yield
            finally:
                with suppress(OperationalError):  # a lost connection has lost the lock as well
                    connection.execute(text(f"SELECT pg_advisory_unlock({LOCK_NUMBER})"))
    finally:
        os.close(descriptor)


def bring_up_to_date(file: Path, revision: str | None) -> None:
    """Migrate a scratch file to this release's schema.

    Raises: Unusable when a newer release made it.
    """
    head = schema.scripts().get_current_head()
    assert head is not None
    if revision == head:
        return
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=MEMORY")
            build(connection, head)
            connection.commit()
    finally:
        engine.dispose()


@contextmanager
def beside_sqlite(scratch: Path) -> Iterator[tuple[Connection, Places]]:
    """The live database with the scratch file attached, its write lock in hand."""
    with db.engines[WRITE].connect() as connection:
        raw: Any = connection.connection.driver_connection
        connection.detach()  # nobody else gets it afterwards, with these pragmas
        raw.execute("PRAGMA foreign_keys=OFF")  # all rows are gone for a while
        raw.execute("ATTACH DATABASE ? AS scratch", (str(scratch),))
        with connection.begin():
            yield connection, Places("main.", "scratch.")


@contextmanager
def beside_postgres(plain: Any, wanted: Any, watch: Watch) -> Iterator[tuple[Connection, Places]]:
    """The live database with the rows of a copy in a schema of this transaction."""
    with plain, restored(plain, wanted, watch, keep=True) as connection:
        head = schema.scripts().get_current_head()
        assert head is not None
        build(connection, head)
        scratch = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        connection.exec_driver_sql("RESET search_path")
        live = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        yield connection, Places(f'"{live}".', f'"{scratch}".')
        connection.exec_driver_sql(f'DROP SCHEMA "{scratch}" CASCADE')
