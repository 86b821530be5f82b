"""The way back in the browser and on the command line."""

import io
import json
import re
from datetime import datetime
from html import unescape
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.serving import make_server

from aegis_web.accounts.models import Account
from aegis_web.backups.folder import made_at_of
from aegis_web.backups.gaps import REASON
from aegis_web.backups.models import UPLOADED
from aegis_web.backups.uploads import instant_beside
from aegis_web.config import Settings
from aegis_web.engine import changes
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState, Origin
from aegis_web.web import working
from aegis_web.web.formats import clock
from tests.backups.conftest import stored
from tests.backups.test_restore import ALICE, add_job, backed_up, jobs_of, settle_until
from tests.support.applications import Browser, MakeApp, make_admin


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str) -> Flask:
    return make_app(DATABASE_URL=sqlite_database)


@pytest.fixture
def admin(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setattr(working, "AT_ONCE_SECONDS", 60)  # no page of steps
    with app.app_context():
        account = make_admin()
    return signed_in(app, account)


def signed_in(app: Flask, account: Account) -> Browser:
    browser = app.test_client()
    assert isinstance(browser, Browser)
    browser.sign_in(account)
    return browser


def test_the_page_says_what_would_change_and_brings_it_back(app: Flask, admin: Browser) -> None:
    settle_until(app, add_job(app, "kept"), 4)
    add_job(app, "lost")
    backup_id = backed_up(app)
    page = admin.get(f"/backups/{backup_id}/restore")
    assert "Not proven" in page.text
    assert "What would change" not in page.text
    assert admin.post(f"/backups/{backup_id}/prove").status_code == 303
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE jobs SET deleted_at = 1 WHERE name = 'lost'"))
    add_job(app, "newer")

    page = admin.get(f"/backups/{backup_id}/restore")
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "1 job is in both, and becomes what it was then." in words
    assert "1 job comes back: lost" in words
    assert "1 job is deleted, because the backup does not know it: newer" in words

    refused = admin.post(f"/backups/{backup_id}/restore")
    assert refused.status_code == 422
    assert "tick the box" in refused.text
    assert jobs_of(app)["newer"].deleted_at is None

    done = admin.post(f"/backups/{backup_id}/restore", data={"sure": "yes"})
    assert done.status_code == 200
    assert "The backup is back" in done.text
    assert stored(app)[1].file_name in done.text
    assert jobs_of(app)["lost"].deleted_at is None
    assert admin.get("/backups").status_code == 303  # signed out

    with app.app_context():
        account = db.session.scalar(select(Account))
        db.session.close()
    again = signed_in(app, account)
    listed = again.get("/backups")
    assert "2 jobs are paused because a backup was restored" in listed.text
    assert again.post("/backups/enable").status_code == 303
    assert {job.state for job in jobs_of(app).values() if not job.deleted_at} == {JobState.ACTIVE}
    assert "because a backup was restored" not in again.get("/backups").text


def test_page_and_command_name_the_jobs_that_change_and_no_job_of_code_as_lost(
    app: Flask, admin: Browser
) -> None:
    numbers = {name: add_job(app, name) for name in ("as it was", "renamed", "moved", "there")}
    backup_id = backed_up(app)
    assert admin.post(f"/backups/{backup_id}/prove").status_code == 303
    registry = app.extensions["aegis.registry"]
    add_job(app, "in code", origin=Origin.CODE)
    noon = from_json({"kind": "cron", "expression": "0 12 * * *", "zone": "UTC"})
    with app.app_context(), transaction() as session:
        for name, changed in (
            ("renamed", [{"name": "newly called"}]),
            ("moved", [{"trigger": noon}]),
            ("there", [{"priority": 2}, {"priority": 1}]),
        ):
            job = session.get_one(Job, numbers[name])
            for values in changed:
                changes.change(session, job, values, registry, ALICE)
    page = admin.get(f"/backups/{backup_id}/restore")
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "4 jobs are in both, and become what they were then." in words
    assert "2 of them have changed since, and change back: moved, newly called No job" in words
    assert "No job is lost." in words
    arguments = ["backups", "restore", stored(app)[0].file_name]
    asked = app.test_cli_runner().invoke(args=arguments, input="n\n")
    assert asked.exit_code == 1
    assert "\n2 of them have changed since, and change back: moved, newly called\n" in asked.output
    assert "with 4 jobs? [y/N]: n\nAborted!" in asked.output


def test_a_job_that_somebody_paused_before_stays_so(app: Flask, admin: Browser) -> None:
    paused = add_job(app, "mine", state=JobState.PAUSED, pause_reason="holidays")
    backup_id = backed_up(app)
    assert (
        "The backup is back"
        in admin.post(f"/backups/{backup_id}/restore", data={"sure": "yes"}).text
    )
    job = jobs_of(app)["mine"]
    assert (job.id, job.state, job.pause_reason) == (paused, JobState.PAUSED, "holidays")
    assert REASON != "holidays"


def test_a_file_is_uploaded_and_shown(app: Flask, admin: Browser) -> None:
    add_job(app, "kept")
    backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    data = (settings.backup_dir / stored(app)[0].file_name).read_bytes()
    answer = admin.post("/backups/uploads", data={"file": (io.BytesIO(data), "../../evil.zst")})
    assert answer.status_code == 303
    made = stored(app)[1]
    assert (made.origin, answer.location) == (UPLOADED, f"/backups/{made.id}/restore")
    shown = admin.get(answer.location).text
    assert "Uploaded, rebuilt and proven." in shown
    assert "it goes with the next backup that is made" in shown
    assert "Should it be of another installation" in shown
    own = f"/backups/{stored(app)[0].id}"
    assert admin.post(f"{own}/prove").status_code == 303
    shown = admin.get(f"{own}/restore").text
    assert "What would change" in shown
    assert "another installation" not in shown


@pytest.mark.parametrize(
    ("name", "made_at"),
    [
        ("aegis-20260124T020000.004217Z-9f31c02a77be.dump.zst", "2026-01-24T02:00:00.004217+00:00"),
        ("aegis-29990124T020000.004217Z-9f31c02a77be.dump.zst", None),  # nobody has made it yet
        ("aegis-20261324T020000.004217Z-9f31c02a77be.dump.zst", None),
        ("copy of aegis-20260124T020000.004217Z-9f31c02a77be.dump.zst", None),
    ],
)
def test_an_upload_is_as_old_as_its_name_says(
    app: Flask, admin: Browser, name: str, made_at: str | None
) -> None:
    backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    data = (settings.backup_dir / stored(app)[0].file_name).read_bytes()
    admin.post("/backups/uploads", data={"file": (io.BytesIO(data), name)})
    first, made = stored(app)
    taken_in = made_at_of(made.file_name)
    assert taken_in is not None
    assert taken_in > first.made_at
    assert made.made_at == (datetime.fromisoformat(made_at) if made_at else taken_in)
    manifest = json.loads((settings.backup_dir / f"{made.file_name}.json").read_text())
    text = (settings.backup_dir / f"{made.file_name}.jobs.yaml").read_text()
    assert manifest["made_at"] == made.made_at.isoformat()
    assert f"# Made at: {made.made_at.isoformat()}" in text
    assert "from elsewhere, taken in" in admin.get("/backups").text


@pytest.mark.parametrize("lies", [False, True])
def test_on_the_command_line_the_manifest_beside_a_file_says_how_old_it_is(
    app: Flask, tmp_path: Path, lies: bool
) -> None:
    backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    name = stored(app)[0].file_name
    for suffix in ("", ".json"):
        (tmp_path / f"renamed{suffix}").write_bytes(
            (settings.backup_dir / f"{name}{suffix}").read_bytes()
        )
    if lies:
        with (tmp_path / "renamed").open("ab") as file:
            file.write(b"another file")
    assert instant_beside(tmp_path / "renamed") == (None if lies else stored(app)[0].made_at)


@pytest.mark.parametrize("data", [{}, {"file": (io.BytesIO(b""), "")}, {"file": "text"}])
def test_no_file_is_refused(app: Flask, admin: Browser, data: dict[str, object]) -> None:
    answer = admin.post("/backups/uploads", data=data)
    assert answer.status_code == 422
    assert "Choose the file of a backup first." in answer.text


def test_a_foreign_file_is_refused_in_one_sentence(app: Flask, admin: Browser) -> None:
    answer = admin.post("/backups/uploads", data={"file": (io.BytesIO(b"hello" * 99), "x")})
    assert answer.status_code == 422
    assert "neither a SQLite database nor a copy" in answer.text
    assert 'aria-describedby="field-file-error" autofocus' in answer.text
    assert "Copies of the database" in answer.text  # where they came from


def test_one_that_is_too_large_is_not_read(
    app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_web.accounts.guard.SPARE_BYTES", 10**18)
    answer = admin.post("/backups/uploads", data={"file": (io.BytesIO(b"x" * 99), "x")})
    assert answer.status_code == 413
    assert "flask --app app backups restore FILE" in answer.text


def test_the_command_brings_everything_back_on_an_empty_machine(
    app: Flask, admin: Browser, make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settle_until(app, add_job(app, "kept"), 4)
    backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    file = settings.backup_dir / stored(app)[0].file_name
    folder = tmp_path_factory.mktemp("fresh")
    fresh = make_app(
        AEGIS_DATA_DIR=str(folder),
        AEGIS_BACKUP_DIR=str(folder / "backups"),
        DATABASE_URL=f"sqlite:///{folder}/aegis.db",
    )
    done = fresh.test_cli_runner().invoke(args=["backups", "restore", str(file)], input="y\n")
    assert done.exit_code == 0, done.output
    question = f"Bring back the backup of {clock(stored(app)[0].made_at, 'UTC')} with 1 job?"
    before, _, after = done.output.partition(f"{question} [y/N]: y\n")
    kept = stored(fresh)[-1].file_name
    lines = after.splitlines()
    assert lines[:4] == [
        "The backup is read …",
        "The rows are replaced …",
        f"{file.name} is back (kept here as {kept}).",
        "1 job is there; 1 of them is paused until somebody enables it.",
    ]
    assert lines[4].endswith(" runs are in the history, 0 of them newer than the backup.")
    assert lines[5].endswith(" fire times have passed meanwhile and are written down as missed.")
    assert lines[6:] == ["Next: start the server, open Backups and enable the paused jobs."]
    for line in (
        f"{'Jobs, deleted ones included':33} {1:>15} {0:>15}",
        "0 jobs are in both, and become what they were then.",
        "1 job comes back: kept",
        "No job is lost.",
        "0 newer runs stay in the history.",
    ):
        assert f"\n{line}\n" in before, before
    assert list(jobs_of(fresh)) == ["kept"]
    with fresh.app_context():
        emails = db.session.scalars(select(Account.email)).all()
        actions = db.session.execute(text("SELECT action FROM audit ORDER BY position")).scalars()
        assert list(actions)[-1] == "backup.restore"
        db.session.close()
    assert emails == ["alice@example.org"]
    checked = fresh.test_cli_runner().invoke(args=["audit", "verify"])
    assert checked.exit_code == 0, checked.output

    gone = fresh.test_cli_runner().invoke(args=["backups", "restore", "nowhere", "--yes"])
    assert gone.exit_code == 1
    assert "neither a file nor a backup" in gone.output


def test_the_whole_page_of_a_restore_speaks_the_language_of_its_reader(
    app: Flask, admin: Browser
) -> None:
    add_job(app, "kept", hours=0)
    backup_id = backed_up(app)
    cookies = "; ".join(f"{one.key}={one.value}" for one in admin._cookies.values())
    headers = {
        "Accept-Language": "de",
        "Cookie": cookies,
        "X-CSRFToken": str(admin.csrf_token),
    }
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}/backups/{backup_id}/restore"
        asked = Request(url, b"sure=yes", headers)
        with urlopen(asked, timeout=60) as answer:
            page = " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.read().decode())).split())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "Die Sicherung ist zurück" in page
    assert "Inzwischen ist keine Startzeit verstrichen." in page
    assert "Was vorher da war, ist in der Sicherung" in page
    assert "Wieder anmelden" in page
