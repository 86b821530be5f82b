"""The System page: what runs, where everything is kept, and what to worry about."""

import logging
import platform
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from aegis_web.backups.models import Backup
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from aegis_web.keys import new_key
from aegis_web.system.queries import log_warnings, tzdata_version
from aegis_web.version import VERSION
from tests.support.applications import Browser, MakeApp, signed_in
from tests.system.test_health import add_node

FRAGMENT = {"HX-Request": "true"}


def add_backup(app: Flask, days: float) -> None:
    with app.app_context(), transaction() as session:
        made_at = utc_now() - timedelta(days=days)
        session.add(
            Backup(
                file_name="copy",
                database="SQLite 3",
                size_bytes=1,
                sha256="",
                made_at=made_at,
                seconds=1,
                made_by="x",
            )
        )


def test_it_tells_what_runs_here(admin: Browser) -> None:
    page = admin.get("/system").text
    assert "scheduler + database, jobs run in this process" in page
    assert f"Aegis {VERSION}" in page
    assert platform.python_version() in page


def test_it_tells_about_the_database(admin: Browser, sqlite_database: str) -> None:
    page = admin.get("/system").text
    assert "SQLite 3." in page
    assert sqlite_database.removeprefix("sqlite:///") in page
    assert "(up to date)" in page


def test_it_answers_while_the_database_is_locked(admin: Browser, sqlite_database: str) -> None:
    path = sqlite_database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert admin.get("/system").status_code == 200


@pytest.mark.postgresql
def test_it_never_shows_the_password_of_the_database(make_app: MakeApp, pg_url: str) -> None:
    app = make_app(DATABASE_URL=pg_url.replace("postgres:@", "postgres:s3cret@"))
    page = signed_in(app).get("/system").text
    assert "PostgreSQL 1" in page
    assert " MB" in page
    assert "s3cret" not in page


def test_a_schema_that_is_behind_is_said(app: Flask, admin: Browser) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    assert "this release needs" in admin.get("/system").text


def test_it_shows_the_nodes_and_their_beats(app: Flask, admin: Browser) -> None:
    add_node(app, 2)
    page = admin.get("/system").text
    assert "web-1:42" in page
    assert "Alive" in page
    assert re.search(r"\b[2-9]\.\d s\b", page)  # since its last beat


def test_the_nodes_are_a_fragment_that_follows_the_beats(admin: Browser) -> None:
    fragment = admin.get("/system", headers=FRAGMENT).text
    assert fragment.lstrip().startswith('<div id="system-nodes"')
    assert 'hx-trigger="every 5s"' in fragment
    assert "No node yet" in fragment
    assert "This process" not in fragment


def test_it_shows_both_time_zones(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_TIMEZONE="Asia/Tokyo")
    browser = signed_in(app)
    browser.set_cookie("aegis_zone", "Europe/Berlin")
    page = browser.get("/system").text
    assert "Asia/Tokyo" in page
    assert "Europe/Berlin" in page
    assert tzdata_version() in page
    assert tzdata_version()[:2] == "20"


def test_strangers_are_sent_to_sign_in(admin: Browser, client: FlaskClient) -> None:
    for path in ("/system", "/services"):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, f"/sign-in?next={path}")


def test_without_an_engine_it_says_so(admin: Browser) -> None:
    assert "No engine is running" in admin.get("/system").text


def test_with_an_engine_and_a_backup_there_is_nothing_to_worry_about(
    app: Flask, admin: Browser
) -> None:
    add_node(app, 1)
    add_backup(app, days=1)
    page = admin.get("/system").text
    assert "ag-alert" not in page


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"AEGIS_ENGINE": "off"}, "start the scheduler process of the Procfile"),
        ({"WEB_CONCURRENCY": "2"}, "Several web processes share one SQLite file"),
        ({"AEGIS_ALLOW_HTTP": "1"}, "passwords and sessions may travel unencrypted"),
        (
            {"DYNO": "web.1", "AEGIS_PUBLIC_URL": "https://jobs.example.com"},
            "this platform empties its disk at each restart",
        ),
    ],
)
def test_what_the_settings_put_at_risk_is_said_on_the_page(
    make_app: MakeApp, sqlite_database: str, env: dict[str, str], said: str
) -> None:
    browser = signed_in(make_app(DATABASE_URL=sqlite_database, **env))
    page = browser.get("/system", base_url="https://localhost").text
    assert said in page


@pytest.mark.postgresql
def test_backups_that_a_platform_will_lose_are_said(
    make_app: MakeApp, pg_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(DATABASE_URL=pg_url, DYNO="web.1", AEGIS_PUBLIC_URL="https://jobs.example.com")
    log_warnings(app)
    assert "Backups may not last" in caplog.text
    assert "AEGIS_BACKUP_DIR" in caplog.text


def test_a_web_process_without_engine_is_fine_while_another_one_beats(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_ENGINE="off")
    add_node(app, 1)
    page = signed_in(app).get("/system").text
    assert "Jobs run elsewhere" in page
    assert "No engine is running" not in page


@pytest.mark.parametrize(("days", "said"), [(None, "No backup yet"), (3, "is 3 days old")])
def test_a_missing_or_old_backup_is_said(
    app: Flask, admin: Browser, days: float | None, said: str
) -> None:
    if days is not None:
        add_backup(app, days)
    assert said in admin.get("/system").text


def test_where_nothing_is_kept_no_backup_is_missed(make_app: MakeApp) -> None:
    page = signed_in(make_app(AEGIS_COMPONENTS="scheduler")).get("/system").text
    assert "scheduler only, jobs run in this process" in page
    assert "backup" not in page.partition("<main")[2].casefold()


def test_the_log_warns_loudly_of_a_disk_that_is_emptied(
    make_app: MakeApp, sqlite_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(
        DATABASE_URL=sqlite_database, DYNO="web.1", AEGIS_PUBLIC_URL="https://jobs.example.com"
    )
    log_warnings(app)
    lines = [record for record in caplog.records if "will be lost" in record.getMessage()]
    assert [record.levelno for record in lines] == [logging.WARNING]


def test_a_key_that_another_has_replaced_is_said_in_one_line_and_on_the_page(
    make_app: MakeApp, sqlite_database: str, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data_dir / "encryption_key").write_text(new_key())
    app = make_app(DATABASE_URL=sqlite_database)
    log_warnings(app)
    lines = [record for record in caplog.records if "cannot be read" in record.getMessage()]
    assert [record.levelno for record in lines] == [logging.WARNING]
    page = signed_in(app).get("/system").text
    assert "the key in the file encryption_key of the data folder is not among them" in page


def test_the_log_says_nothing_where_there_is_nothing_to_say(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    log_warnings(app)
    assert caplog.text == ""
