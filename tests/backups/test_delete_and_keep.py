"""Deleting backups: one by hand, the old ones after a new one; rows and files together."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.audit.models import SYSTEM, Actor, AuditEntry
from aegis_web.backups.actions import delete_backup, keep_newest
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.extensions import db
from aegis_web.services.back_up_database import back_up_database
from tests.backups.conftest import MakeBackup, stored
from tests.support.applications import MakeApp

ALICE = Actor("alice@example.org", 1)
NIGHT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.suffix != ".json"}


def actions_of(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        entries = db.session.query(AuditEntry).order_by(AuditEntry.id).all()
        db.session.close()
    return [(entry.actor, entry.action, entry.subject) for entry in entries]


def test_deleting_removes_the_row_and_the_file(
    app: Flask, make_backup: MakeBackup, backup_dir: Path
) -> None:
    first, second = make_backup(), make_backup()
    with app.app_context():
        assert delete_backup(first.id, ALICE) == first.file_name
    assert [row.id for row in stored(app)] == [second.id]
    assert names(backup_dir) == {second.file_name}
    assert actions_of(app)[-1] == (ALICE.name, "backup.delete", f"backup:{first.id}")


def test_deleting_twice_says_that_it_is_gone(app: Flask, make_backup: MakeBackup) -> None:
    backup = make_backup()
    with app.app_context():
        delete_backup(backup.id, ALICE)
        with pytest.raises(NotFound, match="not there any more"):
            delete_backup(backup.id, ALICE)


def test_a_backup_whose_file_is_gone_can_be_deleted(
    app: Flask, make_backup: MakeBackup, backup_dir: Path
) -> None:
    backup = make_backup()
    (backup_dir / backup.file_name).unlink()
    with app.app_context():
        delete_backup(backup.id, ALICE)
    backup_dir.rmdir()  # its manifest went with it
    backup = make_backup()
    shutil.rmtree(backup_dir)
    with app.app_context():
        delete_backup(backup.id, ALICE)
    assert stored(app) == []


def test_a_file_that_cannot_be_deleted_stays_in_the_list(
    app: Flask, make_backup: MakeBackup, backup_dir: Path
) -> None:
    backup = make_backup()
    (backup_dir / backup.file_name).unlink()
    (backup_dir / backup.file_name).mkdir()  # as root, too, cannot be unlinked
    with app.app_context(), pytest.raises(AegisError, match="cannot be deleted"):
        delete_backup(backup.id, ALICE)
    assert [row.id for row in stored(app)] == [backup.id]


@pytest.mark.parametrize(
    "name", ["../canary", "/etc/passwd", "aegis.db", "", ".", "..", "aegis-\x00.dump"]
)
def test_a_row_with_a_foreign_name_deletes_nothing(
    app: Flask, make_backup: MakeBackup, backup_dir: Path, name: str
) -> None:
    canary = backup_dir.parent / "canary"
    canary.write_text("alive")
    backup = make_backup(file_name=name)
    with app.app_context(), pytest.raises(Conflict, match="nothing was deleted"):
        delete_backup(backup.id, ALICE)
    assert canary.read_text() == "alive"
    assert len(stored(app)) == 1


def test_a_planted_link_is_deleted_and_not_what_it_leads_to(
    app: Flask, make_backup: MakeBackup, backup_dir: Path
) -> None:
    canary = backup_dir.parent / "canary"
    canary.write_text("alive")
    for plant in (Path.symlink_to, Path.hardlink_to):
        backup = make_backup()
        file = backup_dir / backup.file_name
        file.unlink()
        plant(file, canary)
        with app.app_context():
            delete_backup(backup.id, ALICE)
        assert canary.read_text() == "alive"
        assert names(backup_dir) == set()


def test_only_the_newest_are_kept(app: Flask, make_backup: MakeBackup, backup_dir: Path) -> None:
    nights = [make_backup(made_at=NIGHT + timedelta(days=day)) for day in (3, 1, 2, 0)]
    foreign = backup_dir / "aegis-20260101T000000.000000Z-0123456789ab.sqlite3"
    foreign.write_text("a copy that this database knows nothing of")
    with app.app_context():
        deleted = keep_newest(2, SYSTEM)
    assert deleted == [nights[1].file_name, nights[3].file_name]
    assert names(backup_dir) == {nights[0].file_name, nights[2].file_name, foreign.name}
    assert [action for _, action, _ in actions_of(app)].count("backup.prune") == 2


def test_the_service_function_keeps_as_many_as_it_is_told(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_KEEP_BACKUPS="3")
    with app.app_context():
        results = [back_up_database() for _ in range(4)]
    assert [len((result or {})["deleted"]) for result in results] == [0, 0, 0, 1]
    with app.app_context():
        last = back_up_database(keep=1) or {}
    assert len(last["deleted"]) == 3
    assert [row.file_name for row in stored(app)] == [last["file_name"]]


def test_a_failed_backup_deletes_no_old_one(
    app: Flask, make_backup: MakeBackup, backup_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_backup()

    def fail(*_: object) -> None:
        raise AegisError("the copy is damaged")

    monkeypatch.setattr("aegis_web.backups.sqlite.check", fail)
    with app.app_context(), pytest.raises(AegisError, match="damaged"):
        back_up_database(keep=1)
    assert len(stored(app)) == len(names(backup_dir)) == 4  # the new one stays too, unproven
