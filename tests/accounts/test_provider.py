"""A provider of single sign-on that is down or talks nonsense."""

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from aegis_web.clock import utc_now
from tests.support.applications import MakeApp
from tests.support.providers import Provider

from .conftest import sign_in
from .test_single_sign_on import DISCOVERY, back_from, connected, enter, is_in, refused

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def app(make_app: MakeApp, provider: Provider) -> Flask:
    return connected(make_app, provider)


NONSENSE = {
    "broken": Response("broken", 500),
    "no JSON": Response("no JSON"),
    "a list": Response("[1]"),
    "empty": Response("{}"),
    "a number": Response("17"),
    "odd types": Response(
        '{"issuer": 1, "keys": [{"kty": 1}], "access_token": [], "id_token": {}, "sub": []}'
    ),
    "elsewhere": Response(status=302, headers={"Location": "http://evil.example/"}),
    "too long": Response(" " * 600_000),
    "deep": Response("[" * 100_000),
}


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/oauth2/token", "/userinfo"])
def test_a_provider_that_talks_nonsense_is_no_fault_of_ours(
    app: Flask, provider: Provider, path: str
) -> None:
    provider.claims = lambda claims: {n: v for n, v in claims.items() if n != "groups"}
    for what, answer in NONSENSE.items():
        app.extensions.pop("aegis.provider", None)
        provider.answers = {}
        client = app.test_client()
        if path != DISCOVERY:
            address = back_from(client, provider)
        provider.answers = {path: answer}
        given = client.get("/sign-in/sso" if path == DISCOVERY else address)
        assert given.status_code in (403, 502), (what, given.status_code)
        refused(given, given.status_code, "The log says more")
        assert not is_in(client), what
    provider.answers = {}
    app.extensions.pop("aegis.provider")
    client = app.test_client()
    assert enter(client, provider).status_code == 303  # the groups are asked for where they lack
    assert is_in(client)


def test_while_the_provider_is_down_the_password_still_works(
    client: FlaskClient, app: Flask, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.answers = {DISCOVERY: Response("down for maintenance", 503)}
    answer = client.get("/sign-in/sso?next=/account")
    refused(answer, 502, "cannot be reached")
    assert 'name="next" value="/account"' in answer.text
    number = re.search(r"under ([0-9a-f]{8})", answer.text)
    assert number
    assert number[1] in caplog.text
    client.get("/sign-in/sso")
    assert len([path for path, _ in provider.asked if path == DISCOVERY]) == 1
    assert sign_in(client).status_code == 302
    with time_machine.travel(utc_now() + timedelta(seconds=6)):
        provider.answers = {}
        assert app.test_client().get("/sign-in/sso").status_code == 302
