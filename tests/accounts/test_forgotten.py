"""Who has forgotten the password: a link by mail, over a real SMTP server."""

import threading
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts import attempts
from aegis_web.accounts.models import Account, AccountIdentity
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from tests.support.applications import EMAIL, MakeApp, make_admin
from tests.support.mails import Post

from .conftest import audited, csrf_of, sign_in
from .test_members import CHOSEN, LINK, choose


@pytest.fixture
def mailing(make_app: MakeApp, post: Post) -> Flask:
    app = make_app(AEGIS_SMTP_URL=f"smtp://{post.address}?from=jobs@example.com")
    with app.app_context():
        make_admin()
    return app


def ask(app: Flask, email: str = EMAIL, **headers: str) -> TestResponse:
    """Ask for a link, and wait for what goes on after the answer."""
    client = app.test_client()
    fields = {"csrf_token": csrf_of(client, "/password"), "email": email}
    answer = client.post("/password", data=fields, headers=headers)
    for thread in threading.enumerate():
        if thread.name.endswith("(_mail_forgotten)"):
            thread.join(10)
    return answer


def test_a_link_comes_by_mail_and_opens_the_account(mailing: Flask, post: Post) -> None:
    assert "/password" in mailing.test_client().get("/sign-in").text
    assert ask(mailing, f" {EMAIL.upper()} ").headers["Location"] == "/sign-in"
    mail = post.mail()
    assert (mail["To"], mail["Subject"]) == (EMAIL, "A new password for Aegis")
    found = LINK.search(str(mail.get_content()))
    assert found
    assert choose(mailing.test_client(), found[1]).headers["Location"] == "/"
    assert sign_in(mailing.test_client(), EMAIL, CHOSEN).status_code == 302
    assert [(entry.actor, entry.action) for entry in audited(mailing)][:2] == [
        (EMAIL, "account.ask_for_link"),
        (EMAIL, "account.choose_password"),
    ]


def test_the_link_works_for_an_hour(mailing: Flask, post: Post) -> None:
    ask(mailing)
    found = LINK.search(str(post.mail().get_content()))
    assert found
    with time_machine.travel(utc_now() + timedelta(minutes=61)):
        assert mailing.test_client().get(found[1]).status_code == 404


def test_the_answer_does_not_tell_who_has_an_account(mailing: Flask, post: Post) -> None:
    known, unknown = ask(mailing), ask(mailing, "mallory@example.org")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert [mail.count(b"To: ") for mail in post.mails] == [1]


def test_a_password_is_no_way_past_single_sign_on(mailing: Flask, post: Post) -> None:
    with mailing.app_context(), transaction() as session:
        alice = session.scalars(select(Account)).unique().one()
        alice.password = None
        session.add(
            AccountIdentity(
                account_id=alice.id,
                issuer="https://sso.example.org",
                subject="alice",
                email=EMAIL,
                made_at=utc_now(),
            )
        )
    assert ask(mailing).status_code == 303
    assert post.mails == []


def test_one_mail_in_five_minutes(mailing: Flask, post: Post) -> None:
    for _ in range(3):
        ask(mailing)
    assert len(post.mails) == 1


def test_who_asks_often_waits(mailing: Flask, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FREE_OF_BOTH", -6)  # from the second on: five minutes
    assert ask(mailing).status_code == 303
    refused = ask(mailing)
    assert refused.status_code == 429
    assert refused.retry_after
    assert "You have asked often" in refused.text
    assert sign_in(mailing.test_client()).status_code == 302


def test_it_is_written_in_the_language_of_who_asked(mailing: Flask, post: Post) -> None:
    ask(mailing, **{"Accept-Language": "de"})
    assert post.mail()["Subject"] == "Ein neues Passwort für Aegis"


@pytest.mark.parametrize("email", ["", "alice", "a" * 300 + "@example.org"])
def test_what_is_no_address_is_refused(mailing: Flask, post: Post, email: str) -> None:
    answer = ask(mailing, email)
    assert answer.status_code == 422
    assert "Enter your e-mail address." in answer.text
    assert not post.mails


def test_a_mail_server_that_is_gone_is_logged(
    make_app: MakeApp, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(AEGIS_SMTP_URL="smtp://127.0.0.1:1?from=jobs@example.com")
    with app.app_context():
        make_admin()
    assert ask(app).status_code == 303
    assert "the link for a new password was not mailed" in caplog.text


def test_without_a_mail_server_the_page_says_whom_to_ask(app: Flask) -> None:
    with app.app_context():
        make_admin()
    page = app.test_client().get("/password")
    assert "Ask an administrator for a link" in page.text
    assert "accounts link you@example.org" in page.text
    client = app.test_client()
    fields = {"csrf_token": csrf_of(client), "email": EMAIL}
    assert client.post("/password", data=fields).status_code == 422


def test_an_invitation_is_mailed_too(mailing: Flask, post: Post) -> None:
    from .test_members import BOB, account, invite

    admin = mailing.test_client()
    admin.sign_in(account(mailing, EMAIL))  # type: ignore[attr-defined]
    link = invite(admin)  # type: ignore[arg-type]
    mail = post.mail()
    assert mail["To"] == BOB
    assert link in str(mail.get_content())
