"""The account page: who one is, and where one goes from there."""

from flask.testing import FlaskClient

from aegis_web.accounts.models import Account
from tests.support.applications import EMAIL


def test_it_shows_who_one_is_and_leads_on(signed_in: FlaskClient) -> None:
    page = signed_in.get("/account").text
    assert EMAIL in page
    for action in ("/account/password", "/account/preferences", "/sign-out"):
        assert f'"{action}"' in page


def test_a_stranger_is_sent_to_sign_in(client: FlaskClient, alice: Account) -> None:
    assert client.get("/account").headers["Location"] == "/sign-in?next=/account"
