"""The account page: who one is, and where one goes from there."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.accounts.agents import device
from aegis_web.accounts.models import Account
from tests.support.applications import EMAIL, make_admin

from .conftest import audited, csrf_of, sign_in

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1"


def test_it_shows_who_one_is_and_leads_on(signed_in: FlaskClient) -> None:
    page = signed_in.get("/account").text
    assert EMAIL in page
    for action in ("/account/password", "/account/preferences", "/sign-out"):
        assert f'"{action}"' in page
    assert 'aria-current="page"' not in page


def test_a_stranger_is_sent_to_sign_in(client: FlaskClient, alice: Account) -> None:
    assert client.get("/account").headers["Location"] == "/sign-in?next=/account"


def test_one_sees_where_one_is_signed_in_and_ends_the_others(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    sign_in(client)
    for _ in range(2):
        other = app.test_client()
        other.environ_base["HTTP_USER_AGENT"] = CHROME
        sign_in(other)
    page = client.get("/account").text
    assert page.count('no">Chrome, Linux</span>') == 2
    assert page.count("this browser") == 1
    token = {"csrf_token": csrf_of(client, "/account")}
    assert client.post("/account/sessions/2/end", data=token).status_code == 303
    assert audited(app)[-1].action == "account.end_session"
    assert other.get("/probe/page").text == "a page"
    client.post("/account/sessions/end-others", data=token)
    assert other.get("/probe/page").status_code == 303
    assert "1 other session has ended." in client.get("/account").text
    assert client.get("/probe/page").text == "a page"
    ended = client.post("/account/sessions/1/end", data=token)
    assert ended.headers["Location"] == "/sign-in"
    assert "storage" in ended.headers["Clear-Site-Data"]
    assert client.get("/probe/page").status_code == 303


def test_nobody_ends_the_session_of_somebody_else(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    with app.app_context():
        make_admin("bob@example.org")
    bob = app.test_client()
    sign_in(bob, "bob@example.org")
    sign_in(client)
    token = {"csrf_token": csrf_of(client, "/account")}
    assert client.post("/account/sessions/1/end", data=token).status_code == 404
    assert bob.get("/probe/page").text == "a page"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, "Chrome, Linux"),
        (CHROME + " Edg/156.0", "Edge, Linux"),
        (WINDOWS, "Firefox, Windows"),
        (IPHONE, "Safari, iPhone"),
        ("curl/8.9", "curl"),
        ("", ""),
    ],
)
def test_a_browser_in_two_words(agent: str, words: str) -> None:
    assert device(agent) == words
