"""The application in the test's own process, engine not started, and clients of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from aegis_web import create_app
from aegis_web.accounts.models import ADMIN, Account, Role
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.extensions import transaction
from tests.support.compiled import share_compiled
from tests.support.databases import close_engines
from tests.support.environment import MakeSettings
from tests.support.styles import assert_styled

EMAIL = "alice@example.org"
PASSWORD = "correct horse battery staple"
HASHES: dict[str, str] = {}  # argon2 is slow on purpose; once per test process is enough
MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(make_settings: MakeSettings) -> Iterator[MakeApp]:
    """Applications from environment variables, all on this test's data folder."""
    made: list[Flask] = []

    def make(**env: str) -> Flask:
        made.append(build(make_settings(**env)))
        return made[-1]

    yield make
    for app in made:
        close_engines(app)


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str) -> Flask:
    """The application on this test's migrated SQLite file."""
    return make_app(DATABASE_URL=sqlite_database)


@pytest.fixture
def any_app(make_app: MakeApp, database_url: str) -> Flask:
    """The application, once on SQLite and once on PostgreSQL."""
    return make_app(DATABASE_URL=database_url)


def build(settings: Settings) -> Flask:
    app = create_app(settings)
    app.config["TESTING"] = True
    share_compiled(app)
    app.test_client_class = Browser
    return app


class Browser(FlaskClient):
    """A client that sends its session's CSRF token, as our forms do, and looks at the classes."""

    csrf_token: str | None = None

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        if self.csrf_token is not None:
            headers = dict(kwargs.pop("headers", None) or {})
            kwargs["headers"] = {"X-CSRFToken": self.csrf_token, **headers}
        answer = super().open(*args, **kwargs)
        if answer.mimetype == "text/html" and not answer.content_encoding:
            assert_styled(answer.text)
        return answer

    def sign_in(self, account: Account) -> None:
        """Begin a session of `account` as the sign-in form would."""
        with self.session_transaction() as session:
            session["_user_id"] = account.fs_uniquifier
            session["_fresh"] = True
            session["fs_paa"] = utc_now().timestamp()
            session.permanent = True
            session["csrf_token"] = "0" * 40
        signer = URLSafeTimedSerializer(str(self.application.secret_key), salt="wtf-csrf-token")
        self.csrf_token = str(signer.dumps("0" * 40))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A stranger: without an account and without a CSRF token."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask) -> Browser:
    """The browser of Alice, an administrator, who has signed in."""
    return signed_in(app)


def signed_in(app: Flask, email: str = EMAIL) -> Browser:
    """A client of `app` signed in as a new administrator `email`."""
    with app.app_context():
        account = make_admin(email)
    client = app.test_client()
    assert isinstance(client, Browser)
    client.sign_in(account)
    return client


def make_admin(email: str = EMAIL, password: str = PASSWORD) -> Account:
    """A new administrator; needs an application context."""
    hashed = HASHES.setdefault(password, HASHES.get(password) or hash_password(password))
    with transaction() as session:
        role = session.query(Role).filter_by(name=ADMIN).first() or Role(name=ADMIN)
        account = Account(
            email=email,
            password=hashed,
            fs_uniquifier=f"uniquifier-of-{email}",
            created_at=utc_now(),
            roles=[role],
        )
        session.add(account)
    return account
