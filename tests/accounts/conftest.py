"""The door in front of a page, a write, and whatever else the product has by now."""

from collections.abc import Iterator
from re import search
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from aegis_web.accounts.actions import new_setup_link
from aegis_web.accounts.models import Account
from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import db
from tests.support.applications import EMAIL, PASSWORD, Browser, MakeApp, make_admin


@pytest.fixture
def make_app(make_app: MakeApp, sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Applications with a page and a write of no concept in particular, on one database."""
    monkeypatch.setitem(RIGHTS, "probe.page", Right.READ)
    monkeypatch.setitem(RIGHTS, "probe.write", Right.OPERATE)

    def make(**env: str) -> Flask:
        app = make_app(**{"DATABASE_URL": sqlite_database, **env})
        app.register_blueprint(stand_in())
        return app

    return make


def stand_in() -> Blueprint:
    probe = Blueprint("probe", __name__)
    probe.get("/probe/page", endpoint="page")(lambda: "a page")
    probe.post("/probe/write", endpoint="write")(lambda: "written")
    return probe


@pytest.fixture
def link(app: Flask) -> str:
    """The path of a set-up link that works."""
    with app.app_context():
        path = new_setup_link()
    assert path is not None
    return path


@pytest.fixture
def alice(app: Flask) -> Account:
    """The administrator."""
    with app.app_context():
        return make_admin()


@pytest.fixture
def signed_in(client: Browser, alice: Account) -> Browser:
    """Alice's browser; it sends no CSRF token that the test does not give it."""
    client.sign_in(alice)
    client.csrf_token = None
    return client


def token_in(link: str) -> str:
    return link.removeprefix("/set-up/")


def csrf_of(client: FlaskClient, path: str = "/sign-in", **options: Any) -> str:
    """The token that the form at `path` holds."""
    page = client.get(path, **options).text
    found = search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_in(
    client: FlaskClient, email: str = EMAIL, password: str = PASSWORD, **more: str
) -> TestResponse:
    """What the sign-in form answers."""
    fields = {"csrf_token": csrf_of(client), "email": email, "password": password}
    return client.post("/sign-in", data=fields | more)


def audited(app: Flask) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


@pytest.fixture
def selects(app: Flask) -> Iterator[list[str]]:
    """What the reading engine was asked so far."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)
