"""The text beside a backup: handed out like it, copied and gone with it, and never taken for it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pyrage
import pytest
import time_machine
import yaml
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import SYSTEM, AuditEntry
from aegis_web.backups.actions import back_up, delete_backup
from aegis_web.backups.fetching import fetch_backup
from aegis_web.backups.models import Backup
from aegis_web.backups.off_site_copies import copy_all
from aegis_web.backups.proving import prove
from aegis_web.backups.pruning import prune
from aegis_web.backups.uploads import take_in
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.keys import new_identity
from aegis_web.web import working
from tests.backups.conftest import MakeBackup, add_backup_job
from tests.support.applications import EMAIL, PASSWORD, Browser, MakeApp, signed_in
from tests.support.environment import process_environment
from tests.tokens.test_tokens import bearer, make

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up

left = int(sys.argv[1])

def die(event, details):
    global left
    if event == "os.rename" and ".sqlite3.zst" in str(details[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
with create_app().app_context():
    back_up(SYSTEM)
"""
KEY = new_identity()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands still."""
    with time_machine.travel(utc_now(), tick=False) as clock:
        yield clock


def folder_of(app: Flask) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir


def texts_in(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if ".jobs.yaml" in name)


def taken(app: Flask) -> list[tuple[str, str | None, str]]:
    """Who took which text away, as the audit tells it: the actor, the token, the file."""
    wanted = select(AuditEntry).where(AuditEntry.action == "backup.download_text")
    with app.app_context():
        rows = db.session.scalars(wanted.order_by(AuditEntry.id)).all()
        return [(row.actor, row.token, (row.after or {})["file_name"]) for row in rows]


def proven(app: Flask, **facts: object) -> Backup:
    with app.app_context():
        backup = back_up(SYSTEM)
        prove(backup.id, SYSTEM)
        with transaction() as session:
            for name, value in facts.items():
                setattr(session.get_one(Backup, backup.id), name, value)
    return backup


def test_it_is_a_download_of_text(admin: Browser, app: Flask, make_backup: MakeBackup) -> None:
    backup = make_backup()
    path, name = f"/backups/{backup.id}/jobs", f"{backup.file_name}.jobs.yaml"
    assert f'href="{path}"' in admin.get("/backups").text
    head = admin.head(path)
    assert (head.status_code, head.data, taken(app)) == (200, b"", [])
    answer = admin.get(path)
    assert answer.data == (folder_of(app) / name).read_bytes()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert taken(app) == [(EMAIL, None, name)]
    assert "Jobs as text downloaded" in admin.get("/audit").text


def test_it_takes_a_fresh_sign_in_and_lets_nobody_resume_the_backup(
    clock: time_machine.Traveller, admin: Browser, app: Flask, make_backup: MakeBackup
) -> None:
    backup = make_backup()
    path, page = f"/backups/{backup.id}/jobs", f"/backups?text={backup.id}"
    assert admin.get(path).status_code == 200
    clock.shift(timedelta(minutes=11))
    rest = admin.get(f"/backups/{backup.id}/file", headers={"Range": "bytes=9-"})
    assert (rest.status_code, "asks who you are" in rest.text) == (403, True)
    asked = admin.get(path)
    assert (asked.status_code, len(taken(app))) == (303, 1)
    assert asked.headers["Location"] == f"/account/confirm?next=/backups?text%3D{backup.id}"
    assert "Refresh" not in admin.get(page).headers
    admin.post("/account/confirm", data={"password": PASSWORD, "next": page})
    shown = admin.get(page)
    assert shown.headers["Refresh"] == f"0; url={path}"
    assert f"The download of {backup.file_name}.jobs.yaml begins." in shown.text
    token, other = make(admin, "backups:read"), bearer(make(admin, "jobs:run"))
    clock.shift(timedelta(minutes=11))
    assert app.test_client().get(path, headers=bearer(token)).status_code == 200
    assert taken(app)[1][:2] == (EMAIL, token[6:14])
    assert app.test_client().get(path, headers=other).status_code == 403


def change_it(file: Path) -> None:
    file.write_text(file.read_text().replace("jobs:", "jobs: "))


def plant_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/hostname")


@pytest.mark.parametrize("spoil", [Path.unlink, change_it, plant_a_link])
def test_another_text_than_was_written_is_not_handed_out(
    admin: Browser, app: Flask, make_backup: MakeBackup, spoil: Callable[[Path], None]
) -> None:
    backup = make_backup()
    spoil(folder_of(app) / f"{backup.file_name}.jobs.yaml")
    answer = admin.get(f"/backups/{backup.id}/jobs")
    assert (answer.status_code, "There is no text of the jobs" in answer.text) == (404, True)
    assert admin.get(f"/backups/{backup.id}/file").status_code == 200  # the backup is whole


@pytest.mark.parametrize("manifest", [None, {}, {"jobs": None}, {"jobs": "x"}, {"jobs": {}}])
def test_a_backup_of_an_older_release_has_none(
    admin: Browser, app: Flask, make_backup: MakeBackup, manifest: object
) -> None:
    backup = make_backup(manifest=manifest)
    (folder_of(app) / f"{backup.file_name}.jobs.yaml").write_text("planted")
    assert admin.get(f"/backups/{backup.id}/jobs").status_code == 404
    (folder_of(app) / f"{backup.file_name}.jobs.yaml").unlink()
    assert f"/backups/{backup.id}/jobs" not in admin.get("/backups").text
    assert admin.get("/backups/99/jobs").status_code == 404


def test_that_of_a_sealed_backup_is_sealed_and_opened_for_who_may(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=KEY)
    with app.app_context(), transaction() as session:
        add_backup_job(session)
    browser, backup = signed_in(app), proven(app)
    (name,) = texts_in(folder_of(app))
    assert name == f"{backup.file_name}.jobs.yaml.age"
    stored = (folder_of(app) / name).read_bytes()
    assert b"Daily database backup" not in stored
    plain = pyrage.decrypt(stored, [pyrage.x25519.Identity.from_str(KEY)])
    answer = browser.get(f"/backups/{backup.id}/jobs")
    assert answer.data == plain
    assert answer.headers["Content-Disposition"].endswith(f"{backup.file_name}.jobs.yaml")
    assert [job["name"] for job in yaml.safe_load(plain)["jobs"]] == ["Daily database backup"]
    for keys, said in ((new_identity(), "another key"), (None, "AEGIS_BACKUP_KEYS is not set")):
        env = {"AEGIS_BACKUP_KEYS": keys} if keys else {}
        other = make_app(DATABASE_URL=sqlite_database, **env)
        browser = signed_in(other, f"{said[:3]}@example.org")
        refused = browser.get(f"/backups/{backup.id}/jobs")
        assert (refused.status_code // 100, said in refused.text) == (4, True)
    assert len(taken(app)) == 1


def test_it_goes_with_its_backup(app: Flask) -> None:
    first, second = proven(app), proven(app)
    assert len(texts_in(folder_of(app))) == 2
    with app.app_context():
        delete_backup(first.id, SYSTEM)
    assert texts_in(folder_of(app)) == [f"{second.file_name}.jobs.yaml"]


def test_it_goes_off_site_with_its_backup_comes_back_and_leaves(
    make_app: MakeApp, sqlite_database: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    env = {
        "AEGIS_BACKUP_OFF_SITE": f"file://{there}",
        "AEGIS_KEEP_BACKUPS_DAILY": "1",
        "AEGIS_KEEP_BACKUPS_WEEKLY": "0",
        "AEGIS_KEEP_BACKUPS_MONTHLY": "0",
    }
    app = make_app(DATABASE_URL=sqlite_database, **env)
    old = proven(app, made_at=utc_now() - timedelta(days=3))
    newer = proven(app)
    names = {f"{one.file_name}.jobs.yaml" for one in (old, newer)}
    with app.app_context():
        copy_all(SYSTEM)
    assert set(texts_in(there)) == names
    sums = (there / f"{newer.file_name}.sha256").read_text()
    assert [line.split()[1] for line in sums.splitlines()] == [
        newer.file_name,
        f"{newer.file_name}.jobs.yaml",
    ]
    subprocess.run(["sha256sum", "-c", f"{newer.file_name}.sha256"], cwd=there, check=True)
    listed = app.test_cli_runner().invoke(args=["backups", "list"]).output
    assert listed.count("with its jobs as text") == 2
    with app.app_context():
        prune(SYSTEM)
        copy_all(SYSTEM)
    assert texts_in(there) == texts_in(folder_of(app)) == [f"{newer.file_name}.jobs.yaml"]
    content = (there / f"{newer.file_name}.jobs.yaml").read_bytes()
    with app.app_context():
        delete_backup(newer.id, SYSTEM)
        assert texts_in(folder_of(app)) == []
        back = fetch_backup(newer.file_name, SYSTEM)
    assert (folder_of(app) / f"{newer.file_name}.jobs.yaml").read_bytes() == content
    assert signed_in(app).get(f"/backups/{back.id}/jobs").data == content


@pytest.mark.parametrize("spoil", [Path.unlink, change_it])
def test_a_copy_without_its_text_is_fetched_without(
    make_app: MakeApp, sqlite_database: str, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=f"file://{there}")
    backup = proven(app)
    with app.app_context():
        copy_all(SYSTEM)
        delete_backup(backup.id, SYSTEM)
        spoil(there / f"{backup.file_name}.jobs.yaml")
        prove(fetch_backup(backup.file_name, SYSTEM).id, SYSTEM)
    assert texts_in(folder_of(app)) == []


def test_a_backup_whose_text_is_lost_is_copied_all_the_same(
    make_app: MakeApp, sqlite_database: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=f"file://{there}")
    backup = proven(app)
    (folder_of(app) / f"{backup.file_name}.jobs.yaml").unlink()
    with app.app_context():
        assert copy_all(SYSTEM).copied == [backup.file_name]
    assert sorted(os.listdir(there)) == [
        f"{backup.file_name}{suffix}" for suffix in ("", ".json", ".sha256")
    ]


def test_who_uploads_the_text_is_told_which_file_to_take(
    admin: Browser, app: Flask, make_backup: MakeBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "AT_ONCE_SECONDS", 60)
    backup = make_backup()
    content = (folder_of(app) / f"{backup.file_name}.jobs.yaml").read_bytes()
    bare = content.split(b"\n\n", 1)[1]
    for sent, said in (
        (content, f"take the backup beside it, {backup.file_name}."),
        (b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"), f"beside it, {backup.file_name}."),
        (bare, "whose name is the same without .jobs.yaml"),
        (content.replace(backup.file_name.encode(), b"../x"), "without .jobs.yaml"),
    ):
        data = {"file": (BytesIO(sent), "jobs.yaml")}
        answer = admin.post("/backups/uploads", data=data)
        assert (answer.status_code // 100, said in answer.text) == (4, True), sent
    with app.app_context():
        assert db.session.query(Backup).count() == 1


def test_a_sealed_text_is_known_too(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=KEY)
    backup = proven(app)
    file = folder_of(app) / f"{backup.file_name}.jobs.yaml.age"
    with (
        app.app_context(),
        file.open("rb") as source,
        pytest.raises(AegisError, match=f"beside it, {backup.file_name}"),
    ):
        take_in(source, SYSTEM, made_at=None)


def test_an_upload_has_a_text_of_its_own(app: Flask, make_backup: MakeBackup) -> None:
    with app.app_context(), transaction() as session:
        add_backup_job(session)
    first = make_backup()
    with app.app_context(), transaction() as session:
        session.scalars(select(Job)).one().name = "changed since"
    with app.app_context(), (folder_of(app) / first.file_name).open("rb") as source:
        made = take_in(source, SYSTEM, made_at=None)
    texts = [(folder_of(app) / f"{one.file_name}.jobs.yaml").read_text() for one in (first, made)]
    assert f"# Backup: {made.file_name}\n" in texts[1]
    assert texts[0].split("\n\n", 1)[1] == texts[1].split("\n\n", 1)[1]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_kill_leaves_no_text_that_counts(
    app: Flask, data_dir: Path, backup_dir: Path, step: int
) -> None:
    """Killed right before the text, the manifest or the backup gets its name."""
    env = process_environment(data_dir)
    command = [sys.executable, "-c", KILLED, str(step)]
    assert subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == -9
    assert signed_in(app).get("/backups").text.count("Jobs as text") == 0
    assert "There is no backup" in app.test_cli_runner().invoke(args=["backups", "list"]).output
    left = [name for name in os.listdir(backup_dir) if not name.endswith(".partial")]
    assert len(left) == step - 1
    for name in os.listdir(backup_dir):
        os.utime(backup_dir / name, (1, time.time() - 60))
    backup = proven(app)
    assert sorted(os.listdir(backup_dir)) == [
        f"{backup.file_name}{suffix}" for suffix in ("", ".jobs.yaml", ".json")
    ]


def test_the_command_line_prints_it(app: Flask, make_backup: MakeBackup) -> None:
    run = app.test_cli_runner().invoke
    assert "No backup has been made here yet" in run(args=["backups", "jobs"]).output
    first, second = make_backup(), make_backup()
    newest = run(args=["backups", "jobs"])
    assert newest.output == (folder_of(app) / f"{second.file_name}.jobs.yaml").read_text()
    named = run(args=["backups", "jobs", first.file_name])
    assert f"# Backup: {first.file_name}\n" in named.output
    assert "is no backup in the list" in run(args=["backups", "jobs", "x"]).output
    assert [actor for actor, *_ in taken(app)] == ["command line"] * 2
