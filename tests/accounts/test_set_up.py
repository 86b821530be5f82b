"""The first start: one link, one administrator."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from aegis_web.accounts.actions import (
    create_first_admin,
    ensure_admin_from_settings,
    new_setup_link,
)
from aegis_web.accounts.models import Account, SetupLink
from aegis_web.accounts.queries import SETUP_LINK_LIFE
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import AegisError, ConfigError, Invalid
from aegis_web.extensions import db
from tests.support.applications import EMAIL, PASSWORD, MakeApp

from .conftest import audited, csrf_of, sign_in, token_in

FORM = {"email": EMAIL, "password": PASSWORD, "password_again": PASSWORD}


def accounts(app: Flask) -> list[Account]:
    with app.app_context():
        return list(db.session.scalars(select(Account)).unique())


def links(app: Flask) -> list[SetupLink]:
    with app.app_context():
        return list(db.session.scalars(select(SetupLink)))


@pytest.mark.parametrize("path", ["/", "/probe/page", "/sign-in", "/account", "/nowhere"])
def test_every_page_leads_to_set_up_before_there_is_an_administrator(
    client: FlaskClient, path: str
) -> None:
    assert client.get(path).headers["Location"] == "/set-up"


def test_the_set_up_page_says_where_the_link_is_and_shows_no_form(client: FlaskClient) -> None:
    answer = client.get("/set-up")
    assert answer.status_code == 200
    assert "one-time link" in answer.text
    assert "<form" not in answer.text


def test_the_link_shows_a_form_that_makes_the_administrator_and_signs_in(
    client: FlaskClient, link: str, app: Flask
) -> None:
    answer = client.post(link, data=FORM | {"csrf_token": csrf_of(client, link)})
    assert answer.headers["Location"] == "/"
    assert client.get("/probe/page").text == "a page"
    (account,) = accounts(app)
    assert (account.email, [role.name for role in account.roles]) == (EMAIL, ["admin"])


def test_set_up_is_recorded_without_any_secret(client: FlaskClient, link: str, app: Flask) -> None:
    client.post(link, data=FORM | {"csrf_token": csrf_of(client, link)})
    (entry,) = audited(app)
    assert (entry.actor, entry.action, entry.subject) == (EMAIL, "account.create", "account:1")
    assert (entry.before, entry.after) == (None, {"email": EMAIL, "roles": ["admin"]})


def test_only_the_hash_of_the_token_is_stored(app: Flask, link: str) -> None:
    (stored,) = links(app)
    assert len(token_in(link)) >= 43  # 256 bits in base64
    assert len(stored.token_sha256) == 64
    assert token_in(link) not in stored.token_sha256


def test_making_the_administrator_ends_every_link(app: Flask, link: str) -> None:
    with app.app_context():
        other = new_setup_link()
        create_first_admin(token_in(link), EMAIL, PASSWORD)
        assert new_setup_link() is None
    assert other
    assert links(app) == []


def test_a_used_link_leads_to_sign_in(client: FlaskClient, link: str, alice: Account) -> None:
    assert client.get(link).headers["Location"] == "/sign-in"
    assert client.get("/set-up").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("token", ["wrong", "x" * 5000, "%00", "🦉", "%2e%2e", "'--"])
def test_a_wrong_link_says_to_start_again(
    client: FlaskClient, link: str, token: str, app: Flask
) -> None:
    answer = client.get(f"/set-up/{token}")
    assert answer.status_code == 404
    assert "Start the server again" in answer.text
    fields = FORM | {"csrf_token": csrf_of(client, link)}
    assert client.post(f"/set-up/{token}", data=fields).status_code == 404
    assert accounts(app) == []


def test_a_link_works_for_24_hours_only(client: FlaskClient, link: str, app: Flask) -> None:
    nearly = utc_now() + SETUP_LINK_LIFE - timedelta(minutes=1)
    with time_machine.travel(nearly, tick=False):
        token = csrf_of(client, link)
    with time_machine.travel(nearly + timedelta(minutes=1), tick=False):
        assert client.get(link).status_code == 404
        assert client.post(link, data=FORM | {"csrf_token": token}).status_code == 404
    assert accounts(app) == []


def test_a_new_link_removes_only_those_that_are_too_old(app: Flask, link: str) -> None:
    with app.app_context():
        new_setup_link()
        assert len(links(app)) == 2
        with time_machine.travel(utc_now() + SETUP_LINK_LIFE, tick=False):
            new_setup_link()
    assert len(links(app)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"email": "nobody"}, "This is no e-mail address"),
        ({"email": "a@b.org\n"}, None),
        ({"email": ""}, "Enter your e-mail address."),
        ({"email": f"{'e' * 50_000}@example.org"}, "This is no e-mail address"),
        ({"email": "ann\0@example.org"}, "This is no e-mail address"),
        ({"password": "eleven char", "password_again": "eleven char"}, "at least 12"),
        ({"password_again": "something else"}, "The two passwords differ"),
        ({"password": "p" * 50_000, "password_again": "p" * 50_000}, "at most 1000"),
    ],
)
def test_it_judges_the_form_and_keeps_what_was_typed(
    client: FlaskClient, link: str, app: Flask, change: dict[str, str], message: str | None
) -> None:
    fields = FORM | {"csrf_token": csrf_of(client, link)} | change
    answer = client.post(link, data=fields)
    if message is None:
        assert accounts(app)[0].email == "a@b.org"
        return
    assert answer.status_code == 422
    assert message in answer.text
    assert fields["password"] not in answer.text
    assert "email" in change or f'value="{EMAIL}"' in answer.text
    assert accounts(app) == []


def test_it_refuses_the_form_without_its_token(client: FlaskClient, link: str, app: Flask) -> None:
    client.get(link)
    assert client.post(link, data=FORM).status_code == 400
    assert accounts(app) == []


@pytest.mark.parametrize("same", [True, False], ids=["one link", "two links"])
def test_two_at_once_make_one_administrator(any_app: Flask, same: bool) -> None:
    with any_app.app_context():
        first = new_setup_link()
        second = first if same else new_setup_link()
    together = Barrier(2)

    def use(path: str | None, email: str) -> Account | AegisError:
        assert path is not None
        with any_app.test_request_context():
            together.wait(timeout=10)
            try:
                return create_first_admin(token_in(path), email, PASSWORD)
            except AegisError as error:
                return error

    with ThreadPoolExecutor(2) as people:
        results = list(people.map(use, [first, second], ["ann@example.org", "bob@example.org"]))
    assert sorted(isinstance(result, Account) for result in results) == [False, True]
    assert len(accounts(any_app)) == 1


def test_set_up_asks_the_database_no_more_once_it_is_done(
    signed_in: FlaskClient, selects: list[str]
) -> None:
    signed_in.get("/probe/page")
    assert len(selects) == 3
    signed_in.get("/probe/page")
    assert len(selects) == 5  # the session and the account


def test_the_settings_make_the_administrator(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    app = make_app(AEGIS_ADMIN_EMAIL=EMAIL, AEGIS_ADMIN_PASSWORD_FILE=str(file))
    with app.app_context():
        ensure_admin_from_settings(settings())
        ensure_admin_from_settings(settings())
        assert new_setup_link() is None
    assert [account.email for account in accounts(app)] == [EMAIL]
    assert [(entry.actor, entry.action) for entry in audited(app)] == [("code", "account.create")]
    assert sign_in(app.test_client()).status_code == 302


def test_the_settings_change_no_administrator_who_is_there(
    make_app: MakeApp, tmp_path: Path, alice: Account
) -> None:
    file = tmp_path / "password"
    file.write_text("another password, long")
    app = make_app(AEGIS_ADMIN_EMAIL="bob@example.org", AEGIS_ADMIN_PASSWORD_FILE=str(file))
    with app.app_context():
        ensure_admin_from_settings(settings())
    assert [account.email for account in accounts(app)] == [EMAIL]


def test_nothing_happens_without_these_settings(app: Flask) -> None:
    with app.app_context():
        ensure_admin_from_settings(settings())
    assert accounts(app) == []


@pytest.mark.parametrize(
    ("email", "password", "setting", "cure"),
    [
        (EMAIL, b"short", "AEGIS_ADMIN_PASSWORD_FILE", "Use at least 12 characters."),
        (EMAIL, b"", "AEGIS_ADMIN_PASSWORD_FILE", "Use at least 12 characters."),
        (EMAIL, b"\xff" * 20, "AEGIS_ADMIN_PASSWORD_FILE", "name a text file"),
        ("ann@-.example", b"long enough a password", "AEGIS_ADMIN_EMAIL", "This is no e-mail"),
    ],
)
def test_a_wrong_setting_is_named_and_its_password_is_not_shown(
    make_app: MakeApp, tmp_path: Path, email: str, password: bytes, setting: str, cure: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(password)
    app = make_app(AEGIS_ADMIN_EMAIL=email, AEGIS_ADMIN_PASSWORD_FILE=str(file))
    with app.app_context(), pytest.raises(ConfigError) as caught:
        ensure_admin_from_settings(settings())
    assert caught.value.setting == setting
    assert cure in caught.value.cure
    assert "long enough a password" not in str(caught.value)


def test_the_action_names_the_field_that_it_refuses(app: Flask, link: str) -> None:
    with app.app_context():
        with pytest.raises(Invalid) as caught:
            create_first_admin(token_in(link), EMAIL, "too short")
        assert set(caught.value.errors) == {"password"}
        with pytest.raises(Invalid) as caught:
            create_first_admin(token_in(link), "ann", PASSWORD)
        assert set(caught.value.errors) == {"email"}
