"""The accounts of a team: invitations, roles, links for a password."""

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts.members import find_link
from aegis_web.accounts.models import Account, PasswordLink
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from tests.support.applications import EMAIL, Browser, make_admin, signed_in

from .conftest import audited, csrf_of, sign_in

BOB, CHOSEN = "bob@example.org", "mountain river copper lamp"
LINK = re.compile(r"http://localhost(/password/[\w-]{43})")


def invite(admin: Browser, email: str = BOB, role: str = "operator") -> str:
    """The path of the link that the page shows."""
    answer = admin.post("/accounts", data={"email": email, "role": role})
    assert answer.status_code == 200, answer.text
    found = LINK.search(answer.text)
    assert found
    return found[1]


def choose(client: FlaskClient, link: str, password: str = CHOSEN) -> TestResponse:
    token = csrf_of(client, link)
    fields = {"csrf_token": token, "password": password, "password_again": password}
    return client.post(link, data=fields)


def account(app: Flask, email: str = BOB) -> Account:
    with app.app_context():
        return db.session.scalars(select(Account).where(Account.email == email)).unique().one()


def test_who_is_invited_chooses_a_password_and_is_in(admin: Browser, app: Flask) -> None:
    link = invite(admin)
    assert "Invited" in admin.get("/accounts").text
    assert sign_in(app.test_client(), BOB, CHOSEN).status_code == 422
    bob = app.test_client()
    assert choose(bob, link).headers["Location"] == "/"
    assert bob.get("/jobs").status_code == 200
    assert bob.get("/jobs/new").status_code == 403
    assert sign_in(app.test_client(), BOB, CHOSEN).status_code == 302
    assert account(app).role == "operator"
    actions = [(entry.actor, entry.action) for entry in audited(app)]
    assert (EMAIL, "account.invite") in actions
    assert (BOB, "account.choose_password") in actions


def test_a_link_works_once_and_its_hash_alone_is_stored(admin: Browser, app: Flask) -> None:
    link = invite(admin)
    token = link.removeprefix("/password/")
    with app.app_context():
        assert find_link(db.session, token) is not None
        assert token not in str(db.session.scalars(select(PasswordLink.token_sha256)).all())
    choose(app.test_client(), link)
    assert app.test_client().get(link).status_code == 404
    assert app.test_client().get("/password/" + "x" * 43).status_code == 404


@pytest.mark.parametrize(("days", "status"), [(6.99, 200), (7.01, 404)])
def test_an_invitation_works_for_seven_days(
    admin: Browser, app: Flask, days: float, status: int
) -> None:
    link = invite(admin)
    with time_machine.travel(utc_now() + timedelta(days=days), tick=False):
        assert app.test_client().get(link).status_code == status


def test_a_new_link_ends_the_earlier_one_and_a_new_password_every_session(
    admin: Browser, app: Flask
) -> None:
    first = invite(admin)
    bob = app.test_client()
    choose(bob, first)
    found = LINK.search(admin.post("/accounts/2/link").text)
    assert found
    again = LINK.search(admin.post("/accounts/2/link").text)
    assert again
    assert app.test_client().get(found[1]).status_code == 404
    assert bob.get("/jobs").status_code == 200
    choose(app.test_client(), again[1], "another " + CHOSEN)
    assert bob.get("/jobs").status_code == 303
    assert sign_in(app.test_client(), BOB, CHOSEN).status_code == 422


def test_another_role_ends_the_sessions_and_counts_at_once(admin: Browser, app: Flask) -> None:
    bob = app.test_client()
    choose(bob, invite(admin))
    admin.post("/accounts/2", data={"role": "viewer", "active": "1"})
    assert bob.get("/jobs").status_code == 303
    sign_in(bob, BOB, CHOSEN)
    assert bob.post("/pauses").status_code in (400, 403)
    entry = audited(app)[-2]
    assert (entry.action, entry.before, entry.after) == (
        "account.change",
        {"role": "operator", "active": True, "tags": None},
        {"role": "viewer", "active": True, "tags": None},
    )


