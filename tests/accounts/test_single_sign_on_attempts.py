"""Who comes back from the provider with what opens nothing waits, by address."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug import Response

from aegis_web.accounts import attempts
from tests.support.applications import MakeApp
from tests.support.providers import Provider

from .test_single_sign_on import back_from, connected, enter, is_in, refused

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
BACK = "/sign-in/sso/back?code=x&state=wrong"


@pytest.fixture
def app(make_app: MakeApp, provider: Provider) -> Flask:
    return connected(make_app, provider)


def test_failures_wait_by_address(
    client: FlaskClient, app: Flask, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FREE_OF_ADDRESS", -6)  # from the second on: five minutes
    client.get("/sign-in/sso")
    refused(client.get(BACK), 400, "Begin again.")
    slowed = enter(client, provider)
    refused(slowed, 429, "Too many tries have failed.")
    assert slowed.retry_after
    assert not is_in(client)


def test_who_has_not_begun_costs_nobody_a_try(
    client: FlaskClient, app: Flask, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a foreign page names our address as that of a picture."""
    monkeypatch.setattr(attempts, "FREE_OF_ADDRESS", -6)
    for _ in range(3):
        refused(client.get(BACK), 400, "Begin again.")
    assert enter(client, provider).status_code == 303


def test_a_provider_that_is_down_on_the_way_back_costs_no_try(
    client: FlaskClient, app: Flask, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FREE_OF_ADDRESS", -6)
    for _ in range(2):
        back = back_from(client, provider, "bob")
        provider.answers = {"/oauth2/token": Response("down for maintenance", 503)}
        refused(client.get(back), 502, "cannot be reached")
        provider.heal()
    assert enter(client, provider).status_code == 303


def test_who_gets_in_is_no_failure(
    app: Flask, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FREE_OF_ADDRESS", -6)
    for _ in range(3):
        assert enter(app.test_client(), provider).status_code == 303
