"""A fresh sign-in before somebody is invited, an account changes or a backup goes."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from aegis_web.accounts.fresh import MOST_TYPED
from aegis_web.accounts.models import Account
from aegis_web.clock import utc_now
from aegis_web.extensions import db
from tests.support.applications import PASSWORD, Browser, make_admin

BOB = "bob@example.org"
LATER = timedelta(minutes=12)
ASKED = "What comes next takes a fresh sign-in."
KEPT = "Nothing is changed yet. What you typed is in the form: send it once more."


def roles(app: Flask) -> dict[str, str | None]:
    with app.app_context():
        return {one.email: one.role for one in db.session.scalars(select(Account)).unique()}


def asked_then_confirmed(admin: Browser, path: str, fields: dict[str, str], page: str) -> str:
    """Send a form too late, prove who one is, and what the page says that this leads back to."""
    refused = admin.post(path, data=fields)
    assert refused.status_code == 303
    assert ASKED in admin.get(refused.headers["Location"]).text
    back = admin.post("/account/confirm", data={"password": PASSWORD, "next": page})
    assert back.headers["Location"] == page
    return admin.get(page).text


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_to_invite_takes_one_and_keeps_what_was_typed(
    admin: Browser, app: Flask, role: str
) -> None:
    fields = {"email": BOB, "role": role, "tags": ""}
    with time_machine.travel(utc_now() + LATER, tick=False):
        shown = asked_then_confirmed(admin, "/accounts", fields, "/accounts")
        assert BOB not in roles(app)
        assert KEPT in shown
        assert f'value="{BOB}"' in shown
        assert f'value="{role}" checked' in shown
        assert BOB not in admin.get("/accounts").text  # it is given back once
        assert admin.post("/accounts", data=fields).status_code == 200
    assert roles(app)[BOB] == role


def test_to_change_an_account_takes_one_and_keeps_what_was_chosen(
    admin: Browser, app: Flask
) -> None:
    with app.app_context():
        make_admin(BOB)
    fields = {"role": "operator", "tags": "night"}
    with time_machine.travel(utc_now() + LATER, tick=False):
        shown = asked_then_confirmed(admin, "/accounts/2", fields, "/accounts/2")
        assert roles(app)[BOB] == "admin"
        assert KEPT in shown
        assert 'value="operator" checked' in shown
        assert 'value="night"' in shown
        assert 'name="active" value="1" checked' not in shown
        assert admin.post("/accounts/2", data=fields).status_code == 303
    assert roles(app)[BOB] == "operator"


def test_what_was_typed_is_for_its_own_page_and_who_proves_it(admin: Browser, app: Flask) -> None:
    with app.app_context():
        make_admin("carol@example.org")
    with time_machine.travel(utc_now() + LATER, tick=False):
        admin.post("/accounts", data={"email": BOB, "role": "admin"})
        assert BOB not in admin.get("/accounts").text
        admin.post("/account/confirm", data={"password": PASSWORD, "next": "/accounts"})
        assert BOB not in admin.get("/accounts/2").text
        assert BOB in admin.get("/accounts").text


def test_what_was_typed_is_forgotten_after_a_while(admin: Browser, app: Flask) -> None:
    with time_machine.travel(utc_now() + LATER, tick=False):
        admin.post("/accounts", data={"email": BOB, "role": "admin"})
    with time_machine.travel(utc_now() + 2 * LATER, tick=False):
        admin.post("/account/confirm", data={"password": PASSWORD, "next": "/accounts"})
        assert BOB not in admin.get("/accounts").text


def test_more_than_is_kept_is_asked_for_again(admin: Browser, app: Flask) -> None:
    fields = {"email": BOB, "role": "viewer", "tags": "x" * MOST_TYPED}
    with time_machine.travel(utc_now() + LATER, tick=False):
        shown = asked_then_confirmed(admin, "/accounts", fields, "/accounts")
    assert KEPT not in shown


@pytest.mark.parametrize(
    "way", ["link", "second-factor/off", "passkeys/remove", "single-sign-on/end"]
)
def test_a_way_into_an_account_takes_one(admin: Browser, app: Flask, way: str) -> None:
    with app.app_context():
        make_admin(BOB)
    with time_machine.travel(utc_now() + LATER, tick=False):
        refused = admin.post(f"/accounts/2/{way}")
        assert refused.headers["Location"] == "/account/confirm?next=/accounts/2"
        page = admin.get(refused.headers["Location"]).text
        assert "Nothing is changed yet. Confirm that it is you, then do it again." in page
        admin.post("/account/confirm", data={"password": PASSWORD, "next": "/accounts/2"})
        done = admin.post(f"/accounts/2/{way}")
        assert "/account/confirm" not in done.headers.get("Location", "")