def test_an_account_that_is_off_has_no_way_in(admin: Browser, app: Flask) -> None:
    bob = app.test_client()
    choose(bob, invite(admin))
    admin.post("/accounts/2/link")
    admin.post("/accounts/2", data={"role": "operator"})
    assert bob.get("/jobs").status_code == 303
    assert sign_in(bob, BOB, CHOSEN).status_code == 422
    assert admin.post("/accounts/2/link").status_code == 409
    with app.app_context():
        assert db.session.scalars(select(PasswordLink)).all() == []


@pytest.mark.parametrize("change", [{"role": "viewer", "active": "1"}, {"role": "admin"}])
def test_the_last_administrator_stays(admin: Browser, app: Flask, change: dict[str, str]) -> None:
    invite(admin, role="admin")  # who has not chosen a password yet can help nobody
    answer = admin.post("/accounts/1", data=change)
    assert answer.status_code == 422
    assert "Nobody could administer this installation then." in answer.text
    assert (account(app, EMAIL).role, account(app, EMAIL).active) == ("admin", True)


def test_with_another_administrator_one_may_go(admin: Browser, app: Flask) -> None:
    signed_in(app, BOB)
    assert admin.post("/accounts/1", data={"role": "viewer", "active": "1"}).status_code == 303
    assert admin.get("/jobs").status_code == 303


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"email": "no address", "role": "viewer"}, "no e-mail address"),
        ({"email": "ALICE@example.org", "role": "viewer"}, "Somebody has an account"),
        ({"email": BOB, "role": "root"}, "Choose one of: viewer, operator, editor, admin."),
        ({"email": BOB}, "Choose one of"),
        ({"email": "e" * 300 + "@example.org", "role": "viewer"}, "address"),
    ],
)
def test_a_wrong_invitation_says_what_is_wrong(
    admin: Browser, app: Flask, fields: dict[str, str], message: str
) -> None:
    answer = admin.post("/accounts", data=fields)
    assert answer.status_code == 422
    assert message in answer.text
    with app.app_context():
        assert len(db.session.scalars(select(Account)).unique().all()) == 1


def test_no_field_of_a_form_gives_a_role(admin: Browser, app: Flask) -> None:
    link = invite(admin, role="viewer")
    bob = app.test_client()
    fields = {"csrf_token": csrf_of(bob, link), "password": CHOSEN, "password_again": CHOSEN}
    bob.post(link, data=fields | {"role": "admin", "roles": "admin", "active": "1"})
    assert account(app).role == "viewer"


def test_an_administrator_ends_the_sessions_of_another(admin: Browser, app: Flask) -> None:
    bob = app.test_client()
    choose(bob, invite(admin))
    assert "Werkzeug" in admin.get("/accounts/2").text
    admin.post("/accounts/2/sessions/end")
    assert bob.get("/jobs").status_code == 303
    assert admin.get("/accounts/9").status_code == 404


def test_a_password_that_is_too_short_is_refused(admin: Browser, app: Flask) -> None:
    answer = choose(app.test_client(), invite(admin), "elevenchars")
    assert answer.status_code == 422
    assert "at least 12" in answer.text
    assert account(app).password is None


def test_two_administrators_cannot_take_each_other_away(any_app: Flask) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from aegis_web.accounts.members import change_account
    from aegis_web.audit.models import Actor
    from aegis_web.errors import Invalid

    with any_app.app_context():
        make_admin()
        make_admin(BOB)

    def demote(number: int) -> bool:
        with any_app.app_context():
            try:
                change_account(Actor("x", 3 - number), number, "viewer", (), active=True)
            except Invalid:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, (1, 2))) == [False, True]
    with any_app.app_context(), transaction() as session:
        roles = [one.role for one in session.scalars(select(Account)).unique()]
        assert sorted(map(str, roles)) == ["admin", "viewer"]
