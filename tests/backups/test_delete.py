"""Deleting a backup by hand: its row and its files together."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from aegis_web.audit.models import Actor, AuditEntry
from aegis_web.backups.actions import delete_backup
from aegis_web.clock import utc_now
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.extensions import db
from tests.backups.conftest import MakeBackup, stored
from tests.support.applications import PASSWORD, Browser

ALICE = Actor("alice@example.org", 1)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.suffix not in (".json", ".yaml")}


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


def test_it_takes_a_fresh_sign_in(app: Flask, admin: Browser, make_backup: MakeBackup) -> None:
    backup = make_backup()
    delete = f"/backups/{backup.id}/delete"
    with time_machine.travel(utc_now() + timedelta(minutes=12), tick=False):
        refused = admin.post(delete)
        assert refused.status_code == 303
        assert "Nothing is deleted yet." in admin.get(refused.headers["Location"]).text
        assert len(stored(app)) == 1
        fields = {"password": PASSWORD, "next": "/backups"}
        assert admin.post("/account/confirm", data=fields).headers["Location"] == "/backups"
        assert admin.post(delete).headers["Location"] == "/backups"
    assert stored(app) == []
