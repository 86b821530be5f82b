"""Passwords: how they are kept, and how one changes one's own."""

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account
from aegis_web.extensions import db, transaction
from tests.support.applications import EMAIL, PASSWORD, MakeApp

from .conftest import audited, csrf_of, sign_in

NEW = "staple tank hydrant"


def stored(app: Flask) -> str:
    with app.app_context():
        return str(db.session.scalar(select(Account.password)))


def change(client: FlaskClient, **fields: str) -> TestResponse:
    typed = {"password": PASSWORD, "new_password": NEW, "new_password_confirm": NEW} | fields
    token = csrf_of(client, "/account/password")
    return client.post("/account/password", data=typed | {"csrf_token": token})


def test_it_is_stored_as_an_argon2id_hash(alice: Account, app: Flask) -> None:
    assert stored(app).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_weaker_hash_is_renewed_at_the_next_sign_in(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with app.app_context(), transaction() as session:
        session.execute(update(Account).values(password=weaker))
    assert sign_in(client).status_code == 302
    assert stored(app).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert sign_in(app.test_client()).status_code == 302


def test_it_still_works_when_the_secret_key_was_changed(alice: Account, make_app: MakeApp) -> None:
    rotated = make_app(SECRET_KEY="the-second-of-two-keys-" + "b2" * 20)
    assert sign_in(rotated.test_client()).status_code == 302


def test_a_changed_password_replaces_the_old_one(signed_in: FlaskClient, app: Flask) -> None:
    answer = change(signed_in)
    assert answer.headers["Location"] == "/account"
    assert "Password changed." in signed_in.get("/account").text
    fresh = app.test_client()
    assert sign_in(fresh).status_code == 422
    assert sign_in(fresh, password=NEW).status_code == 302


def test_a_change_is_recorded_without_any_password(signed_in: FlaskClient, app: Flask) -> None:
    change(signed_in)
    entry = audited(app)[-1]
    assert (entry.actor, entry.action) == (EMAIL, "account.change_password")
    assert (entry.before, entry.after) == (None, None)


def test_a_change_ends_every_other_session(signed_in: FlaskClient, app: Flask) -> None:
    elsewhere = app.test_client()
    sign_in(elsewhere)
    change(signed_in)
    assert elsewhere.get("/probe/page").status_code == 303
    assert signed_in.get("/probe/page").text == "a page"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"password": "not the current"}, "This is not your current password."),
        ({"password": ""}, "Enter your current password."),
        ({"password": "p" * 50_000}, "Use at most 1000 characters."),
        ({"new_password": "elevenchars", "new_password_confirm": "elevenchars"}, "at least 12"),
        ({"new_password": "p" * 5_000, "new_password_confirm": "p" * 5_000}, "at most 1000"),
        ({"new_password_confirm": "something else"}, "The two passwords differ."),
        ({"new_password": PASSWORD, "new_password_confirm": PASSWORD}, "differs from the current"),
    ],
)
def test_it_says_what_is_wrong_and_changes_nothing(
    signed_in: FlaskClient, app: Flask, fields: dict[str, str], message: str
) -> None:
    before = stored(app)
    answer = change(signed_in, **fields)
    assert answer.status_code == 422
    assert message in answer.text
    assert stored(app) == before


def test_it_refuses_the_form_without_its_token(signed_in: FlaskClient, app: Flask) -> None:
    before = stored(app)
    fields = {"password": PASSWORD, "new_password": NEW, "new_password_confirm": NEW}
    assert signed_in.post("/account/password", data=fields).status_code == 400
    assert stored(app) == before


def test_a_stranger_sees_no_form(client: FlaskClient, alice: Account) -> None:
    answer = client.get("/account/password")
    assert answer.headers["Location"] == "/sign-in?next=/account/password"
