"""Backups in tests: made by the action itself, of a real migrated database."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from flask import Flask
from sqlalchemy.orm import Session

from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import JOB_KEY, back_up
from aegis_web.backups.folder import new_name
from aegis_web.backups.models import Backup
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.engine import changes
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, Origin
from tests.support.applications import MakeApp
from tests.support.buckets import Bucket, serving
from tests.support.databases import Postgres

MakeBackup = Callable[..., Backup]
AddBackup = Callable[..., Backup]
DAILY = from_json({"kind": "cron", "expression": "0 2 * * *", "zone": "Europe/Berlin"})


@pytest.fixture
def backup_dir(app: Flask) -> Path:
    """The folder of the backups; not there before the first one."""
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir


@pytest.fixture
def make_backup(app: Flask) -> MakeBackup:
    """Makes a backup of the test's database, with any facts about it changed afterwards."""

    def make(**facts: object) -> Backup:
        with app.app_context():
            backup = back_up(SYSTEM)
            with transaction() as session:
                row = session.get_one(Backup, backup.id)
                for name, value in facts.items():
                    setattr(row, name, value)
        return row

    return make


@pytest.fixture
def add_backup(app: Flask) -> AddBackup:
    """Adds a row and its files to the application, as `add_to` does."""
    return partial(add_to, app)


def add_to(app: Flask, days: float, **facts: Any) -> Backup:
    """Add a backup as of some days ago: proven at once, its files are there."""
    settings: Settings = app.extensions["aegis.settings"]
    made_at = utc_now() - timedelta(days=days)
    name = new_name(made_at, "sqlite3.zst")
    settings.backup_dir.mkdir(parents=True, exist_ok=True)
    (settings.backup_dir / name).write_bytes(b"packed")
    (settings.backup_dir / f"{name}.json").write_text("{}")
    (settings.backup_dir / f"{name}.jobs.yaml").write_text("jobs: []")
    backup = Backup(
        file_name=name,
        size_bytes=6,
        sha256="0" * 64,
        made_at=made_at,
        seconds=1,
        made_by="Daily database backup",
        **{"database": "SQLite 3.45", "proven_at": made_at, **facts},
    )
    with app.app_context(), transaction() as session:
        session.add(backup)
    return backup


@pytest.fixture
def backup_job(app: Flask) -> int:
    """The number of the code job that makes backups; the engine does not run."""
    with app.app_context(), transaction() as session:
        return add_backup_job(session)


def add_backup_job(session: Session) -> int:
    new = changes.NewJob(
        key=JOB_KEY,
        name="Daily database backup",
        service="back_up_database",
        trigger=DAILY,
        origin=Origin.CODE,
    )
    job: Job = changes.add(session, new, SYSTEM)
    return job.id


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that speaks S3, its keys in the environment and no others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with serving() as server:
        for name, value in server.keys.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def postgres_client(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's own version are on the PATH."""
    monkeypatch.setenv("PATH", f"{postgres.bin}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def machine(request: pytest.FixtureRequest, make_app: MakeApp, sqlite_database: str) -> Flask:
    """An installation in which nobody has an account yet, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return make_app(DATABASE_URL=sqlite_database)
    request.getfixturevalue("postgres_client")
    return make_app(DATABASE_URL=request.getfixturevalue("pg_url"))


def stored(app: Flask) -> list[Backup]:
    """All backups in the table, oldest first."""
    with app.app_context():
        found: list[Backup] = db.session.query(Backup).order_by(Backup.id).all()
        db.session.close()
    return found


def plain(file: Path, target: Path) -> Path:
    """The backup `file` as it was before it was compressed."""
    with file.open("rb") as packed, target.open("wb") as written:
        zstandard.ZstdDecompressor().copy_stream(packed, written)
    return target
