"""What the System page shows: this process, the database, the folders, and what to worry about."""

import logging
import os
import platform
import shutil
import sqlite3
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from aegis_web.backups.models import Backup
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.config_checks import LOST_AT_RESTART
from aegis_web.config_values import sqlite_path
from aegis_web.extensions import db
from aegis_web.language import N_, _
from aegis_web.system.health import EngineHealth, engine_beats, engine_health
from aegis_web.system.schema import revisions
from aegis_web.version import VERSION

STALE_BACKUP = timedelta(hours=49)  # two daily backups have not come
STARTED_AT = utc_now()  # this module is imported when the process starts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Warned:
    """Something that may cost data, runs or secrets, and what to do about it."""

    level: str  # "danger", "warning" or "info"
    title: str
    text: str


@dataclass(frozen=True)
class Folder:
    """A folder that the product writes to."""

    path: str
    free_bytes: int | None  # on its disk; None: it is not there yet
    total_bytes: int | None


@dataclass(frozen=True)
class Database:
    """Where everything is kept."""

    version: str  # "SQLite 3.45.1"
    size_bytes: int | None  # None: the server does not tell
    revision: str | None  # of its schema
    newest_revision: str | None  # that this release knows


@dataclass(frozen=True)
class Process:
    """The process that made this page."""

    version: str
    python: str
    host: str  # "host:pid"
    started_at: datetime
    zone: str
    tzdata: str


def this_process(settings: Settings) -> Process:
    """What answers the request."""
    return Process(
        version=VERSION,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        host=f"{platform.node()}:{os.getpid()}",
        started_at=STARTED_AT,
        zone=settings.zone,
        tzdata=tzdata_version(),
    )


def tzdata_version() -> str:
    """The release of the time zone rules in use, and where they come from."""
    for folder in zoneinfo.TZPATH:
        if not (Path(folder) / "UTC").exists():
            continue
        try:
            first = (Path(folder) / "tzdata.zi").read_text().partition("\n")[0]
        except OSError:
            return _("of the system, in %(folder)s", folder=folder)
        release = first.removeprefix("# version").strip()
        return _("%(release)s (of the system, in %(folder)s)", release=release, folder=folder)
    try:
        return _("%(release)s (Python package)", release=version("tzdata"))
    except PackageNotFoundError:
        return _("none found")


def database_facts(settings: Settings) -> Database:
    """What is known of the database. Four queries at most."""
    current, newest = revisions()
    on_sqlite = settings.database_url.startswith("sqlite")
    if on_sqlite:
        name, size = f"SQLite {sqlite3.sqlite_version}", sqlite_size(settings)
    else:
        name = "PostgreSQL " + str(db.session.scalar(text("SHOW server_version"))).split()[0]
        size = db.session.scalar(text("SELECT pg_database_size(current_database())"))
    return Database(name, size, current, newest)


def sqlite_size(settings: Settings) -> int:
    """What the file and its write-ahead log take on the disk."""
    file = sqlite_path(settings.database_url)
    parts = (file, file.with_name(f"{file.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def folders(settings: Settings) -> dict[str, Folder]:
    """The folders in use, by a message of what they hold; none where nothing is kept."""
    if not settings.persistent:
        return {}
    return {N_("Data"): room_in(settings.data_dir), N_("Backups"): room_in(settings.backup_dir)}


def room_in(path: Path) -> Folder:
    """How much room the disk of `path` has."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return Folder(str(path), None, None)
    return Folder(str(path), usage.free, usage.total)


def warnings(settings: Settings, health: EngineHealth | None = None) -> list[Warned]:
    """What to worry about, the worst first; `health` is asked for when it is not given."""
    health = health or engine_health()
    found = [*engine_warnings(settings, health), *setting_warnings(settings)]
    if settings.persistent:
        found += backup_warnings()
    order = ("danger", "warning", "info")
    return sorted(found, key=lambda warned: order.index(warned.level))


def engine_warnings(settings: Settings, health: EngineHealth) -> Iterator[Warned]:
    """Whether anything runs jobs, and where."""
    if settings.engine == "off" and not health.beating:
        yield Warned(
            "danger",
            _("No engine is running"),
            _(
                "This process does not run jobs (AEGIS_ENGINE=off) and no other does: start the "
                "scheduler process of the Procfile, or set AEGIS_ENGINE=embedded."
            ),
        )
    elif settings.engine == "off":
        yield Warned(
            "info",
            _("Jobs run elsewhere"),
            _("This process does not run jobs (AEGIS_ENGINE=off); the nodes below do."),
        )
    elif not health.beating:
        yield Warned(
            "danger",
            _("No engine is running"),
            _(
                "Nothing has beaten for 10 seconds, so no job starts. Look into the server's log "
                "and start it again; what was due meanwhile is accounted for then."
            ),
        )


def setting_warnings(settings: Settings) -> Iterator[Warned]:
    """What the settings put at risk."""
    on_sqlite = settings.database_url.startswith("sqlite")
    for sentence in settings.warnings:
        if sentence == LOST_AT_RESTART:
            yield Warned("danger", _("Everything here will be lost"), _(sentence))
        else:
            yield Warned("warning", _("A setting needs a look"), _(sentence))
    copied = settings.backup_off_site is not None
    if settings.persistent and settings.platform and not on_sqlite and not copied:
        yield Warned(
            "warning",
            _("Backups may not last"),
            _(
                "Backups are written to %(folder)s, and this platform empties its disk at each "
                "restart. Set AEGIS_BACKUP_OFF_SITE to a bucket, name a lasting volume in "
                "AEGIS_BACKUP_DIR, or download them.",
                folder=settings.backup_dir,
            ),
        )
    if on_sqlite and settings.web_concurrency > 1:
        yield Warned(
            "warning",
            _("Several web processes share one SQLite file"),
            _(
                "WEB_CONCURRENCY=%(count)s: all of them must be on this machine and its own disk, "
                "never on a network share. For several machines set DATABASE_URL to a PostgreSQL "
                "database.",
                count=settings.web_concurrency,
            ),
        )


def backup_warnings() -> Iterator[Warned]:
    """Whether there is a recent backup."""
    newest = db.session.scalar(select(Backup.made_at).order_by(Backup.made_at.desc()).limit(1))
    if newest is None:
        yield Warned(
            "info",
            _("No backup yet"),
            _("The daily backup makes the first one at its next time; Backups has “Back up now”."),
        )
    elif utc_now() - newest > STALE_BACKUP:
        yield Warned(
            "warning",
            _("The newest backup is old"),
            _(
                "It is %(days)s days old, though one is due each day: look at the runs of the "
                "backup job.",
                days=(utc_now() - newest).days,
            ),
        )


def log_warnings(app: Flask) -> None:
    """Say at start, loudly, what the System page will say about the settings."""
    for warned in setting_warnings(app.extensions["aegis.settings"]):
        log.warning("%s: %s", warned.title, warned.text)


def ready() -> bool:
    """Whether the database can be reached and an engine beats."""
    try:
        return engine_beats()
    except SQLAlchemyError as error:
        log.warning("not ready, the database does not answer: %s", error)
        return False
