"""Security headers stand on every answer, and nothing private is kept."""

import pytest
from flask.testing import FlaskClient

from tests.support.databases import close_engines
from tests.support.environment import MakeSettings
from tests.web.app import make_app

EVERYWHERE = ["/", "/abort/404", "/raise/surprise", "/static/js/theme.js", "/nowhere", "/form"]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_has_the_strict_policy(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Robots-Tag"] == "noindex"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/", "/abort/404", "/raise/surprise"])
def test_private_pages_are_not_kept(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_a_view_may_say_what_is_kept(client: FlaskClient) -> None:
    assert client.get("/own-cache").headers["Cache-Control"] == "private, max-age=60"


def test_only_https_is_insisted_on_where_it_is_served(
    client: FlaskClient, make_settings: MakeSettings
) -> None:
    assert "Strict-Transport-Security" not in client.get("/").headers
    secure = make_app(make_settings(AEGIS_PUBLIC_URL="https://aegis.example.org"))
    answer = secure.test_client().get("/")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    close_engines(secure)
