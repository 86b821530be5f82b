"""What the Backups page, the Overview and the System page say of copies off-site."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, select

from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.backups.models import Backup, CopyState, OffSiteCopy
from aegis_web.backups.off_site_copies import JOB_KEY, copy_all, waiting
from aegis_web.backups.off_site_status import off_site_status
from aegis_web.backups.proving import prove
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine.scheduler import start_engine
from aegis_web.errors import AegisError
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import Run, RunStatus
from tests.support.applications import Browser, MakeApp, signed_in
from tests.support.buckets import Bucket
from tests.support.environment import ENCRYPTION_KEY, SECRET_KEY

KEY = "0123456789abcdef" * 2
PLATFORM = {
    "DYNO": "web.1",
    "SECRET_KEY": SECRET_KEY,
    "AEGIS_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    "AEGIS_ALLOWED_HOSTS": "*",
    "AEGIS_ALLOW_HTTP": "1",
}


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, there: Path) -> Flask:
    """With a place off-site, a proven backup, and the jobs of code."""
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=f"file://{there}")
    start_engine(app, paused=True).shutdown(wait=True)
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
    return app


def copy(app: Flask) -> None:
    with app.app_context():
        copy_all(SYSTEM)


def end_runs(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        for run in session.scalars(select(Run)):
            run.status = RunStatus.SUCCEEDED


def runs_of_copying(app: Flask) -> list[Run]:
    with app.app_context(), transaction() as session:
        query = select(Run).join(Job, Job.id == Run.job_id).where(Job.key == JOB_KEY)
        return list(session.scalars(query))


def test_it_says_where_the_copies_go_and_how_they_stand(app: Flask, there: Path) -> None:
    browser = signed_in(app)
    before = browser.get("/backups").text
    assert f"file://{there}" in before
    assert "Not off-site yet" in before
    assert "none yet" in before
    copy(app)
    done = browser.get("/backups").text
    assert "Off-site <time" in done
    assert "none yet" not in done
    assert "copied off-site" not in browser.get("/").text


def test_copy_now_asks_for_one_run(app: Flask) -> None:
    browser = signed_in(app)
    end_runs(app)
    for _number in range(2):
        answer = browser.post("/backups/off-site", data={"request_key": KEY})
        assert (answer.status_code, answer.location) == (303, "/backups")
    run = runs_of_copying(app)[-1]
    assert (run.requested_by, run.status) == ("alice@example.org", RunStatus.QUEUED)
    assert len(runs_of_copying(app)) == 2
    browser.post("/backups/off-site", data={"request_key": KEY[::-1]})
    assert len(runs_of_copying(app)) == 2
    assert "about to be made already" in browser.get("/backups").text


def test_copy_now_is_refused_where_it_cannot_be(
    app: Flask, make_app: MakeApp, sqlite_database: str
) -> None:
    browser = signed_in(app)
    assert browser.post("/backups/off-site", data={"request_key": "x"}).status_code == 422
    with app.app_context(), transaction() as session:
        session.scalars(select(Job).where(Job.key == JOB_KEY)).one().problem = "no function"
    broken = browser.post("/backups/off-site", data={"request_key": KEY})
    assert (broken.status_code, "is broken" in broken.text) == (409, True)
    without = signed_in(make_app(DATABASE_URL=sqlite_database), "bob@example.org")
    answer = without.post("/backups/off-site", data={"request_key": KEY})
    assert (answer.status_code, "AEGIS_BACKUP_OFF_SITE" in answer.text) == (404, True)
    assert len(runs_of_copying(app)) == 1


def test_a_paused_job_is_not_asked_by_a_proof(app: Flask) -> None:
    end_runs(app)
    with app.app_context(), transaction() as session:
        session.scalars(select(Job).where(Job.key == JOB_KEY)).one().state = JobState.PAUSED
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
    assert len(runs_of_copying(app)) == 1


def test_a_failure_is_said_on_both_pages_with_its_cure(app: Flask, there: Path) -> None:
    there.rmdir()
    with pytest.raises(AegisError):
        copy(app)
    browser = signed_in(app)
    page, overview = browser.get("/backups").text, browser.get("/").text
    assert "The last copy failed" in page
    assert "Not off-site: the copy failed" in page
    assert "The last copy off-site failed" in overview
    for text in (page, overview):
        assert "mount its disk" in text


def is_overdue(app: Flask, browser: Browser, *, asked: int, copied: int | None) -> bool:
    """Whether both pages say so, of a copy asked for and one made that many hours ago."""
    now = utc_now()
    with app.app_context(), transaction() as session:
        session.execute(delete(OffSiteCopy))
        first, second = session.scalars(select(Backup).order_by(Backup.id))
        row = waiting(second, "file:///there")
        row.asked_at = now - timedelta(hours=asked)
        session.add(row)
        if copied is not None:
            row = waiting(first, "file:///there")
            row.state, row.copied_at = CopyState.COPIED, now - timedelta(hours=copied)
            row.asked_at = now - timedelta(days=9)
            session.add(row)
    said = {
        "Nothing has been copied for two days" in browser.get("/backups").text,
        "No backup was copied off-site for two days" in browser.get("/").text,
    }
    assert len(said) == 1
    return said.pop()


def test_a_copy_that_waits_for_two_days_is_said_on_both_pages(app: Flask) -> None:
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
    browser = signed_in(app)
    assert is_overdue(app, browser, asked=49, copied=90)
    assert is_overdue(app, browser, asked=49, copied=None)
    assert not is_overdue(app, browser, asked=47, copied=90)
    assert not is_overdue(app, browser, asked=49, copied=1)


def test_where_nothing_waits_nothing_is_overdue(app: Flask) -> None:
    copy(app)
    with app.app_context(), transaction() as session:
        row = session.scalars(select(OffSiteCopy)).one()
        row.copied_at = row.asked_at = utc_now() - timedelta(days=9)
    assert "Nothing has been copied" not in signed_in(app).get("/backups").text


def test_what_was_proven_before_there_was_a_place_waits(app: Flask, there: Path) -> None:
    with app.app_context(), transaction() as session:
        session.execute(delete(OffSiteCopy))
        session.scalars(select(Backup)).one().proven_at = utc_now() - timedelta(days=9)
    with app.app_context():
        back_up(SYSTEM)  # not proven
    page = signed_in(app).get("/backups").text
    assert page.count("Not off-site yet") == 1
    assert "Nothing has been copied" not in page
    with app.app_context():
        status = off_site_status(settings())
        assert (status.waiting, status.there, status.overdue) == (1, 0, False)
        db.session.close()
    copy(app)
    with app.app_context():
        status = off_site_status(settings())
        assert (status.waiting, status.there) == (0, 1)


def test_where_the_disk_vanishes_the_page_is_loud(make_app: MakeApp, sqlite_database: str) -> None:
    loud = "The backups on this machine will vanish"
    local = signed_in(make_app(DATABASE_URL=sqlite_database)).get("/backups").text
    assert loud not in local
    assert "Set AEGIS_BACKUP_OFF_SITE to keep copies elsewhere too" in local
    on_platform = make_app(DATABASE_URL=sqlite_database, **PLATFORM)
    assert loud in signed_in(on_platform, "bob@example.org").get("/backups").text
    place = {"AEGIS_BACKUP_OFF_SITE": "s3://bucket"}
    copied = make_app(DATABASE_URL=sqlite_database, **PLATFORM, **place)
    assert loud not in signed_in(copied, "carol@example.org").get("/backups").text


def test_the_system_page_no_longer_worries_once_there_is_a_place(
    make_app: MakeApp, pg_url: str
) -> None:
    worry = "Backups may not last"
    alone = make_app(DATABASE_URL=pg_url, **PLATFORM)
    assert worry in signed_in(alone).get("/system").text
    copied = make_app(DATABASE_URL=pg_url, **PLATFORM, AEGIS_BACKUP_OFF_SITE="s3://bucket")
    assert worry not in signed_in(copied, "bob@example.org").get("/system").text


def test_no_key_is_shown_or_stored(make_app: MakeApp, sqlite_database: str, bucket: Bucket) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=bucket.url)
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
        copy_all(SYSTEM)
        database = settings().data_dir / "aegis.db"
    browser = signed_in(app)
    page = browser.get("/backups").text + browser.get("/system").text
    stored = database.read_bytes() + database.with_name("aegis.db-wal").read_bytes()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert os.environ[name] not in page
        assert os.environ[name].encode() not in stored
