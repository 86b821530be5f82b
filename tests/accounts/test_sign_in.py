"""Sign in and out: who gets a session, how it ends, and where one is sent afterwards."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from aegis_web.accounts.models import Account
from aegis_web.extensions import transaction
from tests.support.applications import EMAIL, PASSWORD

from .conftest import audited, csrf_of, sign_in

WRONG = "E-mail or password is wrong."


def session_cookie(client: FlaskClient) -> str:
    cookie = client.get_cookie("aegis")
    assert cookie
    return cookie.value


def test_the_right_password_opens_every_page(client: FlaskClient, alice: Account) -> None:
    assert sign_in(client).headers["Location"] == "/"
    assert client.get("/probe/page").text == "a page"
    assert client.get("/account").status_code == 200


def test_sign_in_is_recorded(client: FlaskClient, alice: Account, app: Flask) -> None:
    sign_in(client)
    entry = audited(app)[-1]
    assert (entry.actor, entry.account_id, entry.action) == (EMAIL, 1, "account.sign_in")


def test_the_address_is_read_without_case(client: FlaskClient, alice: Account) -> None:
    assert sign_in(client, email="ALICE@Example.ORG").status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (EMAIL, "wrong horse battery"),
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("", PASSWORD),
        (EMAIL, ""),
        (EMAIL, "p" * 50_000),
        (EMAIL, "with\0nul"),
        (f"{'e' * 50_000}@example.org", PASSWORD),
        ("ann\0@example.org", PASSWORD),
        ("🦉@example.org", "🦉" * 20),
        ("' or 1=1 --", "' or 1=1 --"),
    ],
)
def test_anything_else_gets_the_same_answer(
    client: FlaskClient, alice: Account, email: str, password: str
) -> None:
    answer = sign_in(client, email=email, password=password)
    assert answer.status_code == 422
    assert WRONG in answer.text
    assert not password or password not in answer.text
    assert client.get("/probe/page").status_code == 303


def test_what_was_typed_as_the_address_is_kept(client: FlaskClient, alice: Account) -> None:
    assert f'value="{EMAIL}"' in sign_in(client, password="wrong").text


def test_a_refusal_is_logged_without_what_was_typed(
    client: FlaskClient, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in(client, password="the wrong password")
    assert "sign-in refused, from 127.0.0.1" in caplog.text
    assert "the wrong password" not in caplog.text


def test_an_account_that_is_switched_off_cannot_sign_in(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    switch_off(app)
    answer = sign_in(client)
    assert answer.status_code == 422
    assert client.get("/probe/page").status_code == 303


def test_switching_an_account_off_ends_its_sessions(signed_in: FlaskClient, app: Flask) -> None:
    switch_off(app)
    assert signed_in.get("/probe/page").status_code == 303


def switch_off(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Account).values(active=False))


def test_it_refuses_the_form_without_its_token(client: FlaskClient, alice: Account) -> None:
    client.get("/sign-in")
    answer = client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 400
    assert client.get("/probe/page").status_code == 303


def test_it_refuses_the_token_of_another_session(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    foreign = csrf_of(app.test_client())
    client.get("/sign-in")
    fields = {"csrf_token": foreign, "email": EMAIL, "password": PASSWORD}
    assert client.post("/sign-in", data=fields).status_code == 400


def test_there_is_no_sign_in_by_json(client: FlaskClient, alice: Account) -> None:
    headers = {"X-CSRFToken": csrf_of(client), "Accept": "application/json"}
    for body in ({"email": EMAIL, "password": PASSWORD}, [1, 2], "text"):
        assert client.post("/sign-in", json=body, headers=headers).status_code == 415
    assert client.get("/probe/page").status_code == 303


def test_there_is_no_remember_me(client: FlaskClient, alice: Account) -> None:
    answer = sign_in(client, remember="y")
    assert answer.status_code == 302
    assert not any(cookie.startswith("remember") for cookie in answer.headers.getlist("Set-Cookie"))


def test_there_are_no_tokens_beside_the_session(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    with app.test_request_context():
        token = alice.get_auth_token()
    assert client.get("/probe/page", headers={"Authentication-Token": token}).status_code == 303
    assert client.get(f"/probe/page?auth_token={token}").status_code == 303


def test_the_session_and_its_form_token_are_new_after_sign_in(
    client: FlaskClient, alice: Account
) -> None:
    before = csrf_of(client)
    planted = session_cookie(client)
    sign_in(client)
    assert session_cookie(client) != planted
    assert client.post("/probe/write", data={"csrf_token": before}).status_code == 400
    after = csrf_of(client, "/account")
    assert client.post("/probe/write", data={"csrf_token": after}).text == "written"


def test_sign_out_takes_a_post_with_the_token(signed_in: FlaskClient) -> None:
    assert signed_in.get("/sign-out").status_code == 405
    assert signed_in.post("/sign-out").status_code == 400
    page = signed_in.get("/probe/page")
    assert (page.text, page.headers.get("Clear-Site-Data")) == ("a page", None)
    answer = signed_in.post("/sign-out", data={"csrf_token": csrf_of(signed_in, "/account")})
    assert answer.headers["Location"] == "/sign-in"
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    again = signed_in.get("/probe/page")
    assert (again.status_code, again.headers.get("Clear-Site-Data")) == (303, None)


def test_who_has_signed_in_is_not_asked_again(signed_in: FlaskClient) -> None:
    assert signed_in.get("/sign-in").headers["Location"] == "/"


def test_it_leads_to_the_page_that_was_wanted(client: FlaskClient, alice: Account) -> None:
    wanted = client.get("/probe/page?status=failed&q=a%20b").headers["Location"]
    page = client.get(wanted).text
    assert 'name="next" value="/probe/page?status=failed&amp;q=a%20b"' in page
    answer = sign_in(client, next="/probe/page?status=failed&q=a%20b")
    assert answer.headers["Location"] == "/probe/page?status=failed&q=a%20b"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        " //evil.example",
        "\x19//evil.example",
        "https://evil.example",
        "https:evil.example",
        "http://localhost@evil.example",
        "javascript:alert(1)",
        "//[",
        "http://[::1",
        "evil.example",
        "@evil.example",
        "security.logout",
        "/x\0",
    ],
)
def test_it_never_leads_elsewhere(client: FlaskClient, alice: Account, elsewhere: str) -> None:
    page = client.get("/sign-in", query_string={"next": elsewhere})
    assert (page.status_code, page.headers["Location"]) == (303, "/sign-in")
    refused = sign_in(client, next=elsewhere)
    assert (refused.status_code, refused.headers["Location"]) == (303, "/sign-in")
    assert client.get("/probe/page").status_code == 303
