"""The proof of a backup: its file is restored into a scratch database, and that is compared.

Nothing counts as proven that was not brought back whole at least once.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from secrets import token_hex
from shutil import disk_usage
from time import monotonic
from typing import Any

import psycopg
from blinker import Signal
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.backups import archive, packing, postgres, sqlite
from aegis_web.backups.actions import writing_to
from aegis_web.backups.copies import (
    UNWATCHED,
    Queries,
    Snapshot,
    Stopped,
    Unusable,
    Watch,
    require_same,
)
from aegis_web.backups.folder import Folder, Partial
from aegis_web.backups.manifest import snapshot_of
from aegis_web.backups.models import Backup, kind_of
from aegis_web.backups.off_site_copies import wants_copy
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.database import WRITE
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.language import N_, _
from aegis_web.system import schema

SQLITE = b"SQLite format 3\x00"
GONE = N_("There is no such backup, or there is no more.")
POSTGRES_ONLY = N_(
    "It is a copy of PostgreSQL, and this installation runs on SQLite: restore it into "
    "PostgreSQL, then move with `flask database copy`."
)
COMPARED = N_("It is restored beside and compared")
SPARE_BYTES = 64 * 1024 * 1024  # what a scratch file leaves free on the disk

proof_failed = Signal("sent after the commit that marks a backup as unusable, with its number")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contents:
    """What came out of a backup."""

    snapshot: Snapshot
    jobs: list[tuple[int, str, str]]  # number, key and name of each that is not deleted

    def stored(self) -> dict[str, Any]:
        """As the table keeps it."""
        return {"rows": dict(self.snapshot.rows), "jobs": [list(job) for job in self.jobs]}


def prove(backup_id: int, actor: Actor, watch: Watch = UNWATCHED) -> float:
    """Restore a backup into a scratch database, compare it and write the verdict down; the seconds.

    Raises: NotFound; Unusable when it is no good, which is then written down; Stopped, and
    AegisError where it could not be tried, and the verdict stays what it was: so one of PostgreSQL
    on SQLite.
    """
    with transaction() as session:
        backup = existing(session, backup_id)
        if needs_postgres(backup.database):
            raise Conflict(_(POSTGRES_ONLY))
        wanted = snapshot_of(backup.manifest) if backup.manifest else None
        name, sha256 = backup.file_name, backup.sha256
    began = monotonic()
    try:
        with writing_to(settings().backup_dir) as folder, folder.open(name) as file:
            contents = bring_back(folder, file, sha256, wanted, watch)
    except Stopped:
        raise
    except (Unusable, NotFound) as error:
        if not write_down(backup_id, actor, None, 0, str(error)):
            raise NotFound(_(GONE)) from error  # deleted meanwhile
        proof_failed.send(backup_id)
        raise
    seconds = round(monotonic() - began, 3)
    write_down(backup_id, actor, contents, seconds, None)
    return seconds


def existing(session: Session, backup_id: int) -> Backup:
    """The backup of that number. Raises: NotFound."""
    backup = session.get(Backup, backup_id)
    if backup is None:
        raise NotFound(_(GONE))
    return backup


def needs_postgres(database: str) -> bool:
    """Whether a backup of that database cannot be proven here, because only PostgreSQL could."""
    on_postgres = db.engines[WRITE].dialect.name == "postgresql"
    return kind_of(database) == "postgresql" and not on_postgres


def bring_back(
    folder: Folder, file: BufferedReader, sha256: str | None, wanted: Snapshot | None, watch: Watch
) -> Contents:
    """Restore `file` into a scratch database and compare it with what it should hold.

    Raises: Unusable; Stopped.
    """
    with unpacked(folder, file, sha256, watch) as scratch:
        if is_sqlite(scratch):
            found = sqlite.check(scratch.path, wanted, watch)
            with sqlite.opened_to_read(scratch.path) as connection:
                return Contents(found, jobs_in(connection))
        with scratch.read() as plain, restored(plain, wanted, watch) as connection:
            server = postgres.server_of(connection)
            found = postgres.what_it_holds(connection, server)
            if wanted is not None:
                require_same(wanted, found)
            return Contents(found, jobs_in(postgres.driver(connection)))


@contextmanager
def unpacked(
    folder: Folder, file: BufferedReader, sha256: str | None, watch: Watch
) -> Iterator[Partial]:
    """A scratch file with what `file` holds, plainly; gone afterwards.

    Raises: Unusable when it cannot be unpacked, or is not the file with the SHA-256 `sha256`;
    AegisError when there is no room for it.
    """
    limit = packing.room(max(disk_usage(folder.path).free - SPARE_BYTES, 0))
    if sha256 is None:
        sense = packing.sense(os.fstat(file.fileno()).st_size)
        limit = min(limit, sense, key=lambda one: one.size_bytes)
    with folder.scratch("sqlite3") as scratch:
        found = packing.unpack(file, scratch, settings().backup_keys, limit, watch)
        if sha256 is not None and found != sha256:
            text = _("Its SHA-256 is another than when it was made: take another backup.")
            raise Unusable(text)
        yield scratch


def is_sqlite(scratch: Partial) -> bool:
    """Whether a plain file is a SQLite database."""
    with scratch.read() as file:
        return file.read(len(SQLITE)) == SQLITE


@contextmanager
def restored(
    plain: BufferedReader, wanted: Snapshot | None, watch: Watch, *, keep: bool = False
) -> Iterator[Connection]:
    """A connection whose own schema holds what a copy of PostgreSQL does.

    Nobody else ever sees it: it vanishes with the connection's transaction, however that ends.
    Only with `keep` is that committed; the schema is then to be dropped before.
    Raises: Unusable; AegisError where the database has no room; Conflict where it cannot be
    changed; Stopped.
    """
    archive.require_rows(plain)
    engine = db.engines[WRITE]
    if engine.dialect.name != "postgresql":
        raise Unusable(_(POSTGRES_ONLY))
    revision = (wanted.revision if wanted else None) or archive.revision_in(plain)
    with refusals(), engine.connect() as connection, connection.begin() as work:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        name = f"aegis_scratch_{token_hex(6)}"
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        connection.exec_driver_sql(f"SET LOCAL search_path = {name}")
        build(connection, revision)
        plain.seek(0)
        archive.load(connection, plain, watch)
        yield connection
        if not keep:
            work.rollback()


@contextmanager
def refusals() -> Iterator[None]:
    """Say in plain words why the database would not be changed. Raises: AegisError; Conflict."""
    try:
        yield
    except (OperationalError, psycopg.OperationalError) as error:
        said = " ".join(str(getattr(error, "orig", error)).split())
        if "full" in said or "No space left" in said:
            text = _(
                "The disk of the database is full (%(said)s), and everything is as it was: make "
                "room, then try again.",
                said=said,
            )
            raise AegisError(text) from error
        text = _(
            "The database could not be changed (%(said)s), and everything is as it was: end what "
            "holds its tables, then try again.",
            said=said,
        )
        raise Conflict(text) from error


def build(connection: Connection, revision: str) -> None:
    """Make empty tables of an older release, or of this one.

    Raises: Unusable when a newer one made them.
    """
    try:
        schema.build(connection, revision)
    except NotFound as error:
        text = _(
            "It was made by a newer release (%(problem)s): install that release, then try again.",
            problem=error,
        )
        raise Unusable(text) from error


def jobs_in(connection: Queries) -> list[tuple[int, str, str]]:
    """The jobs that a connection's database holds."""
    query = "SELECT id, key, name FROM jobs WHERE deleted_at IS NULL ORDER BY id"
    return [tuple(row) for row in connection.execute(query).fetchall()]


