"""Copying a SQLite database: consistent under writers, checked, and never half there."""

import fcntl
import hashlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.audit.models import SYSTEM, Actor, AuditEntry
from aegis_web.backups import sqlite
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Snapshot, Stopped, Unusable, Watch, require_same
from aegis_web.config_values import sqlite_path
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from tests.backups.conftest import plain, stored
from tests.support.applications import MakeApp
from tests.support.environment import process_environment
from tests.support.servers import StartServer

ROOT = Path(__file__).parents[2]
KILLED_MIDWAY = """
import os, signal
from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Watch

def die(done, total, message):
    os.kill(os.getpid(), signal.SIGKILL)

with create_app().app_context():
    back_up(SYSTEM, watch=Watch(report=die, asked_to_stop=lambda: False))
"""


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        yield connection


@pytest.fixture
def database(sqlite_database: str) -> Path:
    return sqlite_path(sqlite_database)


def fill(database: Path, megabytes: int) -> None:
    """Make the database large enough for a copy of many steps."""
    with opened(database) as connection, connection:
        connection.executemany(
            "INSERT INTO audit (at, actor, action, subject, after) VALUES (1, 'x', 'x', 'x', ?)",
            ((json.dumps("x" * 10_000),) for _ in range(100 * megabytes)),
        )


def count(file: Path, table: str) -> int:
    with opened(file) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def files(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    return sorted(
        entry.name for entry in folder.iterdir() if entry.suffix not in (".json", ".yaml")
    )


def test_it_makes_a_copy_that_sqlite_opens_with_the_same_rows(
    app: Flask, database: Path, backup_dir: Path, tmp_path: Path
) -> None:
    fill(database, 1)
    with app.app_context():
        backup = back_up(Actor("alice@example.org"))
    file = plain(backup_dir / backup.file_name, tmp_path / "plain")
    with opened(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copied = connection.execute("SELECT id, actor, after FROM audit ORDER BY id").fetchall()
    with opened(database) as connection:
        query = "SELECT id, actor, after FROM audit WHERE action <> 'backup.make' ORDER BY id"
        assert copied == connection.execute(query).fetchall()
    assert len(copied) == 100


def test_it_writes_down_what_it_made(app: Flask, backup_dir: Path) -> None:
    with app.app_context():
        backup = back_up(Actor("alice@example.org"), run_id=7)
        entry = db.session.query(AuditEntry).filter_by(action="backup.make").one()
        db.session.close()
    content = (backup_dir / backup.file_name).read_bytes()
    row = stored(app)[0]
    assert (row.file_name, row.size_bytes) == (backup.file_name, len(content))
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert row.database == f"SQLite {sqlite3.sqlite_version}"
    assert (row.made_by, row.run_id) == ("alice@example.org", 7)
    assert row.seconds > 0
    assert (entry.actor, entry.subject) == ("alice@example.org", f"backup:{row.id}")
    assert entry.after["sha256"] == row.sha256
    manifest = json.loads((backup_dir / f"{backup.file_name}.json").read_text())
    assert manifest["sha256"] == row.sha256
    assert manifest["rows"]["alembic_version"] == 1
    assert manifest["newest_run"] is None
    assert manifest["keys"]["backup"] is None


def test_only_its_owner_may_read_the_folder_and_the_file(app: Flask, backup_dir: Path) -> None:
    with app.app_context():
        backup = back_up(SYSTEM)
    assert backup_dir.stat().st_mode & 0o777 == 0o700
    assert (backup_dir / backup.file_name).stat().st_mode & 0o777 == 0o600


def test_the_copy_is_one_file_that_opens_on_a_read_only_disk(
    app: Flask, backup_dir: Path, tmp_path: Path
) -> None:
    with app.app_context():
        backup = back_up(SYSTEM)
    assert files(backup_dir) == [backup.file_name]
    header = plain(backup_dir / backup.file_name, tmp_path / "plain").read_bytes()[:20]
    assert header[18:20] == b"\x01\x01"  # not WAL, which needs to write files beside it


def test_it_sees_one_instant_and_never_starts_again_under_a_hard_writer(
    app: Flask, database: Path, backup_dir: Path, tmp_path: Path
) -> None:
    fill(database, 12)
    with opened(database) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
    rows = count(database, "audit")
    lefts: list[float] = []

    def write(done: float, total: float | None, message: str) -> None:
        if "pages" not in message:
            return
        lefts.append(total - done)
        assert len(lefts) < 100, "it starts again and again"
        with opened(database) as connection, connection:
            connection.execute("UPDATE audit SET actor = 'changed' WHERE id % 100 = 0")
            connection.execute(
                "INSERT INTO audit (at, actor, action, subject) VALUES (2, 'new', 'new', 'new')"
            )

    with app.app_context():
        backup = back_up(SYSTEM, watch=Watch(report=write, asked_to_stop=lambda: False))
    assert lefts == sorted(lefts, reverse=True)  # starting again, it would rise
    assert len(lefts) > 5
    assert count(database, "audit") == rows + len(lefts) + 1  # nobody waited; and backup.make
    with opened(plain(backup_dir / backup.file_name, tmp_path / "plain")) as copy:
        assert copy.execute("SELECT count(*) FROM audit").fetchone() == (rows,)
        assert copy.execute("SELECT count(*) FROM audit WHERE actor <> 'x'").fetchone() == (0,)


def test_two_at_once_make_two_backups(app: Flask, database: Path, backup_dir: Path) -> None:
    fill(database, 2)

    def make(_: int) -> str:
        with app.app_context():
            return back_up(SYSTEM).file_name

    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(make, range(4)))
    assert files(backup_dir) == sorted(names)
    assert len(set(names)) == 4
    assert sorted(row.file_name for row in stored(app)) == sorted(names)


def test_a_kill_midway_leaves_nothing_that_counts(
    app: Flask, database: Path, backup_dir: Path, data_dir: Path
) -> None:
    fill(database, 5)
    env = process_environment(data_dir)
    ended = subprocess.run([sys.executable, "-c", KILLED_MIDWAY], cwd=ROOT, env=env, check=False)
    assert ended.returncode == -9
    assert stored(app) == []
    assert [name.endswith(".partial") for name in files(backup_dir)] == [True]


def leftovers(folder: Path) -> tuple[list[Path], list[Path]]:
    """Partial files in the folder: those that a killed process left, and those that stay."""
    folder.mkdir(mode=0o700)
    old, written, young, busy = (
        folder / f"aegis-20260101T000000.000000Z-0123456789a{end}.sqlite3.zst.partial"
        for end in "bcde"
    )
    foreign = folder / "holiday.partial"
    for file in (written, foreign, busy):
        file.write_text("x")
    for file in (old, young):
        file.touch()
    for file in (old, foreign, busy):
        os.utime(file, (1, 1))
    return [old, written], [young, foreign, busy]


def test_the_next_backup_sweeps_what_a_killed_one_left(app: Flask, backup_dir: Path) -> None:
    _, stay = leftovers(backup_dir)
    with stay[-1].open() as held, app.app_context():
        fcntl.flock(held, fcntl.LOCK_EX)  # its maker lives
        backup = back_up(SYSTEM)
    assert files(backup_dir) == sorted([*(file.name for file in stay), backup.file_name])


def test_a_start_sweeps_what_a_killed_process_left(
    start_server: StartServer, data_dir: Path
) -> None:
    folder = data_dir / "backups"
    data_dir.mkdir(mode=0o700)
    left, stay = leftovers(folder)
    with stay[-1].open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        server = start_server().ready()
    assert sorted(file for file in folder.iterdir() if file.suffix == ".partial") == sorted(stay)
    for file in left:
        server.prints(file.name)


def test_a_stop_leaves_nothing(app: Flask, database: Path, backup_dir: Path) -> None:
    fill(database, 5)
    watch = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: True)
    with app.app_context(), pytest.raises(Stopped):
        back_up(SYSTEM, watch=watch)
    assert files(backup_dir) == []
    assert stored(app) == []


