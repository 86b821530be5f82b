"""The Backups page: the list, back up now, download, delete."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.audit.models import Actor
from aegis_web.backups.actions import delete_backup
from aegis_web.backups.queries import PAGE_ROWS
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import Kind, Reason, Run, RunDetails, RunStatus
from tests.backups.conftest import MakeBackup, plain, stored
from tests.support.applications import Browser, MakeApp, signed_in

NIGHT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
KEY = "0123456789abcdef" * 2
FRAGMENT = {"HX-Request": "true"}


def runs_of(app: Flask) -> list[Run]:
    with app.app_context():
        found: list[Run] = db.session.query(Run).order_by(Run.id).all()
        db.session.close()
    return found


def add_run(app: Flask, job_id: int, status: RunStatus, **facts: object) -> int:
    with app.app_context(), transaction() as session:
        run = Run(job_id=job_id, kind=Kind.MANUAL, status=status, queued_at=NIGHT, **facts)
        session.add(run)
        session.flush()
        return run.id


@pytest.fixture
def job(backup_job: int) -> int:
    return backup_job


def test_it_lists_the_copies_newest_first(
    admin: Browser, job: int, make_backup: MakeBackup
) -> None:
    first = make_backup(made_at=NIGHT, seconds=1.5, made_by="Daily database backup", run_id=12)
    second = make_backup(made_at=NIGHT + timedelta(days=1))
    page = admin.get("/backups").text
    assert page.index(f"backup-{second.id}") < page.index(f"backup-{first.id}")
    assert "Tue 10 Mar 2026, 02:00 UTC" in page
    assert "1.5 s" in page
    assert f"SQLite {sqlite3.sqlite_version}" in page
    assert first.sha256[:10] in page
    assert f'data-copy-value="{first.sha256}"' in page
    assert 'href="/runs/12"' in page


def test_it_says_when_the_next_one_comes_in_the_zone_of_the_job(admin: Browser, job: int) -> None:
    page = admin.get("/backups").text
    assert "No backup yet" in page
    assert "02:00 CE" in page  # CET or CEST


def test_the_fragment_is_the_list_alone(admin: Browser, job: int, make_backup: MakeBackup) -> None:
    make_backup()
    fragment = admin.get("/backups", headers=FRAGMENT)
    assert fragment.text.lstrip().startswith('<div id="backups-list"')
    assert "<html" not in fragment.text
    assert "HX-Request" in fragment.headers["Vary"]


def test_strangers_are_sent_to_sign_in(
    app: Flask, admin: Browser, client: FlaskClient, make_backup: MakeBackup
) -> None:
    backup = make_backup()
    app.config["WTF_CSRF_ENABLED"] = False
    for answer in (
        client.get("/backups"),
        client.post("/backups", data={"request_key": KEY}),
        client.get(f"/backups/{backup.id}/file"),
        client.post(f"/backups/{backup.id}/delete"),
    ):
        assert answer.status_code == 303
        assert answer.location.startswith("/sign-in")
    assert len(stored(app)) == 1
    assert runs_of(app) == []


def test_back_up_now_asks_for_a_run_of_the_job(app: Flask, admin: Browser, job: int) -> None:
    answer = admin.post("/backups", data={"request_key": KEY})
    assert (answer.status_code, answer.location) == (303, "/backups")
    run = runs_of(app)[0]
    assert (run.job_id, run.status, run.kind) == (job, RunStatus.QUEUED, Kind.MANUAL)
    assert run.requested_by == "alice@example.org"


def test_two_clicks_on_back_up_now_are_one_request(app: Flask, admin: Browser, job: int) -> None:
    for _ in range(2):
        assert admin.post("/backups", data={"request_key": KEY}).status_code == 303
    assert len(runs_of(app)) == 1
    assert "being made already" not in admin.get("/backups").text


def test_a_second_request_while_one_waits_starts_no_other(
    app: Flask, admin: Browser, job: int
) -> None:
    admin.post("/backups", data={"request_key": KEY})
    admin.post("/backups", data={"request_key": KEY[::-1]})
    assert len(runs_of(app)) == 1
    assert "A backup is being made already" in admin.get("/backups").text


@pytest.mark.parametrize("key", ["", "x", KEY + "0", KEY.upper(), "\x00" * 32, "🎈" * 32])
def test_a_request_without_a_key_of_ours_is_refused(
    app: Flask, admin: Browser, job: int, key: str
) -> None:
    answer = admin.post("/backups", data={"request_key": key})
    assert answer.status_code == 422
    assert "Reload it" in answer.text
    assert runs_of(app) == []


def test_a_running_backup_is_shown_and_the_page_follows_it(
    app: Flask, admin: Browser, job: int
) -> None:
    run_id = add_run(app, job, RunStatus.RUNNING, started_at=NIGHT)
    with app.app_context(), transaction() as session:
        session.add(
            RunDetails(
                run_id=run_id, progress_done=500, progress_total=2000, progress_message="pages"
            )
        )
    page = admin.get("/backups").text
    assert "A backup is being made" in page
    assert 'hx-trigger="every 2s"' in page
    assert "of 2\u202f000" in page
    assert f'href="/runs/{run_id}"' in page


def test_the_page_no_longer_polls_when_nothing_runs(app: Flask, admin: Browser, job: int) -> None:
    add_run(app, job, RunStatus.SUCCEEDED, started_at=NIGHT, finished_at=NIGHT)
    assert "hx-trigger" not in admin.get("/backups", headers=FRAGMENT).text


def test_a_failed_backup_is_said_with_its_error(app: Flask, admin: Browser, job: int) -> None:
    run_id = add_run(
        app, job, RunStatus.FAILED, started_at=NIGHT, finished_at=NIGHT, error="<b>disk full"
    )
    page = admin.get("/backups").text
    assert "The backup job failed" in page
    assert "&lt;b&gt;disk full" in page
    assert f'href="/runs/{run_id}"' in page
    add_run(app, job, RunStatus.SUCCEEDED, started_at=NIGHT, finished_at=NIGHT)
    assert "The backup job failed" not in admin.get("/backups").text


def test_the_run_that_made_the_backup_that_came_back_is_no_failure(
    app: Flask, admin: Browser, job: int
) -> None:
    facts = {"started_at": NIGHT, "finished_at": NIGHT}
    run_id = add_run(app, job, RunStatus.LOST, reason=Reason.RESTORED, **facts)
    assert "The backup job failed" not in admin.get("/backups").text
    assert "what became of it is not known" in admin.get(f"/runs/{run_id}").text
    add_run(app, job, RunStatus.LOST, reason=Reason.PROCESS_DIED, **facts)
    assert "The backup job failed" in admin.get("/backups").text


def test_a_paused_or_broken_job_is_said(app: Flask, admin: Browser, job: int) -> None:
    for change, said in (
        ({"state": JobState.PAUSED}, "The backup job is paused"),
        ({"problem": "There is no service function"}, "The backup job is broken"),
    ):
        with app.app_context(), transaction() as session:
            for name, value in change.items():
                setattr(session.get_one(Job, job), name, value)
        assert said in admin.get("/backups").text
    answer = admin.post("/backups", data={"request_key": KEY})
    assert (answer.status_code, runs_of(app)) == (409, [])


def test_without_the_job_the_page_explains(app: Flask, admin: Browser) -> None:
    page = admin.get("/backups").text
    assert "There is no backup job" in page
    assert "Back up now" not in page
    assert admin.post("/backups", data={"request_key": KEY}).status_code == 404


def test_where_nothing_is_kept_the_page_explains(make_app: MakeApp) -> None:
    browser = signed_in(make_app(AEGIS_COMPONENTS="scheduler"))
    page = browser.get("/backups").text
    assert "Nothing to back up" in page
    assert "AEGIS_COMPONENTS=scheduler,database" in page
    assert "Back up now" not in page
    assert browser.post("/backups", data={"request_key": KEY}).status_code == 422


def test_a_download_is_the_file_and_opens_in_sqlite(
    admin: Browser, make_backup: MakeBackup, tmp_path: Path
) -> None:
    backup = make_backup()
    answer = admin.get(f"/backups/{backup.id}/file")
    assert answer.status_code == 200
    assert answer.content_length == backup.size_bytes == len(answer.data)
    assert answer.headers["Content-Disposition"] == f"attachment; filename={backup.file_name}"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    file = tmp_path / "downloaded.sqlite3.zst"
    file.write_bytes(answer.data)
    answer.close()
    with closing(sqlite3.connect(plain(file, tmp_path / "plain"))) as connection:
        found = connection.execute("SELECT email FROM accounts").fetchall()
    assert found == [("alice@example.org",)]


def test_the_head_of_a_download_changes_nothing(
    app: Flask, admin: Browser, make_backup: MakeBackup, data_dir: Path
) -> None:
    backup = make_backup()
    admin.get("/backups")  # whose session is new, and is written once more
    with closing(sqlite3.connect(data_dir / "aegis.db")) as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        admin.head(f"/backups/{backup.id}/file").close()
        assert connection.execute("PRAGMA data_version").fetchone() == before


def test_a_missing_file_is_said_in_plain_words(
    admin: Browser, job: int, make_backup: MakeBackup, backup_dir: Path
) -> None:
    backup = make_backup(proven_at=utc_now(), proof_seconds=1)
    assert "Restored into a scratch database and compared" in admin.get("/backups").text
    (backup_dir / backup.file_name).unlink()
    answer = admin.get(f"/backups/{backup.id}/file")
    assert answer.status_code == 404
    assert "was moved or deleted" in answer.text
    page = admin.get("/backups").text
    assert "File missing" in page
    assert "Restored into a scratch database and compared" not in page
    assert f"/backups/{backup.id}/file" not in page


def test_a_missing_folder_is_said_in_plain_words(
    admin: Browser, job: int, make_backup: MakeBackup, backup_dir: Path
) -> None:
    backup = make_backup()
    backup_dir.rename(backup_dir.with_name("elsewhere"))
    assert admin.get(f"/backups/{backup.id}/file").status_code == 404
    assert "File missing" in admin.get("/backups").text


@pytest.mark.parametrize("damage", ["one byte", "shorter", "longer"])
def test_a_damaged_file_is_not_handed_out(
    admin: Browser, job: int, make_backup: MakeBackup, backup_dir: Path, damage: str
) -> None:
    backup = make_backup()
    with (backup_dir / backup.file_name).open("r+b") as file:
        if damage == "one byte":
            file.seek(5000)
            file.write(b"\xa5")
        else:
            file.truncate(backup.size_bytes + (1 if damage == "longer" else -1))
    answer = admin.get(f"/backups/{backup.id}/file")
    assert answer.status_code == 409
    assert "changed since it was made" in answer.text
    assert ("File damaged" in admin.get("/backups").text) == (damage != "one byte")


@pytest.mark.parametrize("plant", ["symlink", "hard link", "folder", "pipe"])
def test_what_is_planted_in_the_folder_leads_nowhere(
    admin: Browser, make_backup: MakeBackup, backup_dir: Path, plant: str
) -> None:
    canary = backup_dir.parent / "canary"
    canary.write_text("secret outside")
    backup = make_backup()
    file = backup_dir / backup.file_name
    file.unlink()
    if plant == "symlink":
        file.symlink_to(canary)
    elif plant == "hard link":
        file.hardlink_to(canary)
    elif plant == "folder":
        file.mkdir()
    else:
        os.mkfifo(file)
    answer = admin.get(f"/backups/{backup.id}/file")
    assert answer.status_code in (404, 409)
    assert "secret outside" not in answer.text


@pytest.mark.parametrize(
    "name",
    [
        "../canary",
        "..\\canary",
        "%2e%2e/canary",
        "/etc/passwd",
        "canary",
        "aegis-20260101T000000.000000Z-0123456789ab.sqlite3/../../canary",
        "aegis-20260101T000000.000000Z-0123456789ab.sqlite3\n",
        "",
    ],
)
def test_a_row_with_a_foreign_name_reads_nothing(
    admin: Browser, make_backup: MakeBackup, backup_dir: Path, name: str
) -> None:
    (backup_dir.parent / "canary").write_text("secret outside")
    backup = make_backup(file_name=name)
    (backup_dir / "canary").write_text("secret inside")
    answer = admin.get(f"/backups/{backup.id}/file")
    assert answer.status_code == 404
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "odd",
    ["0", "9999", "-1", "1.5", "x", "..", "%2e%2e%2fcanary", "%00", "9" * 30, "٣", "1/../2", "1;2"],
)
def test_an_odd_number_is_not_found(
    app: Flask, admin: Browser, job: int, make_backup: MakeBackup, odd: str
) -> None:
    make_backup()
    number = odd if "%" in odd else quote(odd)
    assert admin.get(f"/backups/{number}/file").status_code == 404
    assert admin.post(f"/backups/{number}/delete").status_code == 404
    assert len(stored(app)) == 1


def test_deleting_asks_first_and_then_says_what_it_did(
    app: Flask, admin: Browser, job: int, make_backup: MakeBackup, backup_dir: Path
) -> None:
    backup = make_backup()
    assert "Delete this backup?" in admin.get("/backups").text
    answer = admin.post(f"/backups/{backup.id}/delete")
    assert (answer.status_code, answer.location) == (303, "/backups")
    assert f"Deleted {backup.file_name}" in admin.get("/backups").text
    assert stored(app) == []
    assert list(backup_dir.iterdir()) == []


def test_deleting_what_is_gone_says_so(app: Flask, admin: Browser, make_backup: MakeBackup) -> None:
    backup = make_backup()
    with app.app_context():
        delete_backup(backup.id, Actor("bob@example.org"))
    answer = admin.post(f"/backups/{backup.id}/delete")
    assert answer.status_code == 404
    assert "somebody else was first" in answer.text


def test_only_a_post_deletes_or_makes(app: Flask, admin: Browser, make_backup: MakeBackup) -> None:
    backup = make_backup()
    assert admin.get(f"/backups/{backup.id}/delete").status_code == 405
    admin.csrf_token = None
    assert admin.post(f"/backups/{backup.id}/delete").status_code == 400
    assert admin.post("/backups", data={"request_key": KEY}).status_code == 400
    assert len(stored(app)) == 1


def test_long_lists_have_pages_in_both_directions(
    app: Flask, admin: Browser, job: int, make_backup: MakeBackup
) -> None:
    model = make_backup()
    facts = {
        name: getattr(model, name)
        for name in ("database", "size_bytes", "sha256", "made_at", "seconds", "made_by")
    }
    with app.app_context(), transaction() as session:
        for number in range(2 * PAGE_ROWS):
            session.add(type(model)(file_name=f"copy {number}", **facts))
    ids = [row.id for row in reversed(stored(app))]
    pages = [ids[:PAGE_ROWS], ids[PAGE_ROWS : 2 * PAGE_ROWS], ids[2 * PAGE_ROWS :]]
    assert shown(admin, "/backups") == pages[0]
    assert shown(admin, f"/backups?before={pages[0][-1]}") == pages[1]
    assert shown(admin, f"/backups?before={pages[1][-1]}") == pages[2]
    assert shown(admin, f"/backups?after={pages[1][0]}") == pages[0]
    second = admin.get(f"/backups?before={pages[0][-1]}").text
    assert f"/backups?after={pages[1][0]}" in second
    assert f"/backups?before={pages[1][-1]}" in second
    assert "/backups?after=" not in admin.get(f"/backups?after={pages[1][0]}").text
    assert "No backups on this page" in admin.get(f"/backups?before={ids[-1]}").text


def shown(admin: Browser, url: str) -> list[int]:
    page = admin.get(url, headers=FRAGMENT).text
    return [int(part.partition('"')[0]) for part in page.split('<tr role="row" id="backup-')[1:]]


@pytest.mark.parametrize("query", ["before=x", "after=-1", "before=" + "9" * 40, "before=%00"])
def test_an_odd_place_in_the_list_is_the_first_page(
    admin: Browser, job: int, make_backup: MakeBackup, query: str
) -> None:
    backup = make_backup()
    assert shown(admin, f"/backups?{query}") == [backup.id]
