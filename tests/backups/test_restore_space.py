"""A disk that fills up in the middle of a restore: one sentence, and everything is as it was."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from aegis_web.backups.copies import Watch
from aegis_web.backups.restoring import restore
from aegis_web.config_values import sqlite_url
from aegis_web.database import WRITE
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from tests.backups.conftest import stored
from tests.backups.test_restore import ALICE, add_job, backed_up, bring_back
from tests.backups.test_restore_foreign import history_of, live_for_a_while
from tests.support.applications import MakeApp, make_admin
from tests.support.databases import Postgres, serial


@dataclass
class Disk:
    """A small file system with the database on it; the backups lie elsewhere."""

    folder: Path
    app: Flask

    def fill(self) -> None:
        with (self.folder / "rubbish").open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def make_room(self) -> None:
        (self.folder / "rubbish").unlink()


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="aegis-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0711", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False).returncode:
        folder.rmdir()
        pytest.skip("a file system of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def disk(request: pytest.FixtureRequest, make_app: MakeApp, small_disk: Path) -> Iterator[Disk]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), small_disk / "aegis.db")
        yield Disk(small_disk, lived_in(make_app(DATABASE_URL=sqlite_url(small_disk / "aegis.db"))))
        return
    request.getfixturevalue("postgres_client")
    server: Postgres = request.getfixturevalue("postgres")
    name = f"small_{next(serial)}"
    space = small_disk / "space"
    space.mkdir()
    shutil.chown(space, server.server.system_user or "root")
    server.run(f"CREATE TABLESPACE {name} LOCATION '{space}'")
    template = request.getfixturevalue("pg_template")
    server.run(f"CREATE DATABASE {name} TEMPLATE {template} TABLESPACE {name} STRATEGY FILE_COPY")
    yield Disk(small_disk, lived_in(make_app(DATABASE_URL=server.url(name))))
    server.drop(name)
    server.run(f"DROP TABLESPACE {name}")


def lived_in(app: Flask) -> Flask:
    with app.app_context():
        make_admin()
    live_for_a_while(app, "kept", 20)
    return app


def restored_on_a_full_disk(disk: Disk, moment: str, *, proving: bool = False) -> str:
    """What is said when the disk fills up at `moment`: a step, or the begin of a statement.

    With `proving` while the safety backup is proven, else after that.
    """
    app, filled, ready = disk.app, [], proving
    backup_id = backed_up(app)
    add_job(app, "newer", cron="0 0 1 1 *")
    before = history_of(app)

    def fill(at: str) -> None:
        nonlocal ready
        ready = ready or at == "rows replaced"
        if ready and at.startswith(moment) and not filled:
            disk.fill()
            filled.append(at)

    watch = Watch(lambda done, total, message: fill(message), asked_to_stop=lambda: False)
    with app.app_context():
        engine = db.engines[WRITE]

        def notice(*given: Any) -> None:
            fill(given[2])

        event.listen(engine, "before_cursor_execute", notice)
        with pytest.raises(AegisError) as caught:
            restore(backup_id, ALICE, watch)
        event.remove(engine, "before_cursor_execute", notice)
    assert filled
    assert history_of(app) == before
    disk.make_room()
    bring_back(app, backup_id)
    assert len(stored(app)) == 3  # it, and a safety backup of each try
    return str(caught.value)


FULL = "The disk of the database is full"


def test_it_fills_up_before_the_rows_are_replaced(disk: Disk) -> None:
    said = restored_on_a_full_disk(disk, "rows replaced")
    assert said.startswith(FULL)
    assert "everything is as it was: make room" in said
    assert "\n" not in said


def test_it_fills_up_while_the_rows_are_replaced(disk: Disk) -> None:
    said = restored_on_a_full_disk(disk, "CREATE UNIQUE INDEX ix_newer_runs")
    assert said.startswith(FULL)
    assert "\n" not in said


@pytest.mark.parametrize("disk", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_it_fills_up_while_an_archive_is_read(disk: Disk) -> None:
    said = restored_on_a_full_disk(disk, "rows of jobs")
    assert said.startswith(FULL)
    assert "\n" not in said


@pytest.mark.parametrize("disk", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_full_disk_is_no_fault_of_what_is_proven(disk: Disk) -> None:
    said = restored_on_a_full_disk(disk, "rows of jobs", proving=True)
    assert said.startswith(FULL)
    assert stored(disk.app)[1].proof_error is None
