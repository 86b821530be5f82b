"""The proof: a backup counts only after it was restored whole into a scratch database."""

import hashlib
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyrage
import pytest
import zstandard
from flask import Flask
from sqlalchemy import Connection, select, text

from aegis_web.audit.models import SYSTEM, AuditEntry, audit_entry
from aegis_web.audit.queries import head
from aegis_web.backups import proving
from aegis_web.backups.actions import back_up, delete_backup
from aegis_web.backups.copies import Unusable, Watch
from aegis_web.backups.models import Backup
from aegis_web.backups.proving import proof_failed, prove, prove_all
from aegis_web.config import Settings
from aegis_web.errors import AegisError, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.keys import key_id, new_identity
from tests.backups.conftest import MakeBackup, add_backup_job, stored
from tests.support.applications import MakeApp

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


def folder_of(app: Flask) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir


def made(app: Flask) -> Backup:
    with app.app_context(), transaction() as session:
        add_backup_job(session)
    with app.app_context():
        return back_up(SYSTEM)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_app(request: pytest.FixtureRequest, make_app: MakeApp, sqlite_database: str) -> Flask:
    if request.param == "sqlite":
        return make_app(DATABASE_URL=sqlite_database)
    request.getfixturevalue("postgres_client")
    return make_app(DATABASE_URL=request.getfixturevalue("pg_url"))


def test_it_is_restored_and_compared_and_written_down(any_app: Flask) -> None:
    backup = made(any_app)
    assert stored(any_app)[0].proven_at is None
    with any_app.app_context():
        prove(backup.id, SYSTEM)
        row = db.session.get(Backup, backup.id)
        assert row.contents["jobs"][0][1] == "database_backup"
        assert row.contents["rows"]["jobs"] == 1
        assert row.manifest["rows"] == row.contents["rows"]
        entry = db.session.scalar(select(AuditEntry).filter_by(action="backup.prove"))
        db.session.close()
    assert row.proven_at is not None
    assert row.proof_error is None
    assert entry.after["file_name"] == backup.file_name
    left = [name for name in os.listdir(folder_of(any_app)) if "partial" in name]
    assert left == []


def test_the_head_of_the_audit_is_that_of_the_copy(any_app: Flask) -> None:
    def report(done: float, total: float | None, message: str) -> None:
        with transaction() as session:
            session.add(audit_entry(SYSTEM, "job.run", "job:1", None, None))

    made(any_app)  # which writes the first rows of the audit
    with any_app.app_context():
        before = str(head())
        db.session.close()
        backup = back_up(SYSTEM, watch=Watch(report=report, asked_to_stop=lambda: False))
        assert str(head()) != before
        db.session.close()
    assert backup.manifest["audit_head"] == before


