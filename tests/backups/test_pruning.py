"""Deleting what no tier keeps: after a newer proven backup, rows and files together, audited."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import SYSTEM, Actor, AuditEntry, audit_entry
from aegis_web.backups import proving
from aegis_web.backups.actions import delete_backup
from aegis_web.backups.copies import Unusable
from aegis_web.backups.folder import new_name
from aegis_web.backups.models import FETCHED, SAFETY, UPLOADED, Backup
from aegis_web.backups.picture import picture_of
from aegis_web.backups.pruning import prune
from aegis_web.backups.retention import retention
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.extensions import committed, db, transaction
from aegis_web.services.back_up_database import back_up_database
from tests.backups.conftest import AddBackup, add_to, stored
from tests.support.applications import MakeApp
from tests.support.environment import process_environment

ALICE = Actor("alice@example.org", 1)
ROOT = Path(__file__).parents[2]
KILLED_BEFORE = """
import os, signal, sys
from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.pruning import prune

left = int(sys.argv[1])

def die(event, details):
    global left
    if event == "os.remove" and ".sqlite3.zst" in str(details[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
with create_app().app_context():
    prune(SYSTEM)
"""
TWO_DAYS = {
    "AEGIS_KEEP_BACKUPS_DAILY": "2",
    "AEGIS_KEEP_BACKUPS_WEEKLY": "0",
    "AEGIS_KEEP_BACKUPS_MONTHLY": "0",
}


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> Flask:
    """An application that keeps a backup for each of two days; on both databases."""
    return make_app(DATABASE_URL=database_url, **TWO_DAYS)


def files(app: Flask) -> set[str]:
    settings: Settings = app.extensions["aegis.settings"]
    return {file.name for file in settings.backup_dir.iterdir()}


def with_files_beside(*backups: Backup) -> set[str]:
    beside = ("", ".json", ".jobs.yaml")
    return {f"{one.file_name}{suffix}" for one in backups for suffix in beside}


def test_rows_and_files_go_and_the_audit_says_so(app: Flask, add_backup: AddBackup) -> None:
    nights = [add_backup(days) for days in (3, 1, 2, 0)]
    settings: Settings = app.extensions["aegis.settings"]
    foreign = settings.backup_dir / new_name(datetime(2026, 1, 1, tzinfo=UTC), "sqlite3.zst")
    foreign.write_text("a copy that this database knows nothing of")
    with app.app_context():
        assert prune(ALICE) == ([nights[0].file_name, nights[2].file_name], {})
        entries = db.session.scalars(select(AuditEntry).filter_by(action="backup.prune")).all()
        assert [entry.subject for entry in entries] == ["backup:1", "backup:3"]
        assert {entry.actor for entry in entries} == {ALICE.name}
        assert json.dumps(nights[0].file_name) in json.dumps(entries[0].before)
        db.session.close()
        assert prune(ALICE) == ([], {})
    assert {row.id for row in stored(app)} == {nights[1].id, nights[3].id}
    assert files(app) == {*with_files_beside(nights[1], nights[3]), foreign.name}


def test_while_none_is_proven_nothing_goes(app: Flask, add_backup: AddBackup) -> None:
    nights = [add_backup(days, proven_at=None) for days in range(5)]
    with app.app_context():
        assert prune(SYSTEM) == ([], {})
    assert files(app) == with_files_beside(*nights)


def test_what_is_newer_than_the_last_proven_one_stays(app: Flask, add_backup: AddBackup) -> None:
    bad = [add_backup(days, proven_at=None, proof_error="bad") for days in (0, 1, 2, 3)]
    good = [add_backup(days) for days in (4, 5, 6, 7)]
    with app.app_context():
        assert len(prune(SYSTEM)[0]) == 2
    assert files(app) == with_files_beside(*bad, *good[:2])


def test_the_last_proven_one_of_the_other_kind_of_database_stays(
    app: Flask, add_backup: AddBackup
) -> None:
    gone, last = (add_backup(days, database="SQLite 3.40") for days in (9, 8))
    kept = [add_backup(days, database="PostgreSQL 16.4") for days in (1, 0)]
    with app.app_context():
        assert prune(SYSTEM) == ([gone.file_name], {})
    assert files(app) == with_files_beside(last, *kept)


def test_none_goes_whose_newer_one_of_its_kind_was_deleted_meanwhile(
    app: Flask, add_backup: AddBackup
) -> None:
    old, newer = (add_backup(days, database="SQLite 3.40") for days in (9, 8))
    add_backup(2, database="PostgreSQL 16.4"), add_backup(1, database="PostgreSQL 16.4")
    newest = [newer]

    def delete_it(*_: object) -> None:
        if newest:
            delete_backup(newest.pop().id, ALICE)

    with app.app_context(), committed.connected_to(delete_it):
        assert prune(SYSTEM) == ([], {})
    assert old.id in {row.id for row in stored(app)}


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_one_without_its_file_takes_no_place_from_a_whole_one(
    app: Flask, add_backup: AddBackup, damage: str
) -> None:
    whole = [add_backup(days) for days in (3, 2)]
    settings: Settings = app.extensions["aegis.settings"]
    for days in (1, 0):
        file = settings.backup_dir / add_backup(days).file_name
        file.unlink()
        if damage == "damaged":
            file.write_bytes(b"cut")
    with app.app_context():
        assert prune(SYSTEM) == ([], {})
        picture = picture_of(retention(utc_now()), utc_now())
    assert {one.id for one in whole} < {row.id for row in stored(app)}
    assert [row.proven for row in picture.rows] == [False, False, True, True]
    assert {lane.name: lane.count for lane in picture.lanes}["Daily"] == 2


def test_a_safety_backup_is_not_a_week_old(app: Flask, add_backup: AddBackup) -> None:
    young, _old = add_backup(6.9, origin=SAFETY), add_backup(7.1, origin=SAFETY)
    kept = [add_backup(days) for days in (0, 1)]
    with app.app_context():
        prune(SYSTEM)
    assert files(app) == with_files_beside(young, *kept)


def test_a_backup_from_elsewhere_stays_and_replaces_none(app: Flask, add_backup: AddBackup) -> None:
    last = add_backup(9)
    bad = add_backup(8, proven_at=None)
    foreign = [add_backup(days, origin=FETCHED) for days in (0, 500)]
    foreign.append(add_backup(0.9, origin=UPLOADED))
    with app.app_context():
        assert prune(SYSTEM) == ([], {})
    assert files(app) == with_files_beside(last, bad, *foreign)


def test_an_upload_that_nobody_brings_back_goes_after_a_day(
    app: Flask, add_backup: AddBackup
) -> None:
    bad = add_backup(0, proven_at=None)
    declined, wanted = (add_backup(1.1, origin=UPLOADED) for _ in range(2))
    with app.app_context(), transaction() as session:
        session.add(audit_entry(ALICE, "backup.restore", f"backup:{wanted.id}", None, None))
        session.add(audit_entry(ALICE, "backup.prove", f"backup:{declined.id}", None, None))
    with app.app_context():
        assert prune(SYSTEM) == ([declined.file_name], {})
    assert files(app) == with_files_beside(bad, wanted)


def test_a_file_that_cannot_be_deleted_is_told_and_stays(app: Flask, add_backup: AddBackup) -> None:
    stuck, gone, _first, _second = (add_backup(days) for days in (9, 8, 1, 0))
    settings: Settings = app.extensions["aegis.settings"]
    file = settings.backup_dir / stuck.file_name
    file.unlink()
    file.mkdir()  # as root, too, cannot be unlinked
    with app.app_context():
        deleted, failed = prune(SYSTEM)
    assert deleted == [gone.file_name]
    assert failed.keys() == {stuck.file_name}
    assert "cannot be deleted" in failed[stuck.file_name]
    assert stuck.id in {row.id for row in stored(app)}
    assert gone.id not in {row.id for row in stored(app)}


def test_nothing_goes_whose_newer_ones_were_deleted_meanwhile(
    app: Flask, add_backup: AddBackup
) -> None:
    old, *newer = [add_backup(days) for days in (9, 1, 0)]

    def delete_the_newer(*_: object) -> None:
        if newer:
            delete_backup(newer.pop().id, ALICE)

    # Between the look at the table and the deletion.
    with app.app_context(), committed.connected_to(delete_the_newer):
        assert prune(SYSTEM) == ([], {})
    assert {row.id for row in stored(app)} == {old.id}


@pytest.mark.parametrize("removal", [1, 2, 3, 4, 5, 6])
def test_a_kill_at_any_file_leaves_none_without_its_row(
    make_app: MakeApp, sqlite_database: str, data_dir: Path, removal: int
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, **TWO_DAYS)
    first, second, *kept = (add_to(app, days) for days in (9, 8, 1, 0))
    env = process_environment(data_dir, **TWO_DAYS)
    command = [sys.executable, "-c", KILLED_BEFORE, str(removal)]
    assert subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == -9
    rows = {row.file_name for row in stored(app)}
    assert {name.removesuffix(".json").removesuffix(".jobs.yaml") for name in files(app)} <= rows
    assert (first.file_name in rows) == (removal < 4)
    with app.app_context():
        assert prune(SYSTEM)[0][-1] == second.file_name
    assert files(app) == with_files_beside(*kept)


def test_a_run_prunes_after_it_has_proved(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database, **TWO_DAYS)
    with app.app_context():
        first = back_up_database() or {}
        add_to(app, 1), add_to(app, 2)
        second = back_up_database() or {}
    assert (len(first["deleted"]), len(second["deleted"])) == (0, 1)
    assert {first["id"], second["id"]} < {row.id for row in stored(app)}


def test_a_run_whose_backup_is_no_good_prunes_nothing(
    make_app: MakeApp, sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, **TWO_DAYS)
    with app.app_context():
        back_up_database()

    def fail(*_: object) -> None:
        raise Unusable("the copy is damaged")

    monkeypatch.setattr(proving.sqlite, "check", fail)
    with app.app_context(), pytest.raises(AegisError, match="damaged"):
        back_up_database()
    assert [row.proven_at is not None for row in stored(app)] == [True, False]


def test_a_run_that_cannot_delete_fails_and_keeps_its_backup(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, **TWO_DAYS)
    settings: Settings = app.extensions["aegis.settings"]
    with app.app_context():
        back_up_database()
        add_to(app, 1)
        file: Path = settings.backup_dir / add_to(app, 2).file_name
        file.unlink()
        file.mkdir()
        with pytest.raises(AegisError, match=r"is made and proven, but .* 1 .* cannot be deleted"):
            back_up_database()
    assert [row.proven_at is not None for row in stored(app)] == [True] * 4
