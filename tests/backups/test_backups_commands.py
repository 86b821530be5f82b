"""`flask backups list`, `fetch` and `copy`: the bad day, and the day before."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from aegis_web.accounts.models import Account
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up, delete_backup
from aegis_web.backups.models import FETCHED, SAFETY
from aegis_web.backups.off_site_status import off_site_status
from aegis_web.backups.proving import prove
from aegis_web.backups.uploads import take_in
from aegis_web.cli.restore_words import named
from aegis_web.config import settings
from aegis_web.config_values import sqlite_url
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.keys import key_id, new_identity
from aegis_web.runs.models import Run, RunStatus
from tests.backups.conftest import add_backup_job, stored
from tests.support.applications import MakeApp, make_admin
from tests.support.buckets import Bucket
from tests.support.environment import process_environment
from tests.support.servers import ROOT

KEY = new_identity()
NIGHT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
LAST = NIGHT + timedelta(days=200)  # whatever is later, the restore has written down


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, bucket: Bucket) -> Flask:
    return make_app(
        DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=bucket.url, AEGIS_BACKUP_KEYS=KEY
    )


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["backups", *arguments])


def proven(app: Flask) -> str:
    with app.app_context():
        backup = back_up(SYSTEM)
        prove(backup.id, SYSTEM)
    return backup.file_name


def folder_of(app: Flask) -> Path:
    with app.app_context():
        return settings().backup_dir


def test_copy_then_list_then_everything_is_lost_and_fetched(
    app: Flask, make_app: MakeApp, tmp_path: Path, bucket: Bucket
) -> None:
    name = proven(app)
    assert f"{name}  here  " in run(app, "list").output
    assert run(app, "copy").output == f"{name}: copied\n"
    assert run(app, "copy").output == "Nothing was waiting.\n"
    assert f"{name}  here + off-site  proven" in run(app, "list").output
    content = (folder_of(app) / name).read_bytes()
    fresh = make_app(
        DATABASE_URL=sqlite_url(tmp_path / "fresh.db"),
        AEGIS_BACKUP_OFF_SITE=bucket.url,
        AEGIS_BACKUP_DIR=str(tmp_path / "new" / "backups"),
        AEGIS_BACKUP_KEYS=KEY,
    )
    assert f"{name}  off-site  proven when copied  " in run(fresh, "list").output
    fetched = run(fresh, "fetch", name)
    assert fetched.exit_code == 0, fetched.output
    assert "Proven in" in fetched.output
    backup = stored(fresh)[0]
    assert (backup.file_name, backup.origin) == (name, FETCHED)
    assert backup.proven_at
    assert backup.made_at == stored(app)[0].made_at
    assert (folder_of(fresh) / name).read_bytes() == content
    assert json.loads((folder_of(fresh) / f"{name}.json").read_text())["file"] == name
    assert (folder_of(fresh) / f"{name}.jobs.yaml.age").stat().st_size > 0
    assert "  from off-site, with its jobs as text\n" in run(fresh, "list").output
    with fresh.app_context():
        assert off_site_status(settings()).there == 1
        db.session.close()
    (folder_of(fresh) / name).write_bytes(b"another")
    again = run(fresh, "fetch", name)
    assert (again.exit_code, "is here already" in again.output) == (1, True)


def test_the_list_has_a_heading_columns_dates_and_origins(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        back_up(SYSTEM, origin=SAFETY)
        taken = Path(shutil.copy(folder_of(app) / stored(app)[0].file_name, tmp_path))
        with taken.open("rb") as file:
            take_in(file, SYSTEM, made_at=NIGHT)
    proven(app)
    heading, *lines = run(app, "list").output.splitlines()
    assert heading.split() == ["File", "Where", "Proof", "Size", "Made", "at", "Age", "Remarks"]
    columns = [heading.index(word) for word in ("Where", "Proof", "Made", "Remarks")]
    assert all(line[at - 1] == " " != line[at] for line in lines for at in columns)
    remarks = [line[columns[-1] :].split(",")[0] for line in lines]
    assert remarks == ["with its jobs as text", "from elsewhere", "before a restore"]
    assert "  Tue 10 Mar 2026, 02:00 UTC  " in lines[1]


def test_who_had_the_wrong_key_fetches_it_with_the_right_one(
    app: Flask, make_app: MakeApp, tmp_path: Path, bucket: Bucket
) -> None:
    name = proven(app)
    run(app, "copy")
    for key, status, said in ((new_identity(), 1, "another key"), (KEY, 0, "Proven in")):
        fresh = make_app(
            DATABASE_URL=sqlite_url(tmp_path / "fresh.db"),
            AEGIS_BACKUP_OFF_SITE=bucket.url,
            AEGIS_BACKUP_DIR=str(tmp_path / "new" / "backups"),
            AEGIS_BACKUP_KEYS=key,
        )
        fetched = run(fresh, "fetch", name)
        assert (fetched.exit_code, said in fetched.output) == (status, True), fetched.output
    (backup,) = stored(fresh)
    assert (backup.proven_at is not None, backup.proof_error) == (True, None)


def test_a_lost_machine_comes_back_from_off_site_with_every_row(
    app: Flask, make_app: MakeApp, tmp_path: Path, bucket: Bucket
) -> None:
    with app.app_context(), transaction() as session:
        job_id = add_backup_job(session)
        for number in range(200):
            at = NIGHT + timedelta(days=number)
            session.add(Run(job_id=job_id, status=RunStatus.SUCCEEDED, fire_at=at, queued_at=at))
    with app.app_context():
        make_admin()
    name = proven(app)
    run(app, "copy")
    there = rows_of(app)
    fresh = make_app(
        DATABASE_URL=sqlite_url(tmp_path / "fresh.db"),
        AEGIS_BACKUP_OFF_SITE=bucket.url,
        AEGIS_BACKUP_DIR=str(tmp_path / "new" / "backups"),
        AEGIS_BACKUP_KEYS=KEY,
    )
    done = run(fresh, "restore", name, "--yes")
    assert done.exit_code == 0, done.output
    assert len(there["runs"]) == 200
    assert rows_of(fresh) == there


def rows_of(app: Flask) -> dict[str, list[object]]:
    """What must not be lost, by table."""
    queries = {
        "jobs": select(Job.id, Job.key, Job.name, Job.trigger),
        "runs": select(Run.id, Run.job_id, Run.fire_at, Run.status).where(Run.fire_at < LAST),
        "accounts": select(Account.id, Account.email, Account.password),
    }
    with app.app_context(), transaction() as session:
        return {
            name: [tuple(row) for row in session.execute(query.order_by("id"))]
            for name, query in queries.items()
        }


def test_a_lost_file_comes_back_to_its_row(app: Flask) -> None:
    name = proven(app)
    run(app, "copy")
    shutil.rmtree(folder_of(app))
    assert f"{name}  off-site  proven  " in run(app, "list").output
    assert run(app, "fetch", name).exit_code == 0
    assert [backup.file_name for backup in stored(app)] == [name]
    assert "here + off-site" in run(app, "list").output


@pytest.mark.parametrize("name", ["nothing", "../../etc/passwd", ""])
def test_a_name_that_is_not_there_is_said(app: Flask, name: str) -> None:
    answer = run(app, "fetch", name)
    assert answer.exit_code == 1
    assert "flask backups list" in answer.output


def test_a_damaged_copy_is_refused_and_leaves_nothing(app: Flask, bucket: Bucket) -> None:
    name = proven(app)
    run(app, "copy")
    with app.app_context():
        delete_backup(stored(app)[0].id, SYSTEM)
    key = f"nightly/shop/{name}"
    bucket.objects[key] = bytes([bucket.objects[key][0] ^ 1]) + bucket.objects[key][1:]
    answer = run(app, "fetch", name)
    assert (answer.exit_code, "another SHA-256" in answer.output) == (1, True)
    assert stored(app) == []
    assert list(folder_of(app).iterdir()) == []


@pytest.mark.parametrize("wanted", ["rows", "made_at", "database"])
def test_a_manifest_that_says_too_little_is_refused(
    app: Flask, bucket: Bucket, wanted: str
) -> None:
    name = proven(app)
    run(app, "copy")
    with app.app_context():
        delete_backup(stored(app)[0].id, SYSTEM)
    key = f"nightly/shop/{name}.json"
    manifest = json.loads(bucket.objects[key])
    del manifest[wanted]
    bucket.objects[key] = json.dumps(manifest).encode()
    answer = run(app, "fetch", name)
    if wanted == "rows":  # as those of older releases
        assert answer.exit_code == 0, answer.output
    else:
        assert (answer.exit_code, wanted in answer.output) == (1, True)


def test_a_place_that_fails_still_lists_what_is_here(app: Flask, bucket: Bucket) -> None:
    name = proven(app)
    bucket.exists = False
    answer = run(app, "list")
    assert answer.exit_code == 1
    assert f"{name}  here  " in answer.output
    assert "There is no s3://copies" in answer.output
    assert run(app, "copy").exit_code == 1


def test_making_a_key_needs_no_setting_and_makes_no_folder(tmp_path: Path) -> None:
    env = process_environment(tmp_path / "none", AEGIS_BACKUP_KEYS="not one yet")
    command = (sys.executable, "-m", "flask", "--app", "app", "backups", "key")
    made = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert made.stdout.startswith("AGE-SECRET-KEY-1")
    assert made.stderr == f"# Its id is {key_id(made.stdout.strip())}, by which backups name it.\n"
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_it_says_what_to_set(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database)
    assert run(app, "list").output == "There is no backup.\n"
    for arguments in (("copy",), ("fetch", "x")):
        answer = run(app, *arguments)
        assert (answer.exit_code, "AEGIS_BACKUP_OFF_SITE" in answer.output) == (1, True)


def test_names_of_jobs_steer_no_terminal_and_fill_no_screen() -> None:
    assert named(["one", "two\x1b[2J\r"]) == "one, two[2J"
    assert named([str(number) for number in range(21)]).endswith(", 18, 19 …")
