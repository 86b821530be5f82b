"""Passwords that guessers would find are refused with a cure, wherever one is chosen."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
from flask import Flask

from aegis_web.accounts.actions import ensure_admin_from_settings, new_setup_link
from aegis_web.accounts.passwords import COMMON, DATE, OWN_ADDRESS, REPEATED, ROW, SIMPLE, guessable
from aegis_web.config import settings
from aegis_web.errors import ConfigError
from aegis_web.language import spoken
from tests.support.applications import EMAIL, PASSWORD, MakeApp, signed_in

from .conftest import csrf_of
from .test_members import CHOSEN, choose, invite
from .test_password import NEW, change

COMMON_ONE, STOLEN_ONE = "password1234", "purple monkey dishwasher"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        (COMMON_ONE, COMMON),
        ("P@ssw0rd1234", COMMON),
        ("aaaaaaaaaaaaaaaaaaaa", REPEATED),
        ("river river river river", REPEATED),
        ("abcdefghijklmnop", ROW),
        ("qwertyuiop[]", ROW),
        ("1999-12-31-a", DATE),
        (EMAIL, OWN_ADDRESS),
        ("Example.Org1", OWN_ADDRESS),
        ("understanding", SIMPLE),
        (PASSWORD, None),
        (NEW, None),
        (CHOSEN, None),
        ("xkcd-tower-of-oats", None),
        ("only lowercase letters here", None),
    ],
)
def test_it_is_judged_by_how_it_can_be_guessed(password: str, reason: str | None) -> None:
    assert guessable(password, EMAIL) == reason


def test_the_address_of_one_account_is_no_weakness_of_another() -> None:
    assert guessable("zebulon.wexford", "zebulon.wexford@example.org") == OWN_ADDRESS
    assert guessable("zebulon.wexford", EMAIL) is None


def test_the_longest_and_worst_texts_are_judged_in_bounded_time() -> None:
    began = monotonic()
    for text in ("4@8({[</369&#!1/|0$5+7%2", "ab", "01/02/1999", "\0", "🦉"):
        guessable(text * 40, EMAIL)
    assert monotonic() - began < 30  # unbounded, the first alone takes minutes


def test_every_way_to_a_password_refuses_it_with_the_cure(app: Flask, tmp_path: Path) -> None:
    with app.app_context():
        link = new_setup_link()
    assert link
    stranger = app.test_client()
    typed = {"password": COMMON_ONE, "password_again": COMMON_ONE}
    token = {"csrf_token": csrf_of(stranger, link)}
    refused = stranger.post(link, data=typed | {"email": EMAIL} | token)
    assert (refused.status_code, COMMON in refused.text) == (422, True)

    alice = signed_in(app)
    refused = change(alice, new_password=COMMON_ONE, new_password_confirm=COMMON_ONE)
    assert (refused.status_code, COMMON in refused.text) == (422, True)

    bob = app.test_client()
    link = invite(alice)
    refused = choose(bob, link, COMMON_ONE)
    assert (refused.status_code, COMMON in refused.text) == (422, True)
    bob.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert "Passwort wird früh geraten" in choose(bob, link, COMMON_ONE).text
    assert "Andere kennen" in choose(bob, link, "bob@example.org").text


def test_the_settings_cannot_give_it_to_an_administrator(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(COMMON_ONE)
    app = make_app(AEGIS_ADMIN_EMAIL=EMAIL, AEGIS_ADMIN_PASSWORD_FILE=str(file))
    with app.app_context(), spoken("en"), pytest.raises(ConfigError) as caught:
        ensure_admin_from_settings(settings())
    assert COMMON in caught.value.cure
    assert COMMON_ONE not in str(caught.value)


class Ranges(BaseHTTPRequestHandler):
    """A range service that knows one stolen password, and pads its answers."""

    asked: list[str] = []  # noqa: RUF012 - emptied by the fixture

    def do_GET(self) -> None:
        self.asked.append(self.path)
        digest = hashlib.sha1(STOLEN_ONE.encode()).hexdigest().upper()
        padding = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()[5:]
        body = f"{digest[5:]}:3\r\n{padding}:0\r\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def ranges() -> Iterator[ThreadingHTTPServer]:
    Ranges.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stolen_one_is_refused_where_the_settings_name_a_service(
    make_app: MakeApp, ranges: ThreadingHTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{ranges.server_port}/range"
    alice = signed_in(make_app(AEGIS_BREACH_URL=url))
    refused = change(alice, new_password=STOLEN_ONE, new_password_confirm=STOLEN_ONE)
    assert (refused.status_code, "known from thefts" in refused.text) == (422, True)
    digest = hashlib.sha1(STOLEN_ONE.encode()).hexdigest().upper()
    assert Ranges.asked == [f"/range/{digest[:5]}"]

    ranges.server_close()
    accepted = change(alice, new_password=STOLEN_ONE, new_password_confirm=STOLEN_ONE)
    assert accepted.status_code == 302
    warnings = [r.getMessage() for r in caplog.records if "AEGIS_BREACH_URL" in r.getMessage()]
    assert len(warnings) == 1
    assert STOLEN_ONE not in caplog.text
