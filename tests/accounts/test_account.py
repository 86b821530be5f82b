"""The account page: who one is, and how one sees times."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account
from aegis_web.extensions import db
from tests.support.applications import EMAIL

from .conftest import audited, csrf_of


def chosen_zone(app: Flask) -> str | None:
    with app.app_context():
        zone: str | None = db.session.scalar(select(Account.zone))
        return zone


def choose(client: FlaskClient, zone: str) -> TestResponse:
    token = csrf_of(client, "/account")
    return client.post("/account/zone", data={"zone": zone, "csrf_token": token})


def test_it_shows_who_one_is_and_leads_on(signed_in: FlaskClient) -> None:
    page = signed_in.get("/account").text
    assert EMAIL in page
    for action in ("/account/password", "/account/zone", "/sign-out", "/theme"):
        assert f'"{action}"' in page


def test_a_stranger_is_sent_to_sign_in(client: FlaskClient, alice: Account) -> None:
    assert client.get("/account").headers["Location"] == "/sign-in?next=/account"


def test_a_zone_is_kept_and_recorded(signed_in: FlaskClient, app: Flask) -> None:
    assert choose(signed_in, "Europe/Berlin").headers["Location"] == "/account"
    assert chosen_zone(app) == "Europe/Berlin"
    page = signed_in.get("/account").text
    assert '<option value="Europe/Berlin" selected>' in page
    assert "Times are shown in Europe/Berlin." in page
    entry = audited(app)[-1]
    assert (entry.actor, entry.action) == (EMAIL, "account.change_zone")
    assert (entry.before, entry.after) == ({"zone": None}, {"zone": "Europe/Berlin"})


def test_the_zone_can_be_left_to_the_browser_again(signed_in: FlaskClient, app: Flask) -> None:
    choose(signed_in, "Europe/Berlin")
    choose(signed_in, "")
    assert chosen_zone(app) is None


@pytest.mark.parametrize(
    "zone",
    ["Mars/Base", "../../etc/passwd", "localtime", "right/UTC", "UTC\0", "z" * 50_000, "🦉", " "],
)
def test_it_refuses_an_unknown_zone(signed_in: FlaskClient, app: Flask, zone: str) -> None:
    answer = choose(signed_in, zone)
    assert answer.status_code == 422
    assert "There is no such time zone." in answer.text
    assert chosen_zone(app) is None


def test_other_fields_of_the_form_change_nothing(signed_in: FlaskClient, app: Flask) -> None:
    fields = {"zone": "UTC", "email": "eve@example.org", "active": "", "roles": "", "id": "2"}
    token = csrf_of(signed_in, "/account")
    signed_in.post("/account/zone", data=fields | {"csrf_token": token})
    with app.app_context():
        account = db.session.scalars(select(Account)).unique().one()
        assert (account.id, account.email, account.active) == (1, EMAIL, True)
        assert [role.name for role in account.roles] == ["admin"]
