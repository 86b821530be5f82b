"""The Services page: the registry, readable."""

import re

import pytest
from flask import Flask
from sqlalchemy import event

from aegis_web.audit.models import SYSTEM
from aegis_web.engine import changes
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import db, transaction
from tests.support.applications import Browser, MakeApp, signed_in
from tests.system import offered

DAILY = from_json({"kind": "cron", "expression": "0 2 * * *", "zone": "UTC"})
NAME = "offered.send_letter"


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str) -> Flask:
    return make_app(
        DATABASE_URL=sqlite_database, AEGIS_SERVICES="tests.system.offered,tests.system.absent"
    )


@pytest.fixture
def admin(app: Flask) -> Browser:
    return signed_in(app)


def text_of(page: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<main")[2]).split())


def add_job(app: Flask, service: str, key: str) -> None:
    with app.app_context(), transaction() as session:
        changes.add(session, changes.NewJob(key, key, service, DAILY), SYSTEM)


def test_it_tells_all_about_a_service_function(admin: Browser) -> None:
    page = admin.get("/services").text
    said = text_of(page)
    assert "Post &amp; mail" in page
    assert "Send &lt;b&gt;the&lt;/b&gt; letter" in page
    assert "To everybody who waits for it." in said
    assert NAME in said
    assert "formerly old.letter" in said
    line = offered.send_letter.__code__.co_firstlineno
    assert f"tests.system.offered, line {line}" in said
    assert "On the event loop" in said
    assert "Time limit: 10m" in said
    assert "Retries: 2" in said


def test_it_tells_about_each_parameter(admin: Browser) -> None:
    said = text_of(admin.get("/services").text)
    assert "day one of mon, tue Required The day on which it leaves." in said
    assert "– subject text Required" in said
    assert "– copies list of text nothing" in said
    assert "wait duration 5m" in said
    assert "copies whole number 1 to 10 3" in said
    assert "hidden in code" not in said


def test_a_plain_function_executes_in_a_thread(admin: Browser) -> None:
    page = admin.get("/services").text
    assert (
        "In a process that can be killed"
        in page.partition('id="service-prune_history"')[2].partition("</article")[0]
    )


def test_what_is_refused_stands_first_with_file_line_problem_and_cure(admin: Browser) -> None:
    page = admin.get("/services").text
    said = text_of(page)
    assert "2 refused" in said
    line = offered.takes_anything.__code__.co_firstlineno
    assert f"{offered.__file__}:{line}" in said
    assert "Problem: it takes *things. Cure: take a list instead" in said
    assert "there is no such module" in said
    assert page.index('id="refused"') < page.index('id="service-')


def test_what_a_setting_keeps_out_is_named_with_the_setting(admin: Browser) -> None:
    said = text_of(admin.get("/services").text)
    assert "Not offered here" in said
    assert "set AEGIS_ALLOW_COMMANDS=1" in said


def test_with_nothing_refused_there_is_no_such_part(
    make_app: MakeApp, sqlite_database: str
) -> None:
    page = signed_in(make_app(DATABASE_URL=sqlite_database)).get("/services").text
    assert "refused" not in text_of(page).casefold()


def test_each_leads_to_a_new_job_and_to_its_jobs(app: Flask, admin: Browser) -> None:
    add_job(app, NAME, "one")
    add_job(app, "old.letter", "two")
    page = admin.get("/services").text
    card = page.partition(f'id="service-{NAME}"')[2].partition("</article")[0]
    assert f'href="/jobs/new?service={NAME}"' in card
    assert f'href="/jobs?service={NAME}"' in card
    assert "2 jobs" in card
    assert admin.get(f"/jobs/new?service={NAME}").status_code == 200


def test_it_asks_the_database_once_however_many_there_are(app: Flask, admin: Browser) -> None:
    asked: list[str] = []
    with app.app_context():
        engine = db.engines[None]
    event.listen(engine, "before_cursor_execute", lambda *rest: asked.append(rest[2]))
    admin.get("/services")
    assert len([statement for statement in asked if "FROM jobs" in statement]) == 1


def test_the_side_bar_marks_where_one_is(admin: Browser) -> None:
    for path, word in (("/services", "Services"), ("/system", "System"), ("/backups", "Backups")):
        page = admin.get(path).text
        marked = page.partition('aria-current="page"')[2].partition("</a>")[0]
        assert f">{word}<" in marked
        assert page.count('aria-current="page"') == 1