def test_a_disk_that_fills_up_midway_leaves_nothing(
    app: Flask, database: Path, backup_dir: Path
) -> None:
    fill(database, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(done: float, total: float | None, message: str) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))

    try:
        with app.app_context(), pytest.raises(AegisError, match=r"could not be (copied|written)"):
            back_up(SYSTEM, watch=Watch(report=fill_up, asked_to_stop=lambda: False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(backup_dir) == []
    assert stored(app) == []


def test_it_does_not_begin_without_room_for_the_copy(
    app: Flask, backup_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 900, 100))
    with app.app_context(), pytest.raises(AegisError, match="only 100 free: make room"):
        back_up(SYSTEM)
    assert files(backup_dir) == []


def test_a_row_that_cannot_be_stored_leaves_no_file(
    app: Flask, backup_dir: Path, database: Path
) -> None:
    with opened(database) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON backups BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()
    with app.app_context(), pytest.raises(Exception, match="no"):
        back_up(SYSTEM)
    assert files(backup_dir) == []


def test_a_folder_that_cannot_be_used_is_named_with_the_cure(app: Flask, backup_dir: Path) -> None:
    backup_dir.write_text("a file, not a folder")
    with app.app_context(), pytest.raises(AegisError, match="AEGIS_BACKUP_DIR"):
        back_up(SYSTEM)


def test_a_damaged_copy_is_refused(app: Flask, database: Path, tmp_path: Path) -> None:
    fill(database, 1)
    target = tmp_path / "copy"
    with app.app_context():
        snapshot = sqlite.copy(database, target, QUIET)
    with target.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xff" * 8192)
    with pytest.raises(AegisError, match="damaged"):
        sqlite.check(target, snapshot, QUIET)


def test_a_copy_of_another_database_is_refused(app: Flask, database: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    with app.app_context():
        sqlite.copy(database, target, QUIET)
        fill(database, 1)
        later = sqlite.copy(database, tmp_path / "later", QUIET)
    with pytest.raises(AegisError, match="table audit has 0 rows, not 100"):
        sqlite.check(target, later, QUIET)


def test_a_copy_with_another_schema_is_refused() -> None:
    wanted = Snapshot("SQLite 3", "0002", {"jobs": 1}, (7, 1, None, 2), {"jobs": "aa"})
    for change, problem in (
        ({"revision": "0001"}, "the schema is 0001, not 0002"),
        ({"rows": {}}, "table jobs has 0 rows, not 1"),
        ({"newest_run": (6, 1, None, 2)}, "its newest run is"),
        ({"samples": {"jobs": "bb"}}, "rows of table jobs have other values"),
    ):
        with pytest.raises(Unusable, match=problem):
            require_same(wanted, replace(wanted, **change))
    require_same(wanted, replace(wanted, database="SQLite 4"))


def test_a_missing_database_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(AegisError, match="could not be copied"):
        sqlite.copy(tmp_path / "gone.db", tmp_path / "copy", QUIET)
    assert not (tmp_path / "gone.db").exists()


def test_where_nothing_is_kept_there_is_nothing_to_back_up(make_app: MakeApp) -> None:
    app = make_app(AEGIS_COMPONENTS="scheduler")
    with app.app_context(), pytest.raises(AegisError, match="keeps nothing"):
        back_up(SYSTEM)


QUIET = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: False)