def test_without_a_client_the_rows_alone_are_copied_and_proven(
    make_app: MakeApp, pg_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(DATABASE_URL=pg_url)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("aegis_web.backups.postgres.USUAL_FOLDERS", ())
    backup = made(app)
    assert backup.file_name.endswith(".copy.zst")
    assert backup.database.endswith(", rows alone")
    with app.app_context():
        prove(backup.id, SYSTEM)
    file = folder_of(app) / backup.file_name
    lines = zstandard.decompress(file.read_bytes(), max_output_size=10**7).splitlines(True)
    short = zstandard.compress(b"".join(lines[:-1]))
    file.write_bytes(short)
    with app.app_context(), transaction() as session:
        session.get_one(Backup, backup.id).sha256 = hashlib.sha256(short).hexdigest()
    with app.app_context(), pytest.raises(Unusable, match="ends too early"):
        prove(backup.id, SYSTEM)


def test_rows_alone_are_copied_though_their_jobs_cannot_be_told(
    make_app: MakeApp, pg_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask_wrongly(connection: Connection, name: str) -> Any:
        return connection.execute(text(f"SELECT nothing FROM {name}")).all()

    app = make_app(DATABASE_URL=pg_url)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("aegis_web.backups.postgres.USUAL_FOLDERS", ())
    monkeypatch.setattr("aegis_web.backups.jobs_text.rows_of", ask_wrongly)
    backup = made(app)
    assert backup.manifest is not None
    assert backup.manifest["jobs"] is None
    with app.app_context():
        prove(backup.id, SYSTEM)


DAMAGES = {
    "one bit": (lambda content: flipped(content, len(content) // 2), "SHA-256|damaged"),
    "its beginning": (lambda content: flipped(content, 0), "SHA-256"),
    "cut short": (lambda content: content[:-7], "cut short"),
    "longer": (lambda content: content + b"x", "follows its end|damaged"),
    "empty": (lambda content: b"", "empty"),
}


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_whatever_happens_to_a_file_is_found(app: Flask, make_backup: MakeBackup) -> None:
    backup = make_backup()
    file = folder_of(app) / backup.file_name
    content = file.read_bytes()
    heard: list[object] = []

    def hear(sender: object) -> None:
        heard.append(sender)

    with app.app_context(), proof_failed.connected_to(hear):
        for spoil, problem in DAMAGES.values():
            file.write_bytes(spoil(content))
            with pytest.raises(Unusable, match=problem):
                prove(backup.id, SYSTEM)
            row = stored(app)[0]
            assert row.proven_at is None
            assert row.proof_error
        file.write_bytes(content)
        prove(backup.id, SYSTEM)
    row = stored(app)[0]
    assert (row.proof_error, row.proven_at is not None) == (None, True)
    assert heard == [backup.id] * len(DAMAGES)


def deleting(backup: Backup) -> Watch:
    """A watch that deletes a backup while something is read."""

    def report(*_: object) -> None:
        with suppress(NotFound):
            delete_backup(backup.id, SYSTEM)

    return Watch(report=report, asked_to_stop=lambda: False)


def test_one_that_is_deleted_meanwhile_is_not_called_no_good(
    app: Flask, make_backup: MakeBackup
) -> None:
    first, second, third = make_backup(), make_backup(), make_backup()
    heard: list[object] = []

    def hear(sender: object) -> None:
        heard.append(sender)

    with app.app_context(), proof_failed.connected_to(hear):
        assert prove_all(SYSTEM, deleting(second)) == ([third.file_name, first.file_name], {})
        (folder_of(app) / first.file_name).write_bytes(b"")
        with pytest.raises(NotFound, match="there is no more"):
            prove(first.id, SYSTEM, deleting(first))
    assert heard == []


def test_rows_that_were_changed_before_the_copy_was_packed_are_found(
    app: Flask, make_backup: MakeBackup, tmp_path: Path
) -> None:
    """As a disk would that loses writes: the file is sound and holds something else."""
    with app.app_context(), transaction() as session:
        add_backup_job(session)
    for change, problem in (
        ("DELETE FROM jobs", "table job|refers"),
        ("UPDATE jobs SET name = 'another'", "rows of table jobs"),
        ("UPDATE alembic_version SET version_num = '0001'", "schema is 0001"),
        ("UPDATE job_versions SET job_id = 77", "refers to one of jobs"),
    ):
        backup = make_backup()
        file = folder_of(app) / backup.file_name
        database = tmp_path / "plain"
        database.write_bytes(zstandard.decompress(file.read_bytes(), max_output_size=10**7))
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(change)
        packed = zstandard.compress(database.read_bytes())
        file.write_bytes(packed)
        with app.app_context(), transaction() as session:
            row = session.get_one(Backup, backup.id)
            row.sha256 = hashlib.sha256(packed).hexdigest()
        with app.app_context(), pytest.raises(Unusable, match=problem):
            prove(backup.id, SYSTEM)


def test_an_encrypted_one_needs_its_key(make_app: MakeApp, sqlite_database: str) -> None:
    old, new = new_identity(), new_identity()
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=old)
    backup = made(app)
    assert backup.file_name.endswith(".sqlite3.zst.age")
    assert backup.manifest["keys"]["backup"] == key_id(old)
    content = (folder_of(app) / backup.file_name).read_bytes()
    beside = (folder_of(app) / f"{backup.file_name}.json").read_text()
    assert old not in beside
    plain = pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(old)])
    assert zstandard.decompress(plain, max_output_size=10**7).startswith(b"SQLite format 3")
    with app.app_context():
        prove(backup.id, SYSTEM)
    for keys, problem in (("", "AEGIS_BACKUP_KEYS is not set"), (new, "another key than those")):
        other = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=keys)
        with other.app_context(), pytest.raises(Unusable, match=problem) as raised:
            prove(backup.id, SYSTEM)
        assert new not in str(raised.value)
    with make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=f"{new},{old}").app_context():
        prove(backup.id, SYSTEM)


def test_a_small_file_that_claims_to_be_huge_fills_no_disk(
    app: Flask, make_backup: MakeBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make_backup()
    bomb = zstandard.compress(b"\0" * (1 << 26), level=19)
    assert len(bomb) < 10_000
    (folder_of(app) / backup.file_name).write_bytes(bomb)
    free = proving.SPARE_BYTES + 1_000_000
    monkeypatch.setattr(proving, "disk_usage", lambda _: type("U", (), {"free": free}))
    with app.app_context(), pytest.raises(AegisError, match=r"more than 1.000.000 bytes"):
        prove(backup.id, SYSTEM)
    assert stored(app)[0].proof_error is None  # it was not tried
