"""The backups table: which copies of the database there are, and how their files are called.

And which of them have a copy off-site; such a row outlives the backup as long as the copy is there.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model

MADE, UPLOADED, SAFETY = "made", "uploaded", "safety"  # where a backup comes from
FETCHED = "fetched"  # from the place off-site
ELSEWHERE = (UPLOADED, FETCHED)  # perhaps not made of this database
UNCONFIRMED = timedelta(days=1)  # that long an uploaded one waits to be brought back


class Backup(Model):
    """One consistent copy of the database that was written, checked and renamed into place."""

    __tablename__ = "backups"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    file_name: Mapped[str] = mapped_column(unique=True)  # made by us; inside AEGIS_BACKUP_DIR
    database: Mapped[str]  # "SQLite 3.45" or "PostgreSQL 16.4"
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]  # hexadecimal
    made_at: Mapped[datetime] = mapped_column(Instant, index=True)
    seconds: Mapped[float]  # how long it took
    made_by: Mapped[str]
    run_id: Mapped[int | None] = mapped_column(BigKey)
    origin: Mapped[str] = mapped_column(default=MADE, server_default=MADE)
    proven_at: Mapped[datetime | None] = mapped_column(Instant)  # when it was last restored whole
    proof_seconds: Mapped[float | None]
    proof_error: Mapped[str | None]  # why it is not proven; None: it is, or nobody has tried
    manifest: Mapped[dict[str, Any] | None] = mapped_column(Document, deferred=True)
    contents: Mapped[dict[str, Any] | None] = mapped_column(Document, deferred=True)  # jobs, rows


def kind_of(database: str) -> str:
    """Which kind of database "SQLite 3.45" or "PostgreSQL 16.4" is: as an engine calls it."""
    return database.partition(" ")[0].lower()


class CopyState(StrEnum):
    """What becomes of a copy off-site."""

    WAITING = "waiting"
    COPYING = "copying"
    COPIED = "copied"
    FAILED = "failed"  # it is tried again
    LEAVING = "leaving"  # its backup was pruned; it goes once a newer one is there


class OffSiteCopy(Model):
    """The copy of one backup in the place off-site, or the wish for it."""

    __tablename__ = "off_site_copies"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    file_name: Mapped[str] = mapped_column(unique=True)
    place: Mapped[str]  # as AEGIS_BACKUP_OFF_SITE said; without any secret
    state: Mapped[str]  # a CopyState
    error: Mapped[str | None]  # why it failed when it was last tried
    tries: Mapped[int] = mapped_column(default=0)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    copied_at: Mapped[datetime | None] = mapped_column(Instant)  # when it was last found whole
