"""Sign-in is slowed down for who guesses, in all processes together, and nobody is locked out."""

import math
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.accounts.attempts import (
    FREE_OF_ACCOUNT,
    FREE_OF_ADDRESS,
    FREE_OF_BOTH,
    LONGEST_WAIT,
    place_of,
    reserve,
    succeeded,
    wait_after,
)
from aegis_web.accounts.models import Account
from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.extensions import db
from tests.support.applications import EMAIL, MakeApp, make_admin
from tests.support.servers import ROOT, StartServer

from .conftest import sign_in
from .test_password import change

WRONG = "wrong horse battery"


def guess(client: FlaskClient, times: int, email: str = EMAIL) -> list[int]:
    return [sign_in(client, email, WRONG).status_code for _ in range(times)]


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
def test_after_five_failures_one_waits_whether_the_account_is_there_or_not(
    client: FlaskClient, alice: Account, email: str
) -> None:
    with time_machine.travel(utc_now(), tick=False):
        assert guess(client, 6, email) == [422] * 5 + [429]
        answer = sign_in(client, email, WRONG)
        assert answer.headers["Retry-After"] == "1"
        assert "Too many tries have failed. Try again in" in answer.text


def test_the_right_password_waits_too_and_then_opens(client: FlaskClient, alice: Account) -> None:
    with time_machine.travel(utc_now(), tick=False) as clock:
        guess(client, 5)
        assert sign_in(client).status_code == 429
        clock.shift(timedelta(seconds=1))
        assert sign_in(client).status_code == 302
        assert guess(client_of(client), 5) == [422] * 5  # forgotten


def client_of(client: FlaskClient) -> FlaskClient:
    """Another browser."""
    return client.application.test_client()


def test_the_wait_doubles_to_five_minutes_and_is_forgotten_after_an_hour(
    client: FlaskClient, alice: Account
) -> None:
    waits = []
    with time_machine.travel(utc_now(), tick=False) as clock:
        guess(client, 5)
        for _ in range(11):
            waits.append(int(sign_in(client, EMAIL, WRONG).headers["Retry-After"]))
            clock.shift(timedelta(seconds=waits[-1]))
            assert guess(client, 1) == [422]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        clock.shift(timedelta(hours=1, seconds=1))
        assert guess(client, 5) == [422] * 5


def test_who_guesses_elsewhere_does_not_hold_up_its_owner(app: Flask) -> None:
    with app.app_context():
        engine = db.engines[WRITE]
    for number in range(FREE_OF_ACCOUNT - 1):
        assert reserve(engine, EMAIL, f"10.0.0.{number}") == timedelta()
    assert reserve(engine, EMAIL, "127.0.0.1") == timedelta()


def test_an_account_and_an_address_have_limits_of_their_own(app: Flask) -> None:
    with app.app_context():
        engine = db.engines[WRITE]
    for number in range(FREE_OF_ACCOUNT):
        reserve(engine, EMAIL, f"10.0.0.{number}")
    assert reserve(engine, f" {EMAIL.upper()} ", "10.1.1.1") > timedelta()
    for number in range(FREE_OF_ADDRESS):
        reserve(engine, f"{number}@example.org", "10.2.2.2")
    assert reserve(engine, "new@example.org", "10.2.2.2") > timedelta()


def test_a_success_takes_back_its_own_try_alone(app: Flask) -> None:
    with app.app_context():
        engine = db.engines[WRITE]
    for number in range(3 * FREE_OF_ADDRESS):  # an office behind one address
        assert reserve(engine, f"{number}@example.org", "10.2.2.2") == timedelta()
        succeeded(engine, f"{number}@example.org", "10.2.2.2")


def test_the_longest_wait_is_bounded() -> None:
    assert wait_after(10_000) == LONGEST_WAIT
    assert wait_after(-1) == timedelta()


@pytest.mark.parametrize(
    ("address", "place"),
    [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"), ("", ""), ("unix", "unix")],
)
def test_an_ipv6_network_counts_as_one_address(address: str, place: str) -> None:
    assert place_of(address) == place


def test_many_at_once_are_no_way_around(any_app: Flask) -> None:
    with any_app.app_context():
        engine = db.engines[WRITE]

    def one(_: int) -> bool:
        return reserve(engine, EMAIL, "10.0.0.1") == timedelta()

    with time_machine.travel(utc_now(), tick=False), ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(100))) == FREE_OF_BOTH


GUESSER = """
import sys
from sqlalchemy import create_engine
from aegis_web.accounts.attempts import reserve, time_left
from aegis_web.database import engine_options, tune
engines = [create_engine(sys.argv[1], **engine_options(sys.argv[1])) for _ in range(2)]
for writing, engine in enumerate(engines):
    tune(engine, writing=bool(writing))
reader, writer = engines
who = "alice@example.org", "10.0.0.1"
print("ready", flush=True)
sys.stdin.readline()
print(sum(not (time_left(reader, *who) or reserve(writer, *who)) for _ in range(500)))
"""


def test_of_a_thousand_guesses_in_two_processes_few_are_looked_at(database_url: str) -> None:
    command, pipe = [sys.executable, "-c", GUESSER, database_url], subprocess.PIPE
    guessers = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for _ in range(2)
    ]
    assert [one.stdout and one.stdout.readline() for one in guessers] == ["ready\n"] * 2
    began = time.monotonic()
    for one in guessers:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    looked_at = sum(int(one.communicate(timeout=60)[0]) for one in guessers)
    over = int(math.log2(time.monotonic() - began + 1))  # waits of 1, 2, 4… seconds meanwhile
    assert FREE_OF_BOTH <= looked_at <= FREE_OF_BOTH + over


def test_who_tries_too_early_holds_nobody_up(app: Flask, alice: Account) -> None:
    with app.app_context():
        engine = db.engines[WRITE]
    with time_machine.travel(utc_now(), tick=False):
        for _ in range(FREE_OF_BOTH):
            reserve(engine, EMAIL, "127.0.0.1")
        with engine.begin():  # on SQLite nobody else writes meanwhile
            assert sign_in(app.test_client(), EMAIL, WRONG).status_code == 429


def test_two_processes_count_together(make_app: MakeApp, start_server: StartServer) -> None:
    with make_app().app_context():
        make_admin()
    servers = [start_server().ready() for _ in range(2)]
    addresses = [server.url for server in servers]

    def guesses(address: str) -> Counter[int]:
        browser = build_opener(HTTPCookieProcessor())
        with browser.open(f"{address}/sign-in") as page:
            token = csrf_in(page.read().decode())
        fields = {"csrf_token": token, "email": EMAIL, "password": WRONG}
        return Counter(
            status_of(browser, f"{address}/sign-in", urlencode(fields).encode()) for _ in range(20)
        )

    with ThreadPoolExecutor(2) as pool:
        found = sum(pool.map(guesses, addresses), Counter[int]())
    assert found.total() == 40
    assert FREE_OF_BOTH <= found[422] <= 12  # and one for each wait that passed meanwhile
    assert found[429] == 40 - found[422]


def status_of(browser: OpenerDirector, url: str, data: bytes) -> int:
    try:
        with browser.open(url, data) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_guesses_at_the_current_password_wait_too(signed_in: FlaskClient) -> None:
    with time_machine.travel(utc_now(), tick=False):
        statuses = [change(signed_in, password=WRONG).status_code for _ in range(6)]
        assert statuses == [422] * 5 + [429]
        assert "Too many tries" in change(signed_in).text