def write_down(
    backup_id: int, actor: Actor, contents: Contents | None, seconds: float, error: str | None
) -> bool:
    """Keep the verdict about a backup; whether it is still there."""
    with transaction() as session:
        backup = session.get(Backup, backup_id, with_for_update=True)
        if backup is None:
            return False
        before = {"proven_at": backup.proven_at and backup.proven_at.isoformat()}
        backup.proven_at = utc_now() if contents else None
        backup.proof_seconds = seconds if contents else None
        backup.proof_error = error
        if contents:
            backup.contents = contents.stored()
        after = {
            "file_name": backup.file_name,
            "proven_at": backup.proven_at and backup.proven_at.isoformat(),
            "proof_error": error,
        }
        session.add(audit_entry(actor, "backup.prove", f"backup:{backup_id}", before, after))
        if contents:
            wants_copy(session, backup, actor)
    return True


def is_gone(backup_id: int) -> bool:
    """Whether somebody has deleted the backup."""
    with transaction() as session:
        return session.get(Backup, backup_id) is None


def prove_all(actor: Actor, watch: Watch = UNWATCHED) -> tuple[list[str], dict[str, str]]:
    """Prove every backup anew, newest first: the names of the good, and what is wrong with others.

    One that is deleted meanwhile is neither, nor one of PostgreSQL on SQLite. Raises: Stopped.
    """
    with transaction() as session:
        backups = session.execute(
            select(Backup.id, Backup.file_name, Backup.database).order_by(Backup.id.desc())
        ).all()
    good, bad = [], {}
    for backup_id, name, database in backups:
        if needs_postgres(database):
            log.info("%s is skipped: %s", name, POSTGRES_ONLY)
            continue
        try:
            seconds = prove(backup_id, actor, watch)
        except Stopped:
            raise
        except AegisError as error:
            if is_gone(backup_id):
                log.info("%s was deleted meanwhile", name)
                continue
            bad[name] = str(error)
            log.error("%s is no good: %s", name, error)
        else:
            good.append(name)
            log.info("%s is proven, in %.1f s", name, seconds)
    return good, bad
