"""Other sites change nothing: CVE-2023-49920 (Airflow ran a DAG by GET), CVE-2021-39133 (Rundeck).

Every route that writes is asked in every way that another site can make a browser ask.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.accounts import guard
from tests.support.applications import Browser, signed_in

from .conftest import contents, differences, writes_of

FORM = {"reason": "because", "name": "Made elsewhere", "confirm": "1", "until": ""}
OVERRIDES = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST"}
SHORT = {"HX-Request": "true"}  # answers without the whole page are rendered faster
ENDING = frozenset(
    {"security.logout", "accounts.end_session", "accounts.end_sessions_of", "accounts.change"}
)  # what ends the session that the attack rides on
REFUSED = {400, 403, 405, 415}


@pytest.fixture
def attacks(filled: Flask, admin: Browser) -> dict[str, dict[str, Any]]:
    """How a request is made, by name; all but the last three as a form of another site does."""
    good = {"X-CSRFToken": str(admin.csrf_token)}
    with filled.test_request_context():
        other = str(signed_in(filled, "carol@example.org").csrf_token)
    admin.csrf_token = None
    return {
        "no token": {"data": FORM},
        "a token of nobody": {"data": FORM | {"csrf_token": "0" * 40}},
        "a token of another session": {"data": FORM | {"csrf_token": forged(other)}},
        "from another site": {"headers": good | {"Sec-Fetch-Site": "cross-site"}, "data": FORM},
        "from another origin": {"headers": good | {"Origin": "https://evil.example"}, "data": FORM},
        "from no origin": {"headers": good | {"Origin": "null"}, "data": FORM},
        "plain text": {"data": "csrf_token=x\r\nname=y", "content_type": "text/plain"},
        "JSON as text": {"data": '{"name": "x"}', "content_type": "text/plain"},
        "a GET": {
            "method": "GET",
            "headers": OVERRIDES,
            "query_string": FORM | {"_method": "POST"},
        },
        "a HEAD": {"method": "HEAD", "headers": OVERRIDES, "query_string": FORM},
    }


def forged(token: str) -> str:
    """A token with a good signature over another session's random number."""
    payload, _, rest = token.partition(".")
    return f"{payload[:-2]}AA.{rest}"


def asked(
    app: Flask,
    client: FlaskClient,
    attacks: dict[str, dict[str, Any]],
    spared: frozenset[str] = frozenset(),
) -> Iterator[tuple[str, str, int]]:
    """What each attack on each route is answered: the route, the attack, the status."""
    for endpoint, path, readable in writes_of(app):
        if endpoint in spared:
            continue
        for name, how in attacks.items():
            if not (readable and how.get("method")):
                headers = SHORT | how.get("headers", {})
                how = {"method": "POST", **how, "headers": headers}
                yield endpoint, name, client.open(path, **how).status_code


def test_no_other_site_changes_anything(
    filled: Flask, admin: Browser, attacks: dict[str, dict[str, Any]]
) -> None:
    before = contents(filled)
    answers = list(asked(filled, admin, attacks))
    assert len(answers) > 400
    assert [answer for answer in answers if answer[2] not in REFUSED] == []
    assert differences(before, contents(filled)) == {}


def test_without_the_two_checks_another_site_does_what_it_likes(
    filled: Flask,
    admin: Browser,
    attacks: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "refuse_other_sites", lambda: None)
    filled.config["WTF_CSRF_ENABLED"] = False
    before = contents(filled)
    forms = {name: attacks[name] for name in ("no token", "from another site")}
    assert {status for _, _, status in asked(filled, admin, forms, ENDING)} - REFUSED
    assert {"jobs", "audit", "pauses"} <= differences(before, contents(filled)).keys()
