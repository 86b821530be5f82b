"""The backup as a run: declared from the first start, made by a real engine, in the history."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import Actor
from aegis_web.backups.actions import JOB_KEY, request_backup
from aegis_web.config import Settings
from aegis_web.engine.scheduler import start_engine
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import Run, RunDetails, RunLog, RunStatus
from tests.backups.conftest import plain, stored
from tests.support.applications import Browser, MakeApp, signed_in
from tests.support.clocks import wait_until

ALICE = Actor("alice@example.org", 1)
KEY = "0123456789abcdef" * 2


@pytest.fixture
def running_app(make_app: MakeApp, sqlite_database: str) -> Iterator[Flask]:
    """The application with its engine running."""
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_TIMEZONE="Europe/Berlin")
    engine = start_engine(app)
    yield app
    engine.shutdown(wait=True)


def ended(app: Flask, run_id: int) -> Run | None:
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, run_id)
    return run if run.status >= RunStatus.SUCCEEDED else None


def test_the_first_start_declares_it_daily_at_two(running_app: Flask) -> None:
    with running_app.app_context():
        job = db.session.scalar(select(Job).where(Job.key == JOB_KEY))
        db.session.close()
    assert job.trigger["fields"] == {"hour": "2", "minute": "0"}
    assert (job.zone, job.state, job.service) == (
        "Europe/Berlin",
        JobState.ACTIVE,
        "back_up_database",
    )
    assert job.name == "Daily database backup"
    assert job.problem is None


def test_where_nothing_is_kept_there_is_no_such_job(make_app: MakeApp) -> None:
    app = make_app(AEGIS_COMPONENTS="scheduler")
    engine = start_engine(app, paused=True)
    try:
        with app.app_context():
            keys = db.session.scalars(select(Job.key)).all()
            db.session.close()
    finally:
        engine.shutdown(wait=True)
    assert JOB_KEY not in keys
    assert app.extensions["aegis.registry"].find("back_up_database") is None


def test_the_job_that_copies_off_site_comes_and_goes_with_its_setting(
    make_app: MakeApp, sqlite_database: str, tmp_path: Path
) -> None:
    def jobs_with(**env: str) -> list[tuple[bool, str | None]]:
        app = make_app(DATABASE_URL=sqlite_database, **env)
        start_engine(app, paused=True).shutdown(wait=True)
        with app.app_context():
            query = select(Job).where(Job.key == "off_site_copy", Job.deleted_at.is_(None))
            found = [(job.declared, job.problem) for job in db.session.scalars(query)]
            db.session.close()
        return found

    there = tmp_path / "elsewhere"
    there.mkdir()
    place = {"AEGIS_BACKUP_OFF_SITE": f"file://{there}"}
    assert jobs_with(**place) == [(True, None)]
    assert jobs_with() == []
    assert jobs_with(**place) == [(True, None)]


def test_back_up_now_makes_a_proven_backup_with_log_and_result(
    running_app: Flask, tmp_path: Path
) -> None:
    registry = running_app.extensions["aegis.registry"]
    with running_app.app_context():
        run_id = request_backup(ALICE, registry, KEY) or 0
        again = request_backup(ALICE, registry, KEY)
    assert again == run_id
    run = wait_until(lambda: ended(running_app, run_id), 60)
    assert (run.status, run.error) == (RunStatus.SUCCEEDED, None)
    backup = stored(running_app)[0]
    assert backup.proven_at is not None
    assert (backup.run_id, backup.made_by) == (run_id, ALICE.name)
    with running_app.app_context():
        details = db.session.get_one(RunDetails, run_id)
        pieces = db.session.scalars(select(RunLog).where(RunLog.run_id == run_id)).all()
        db.session.close()
    assert backup.sha256 in details.result
    assert pieces
    settings: Settings = running_app.extensions["aegis.settings"]
    file: Path = settings.backup_dir / backup.file_name
    with closing(sqlite3.connect(plain(file, tmp_path / "plain"))) as connection:
        keys = {key for (key,) in connection.execute("SELECT key FROM jobs")}
    assert JOB_KEY in keys


def test_the_page_shows_what_the_button_has_made(running_app: Flask) -> None:
    browser = signed_in(running_app)
    assert browser.post("/backups", data={"request_key": KEY}).status_code == 303
    page = wait_until(
        lambda: (text := browser.get("/backups").text) and "/file" in text and text, seconds=15
    )
    assert "alice@example.org" in str(page)


def test_a_failure_is_a_failed_run_with_the_cure(running_app: Flask) -> None:
    settings: Settings = running_app.extensions["aegis.settings"]
    settings.backup_dir.write_text("in the way")
    with running_app.app_context():
        run_id = request_backup(ALICE, running_app.extensions["aegis.registry"], KEY) or 0
    run = wait_until(lambda: ended(running_app, run_id), 60)
    assert run.status == RunStatus.FAILED
    assert "AEGIS_BACKUP_DIR" in str(run.error)
    assert "The backup job failed" in signed_in(running_app).get("/backups").text


def test_why_the_job_is_broken_is_said_in_the_language_of_the_reader(
    app: Flask, admin: Browser, backup_job: int
) -> None:
    with app.app_context(), transaction() as session:
        broken = session.get_one(Job, backup_job)
        broken.service, broken.problem = "gone", "no service function is called gone"
    german = {"Accept-Language": "de"}
    page = admin.get("/backups", headers=german).text
    refused = admin.post("/backups", data={"request_key": KEY}, headers=german).text
    for text in (page, refused):
        assert "keine Funktion heißt gone" in text
        assert "no service function" not in text
