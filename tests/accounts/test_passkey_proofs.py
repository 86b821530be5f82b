"""Answers of passkeys that do not hold, come twice or too late, and whoever guesses at them."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import event, select

from aegis_web.accounts import passkeys
from aegis_web.accounts.attempts import FREE_OF_BOTH
from aegis_web.accounts.authenticators import LONGEST_ANSWER, NewKey
from aegis_web.accounts.models import Account, Passkey, UsedChallenge
from aegis_web.audit.models import Actor
from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.errors import Conflict, Invalid
from aegis_web.extensions import db, transaction
from tests.support.applications import EMAIL, Browser, MakeApp, make_admin
from tests.support.passkeys import PRESENT, Device, to_bytes, to_text
from tests.support.servers import StartServer

from .conftest import audited, sign_in
from .passkeys import (
    CONFIRM,
    NEW,
    SETTINGS,
    SIGN_IN,
    add,
    challenge,
    creation,
    csrf,
    enter,
    kept,
    refused,
    send,
)
from .test_attempts import csrf_in

Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time stands still."""
    with time_machine.travel(utc_now().replace(second=3, microsecond=0), tick=False) as clock:
        yield clock


@pytest.fixture
def make_app(make_app: MakeApp) -> MakeApp:
    """Applications that offer passkeys."""
    return lambda **env: make_app(**{**SETTINGS, **env})


@pytest.fixture
def device(admin: Browser) -> Device:
    """Alice's device, which has a passkey."""
    made = Device()
    assert add(admin, made).headers["Location"] == "/account"
    return made


LIES: dict[str, Callable[[Device], Any]] = {
    "another origin": lambda device: setattr(device, "origin", "http://localhost.evil.example"),
    "another port": lambda device: setattr(device, "origin", "http://localhost:8000"),
    "https": lambda device: setattr(device, "origin", "https://localhost"),
    "another site": lambda device: setattr(device, "host", "evil.example"),
    "nobody verified": lambda device: setattr(device, "flags", PRESENT),
    "nobody there": lambda device: setattr(device, "flags", 0),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_proof_that_does_not_hold_opens_nothing(app: Flask, device: Device, lie: str) -> None:
    LIES[lie](device)
    before = kept(app)[0].counter, len(audited(app))
    assert refused(enter(app, device), "does not hold")
    assert (kept(app)[0].counter, len(audited(app))) == before


@pytest.mark.parametrize("lie", LIES)
def test_a_key_that_is_made_elsewhere_is_not_kept(admin: Browser, app: Flask, lie: str) -> None:
    device = Device()
    LIES[lie](device)
    assert refused(add(admin, device), "does not hold")
    assert kept(app) == []


def test_another_key_of_the_same_name_opens_nothing(app: Flask, device: Device) -> None:
    thief = Device(credential_id=device.credential_id, handle=device.handle, counter=9)
    assert refused(enter(app, thief), "does not hold")
    unknown = Device(handle=device.handle)
    assert refused(enter(app, unknown), "opens no account")
    device.handle = b"\0" * 43
    assert refused(enter(app, device), "opens no account")


def test_a_proof_is_good_once_and_in_its_own_browser(
    app: Flask, admin: Browser, clock: Clock
) -> None:
    device = Device(step=0)  # so that the challenge alone stands in the way
    add(admin, device)
    client, other = app.test_client(), app.test_client()
    answer = device.sign(challenge(client))
    asked = client.get_cookie("aegis")
    assert asked
    challenge(other)
    assert refused(send(other, answer), "does not hold")
    assert refused(send(app.test_client(), answer), "begun in another browser")
    clock.shift(timedelta(minutes=5))
    assert send(client, answer).status_code == 303
    other.set_cookie("aegis", asked.value)  # the browser as it was before
    assert refused(send(other, answer), "was used already")
    with app.app_context():
        assert len(db.session.scalars(select(UsedChallenge)).all()) == 2

    answer = device.sign(challenge(other))
    clock.shift(timedelta(minutes=5, seconds=1))
    assert refused(send(other, answer), "longer than five minutes")
    assert enter(app, device).status_code == 303
    clock.shift(timedelta(minutes=10, seconds=1))
    assert enter(app, device).status_code == 303
    with app.app_context():
        assert len(db.session.scalars(select(UsedChallenge)).all()) == 1


def test_strangers_who_ask_write_nothing(app: Flask, device: Device) -> None:
    written: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA")):
            written.append(statement)

    with app.app_context():
        engine = db.engines[WRITE]
    event.listen(engine, "before_cursor_execute", note)
    for _ in range(3):
        challenge(app.test_client())
    assert written == []
    enter(app, device)
    event.remove(engine, "before_cursor_execute", note)
    assert written


def test_a_refused_proof_uses_the_challenge_up(app: Flask, device: Device) -> None:
    client = app.test_client()
    options = challenge(client)
    device.flags = PRESENT
    assert refused(send(client, device.sign(options)), "does not hold")
    device.flags |= 4
    assert refused(send(client, device.sign(options)), "begun in another browser")


def test_a_counter_that_goes_back_is_refused_and_told(app: Flask, device: Device) -> None:
    assert enter(app, device).status_code == 303
    known = kept(app)[0].counter
    for counter in (known - 1, known - 2, -1):
        device.counter = counter
        assert refused(enter(app, device), "counter went back")
        entry = audited(app)[-1]
        assert (entry.actor, entry.action) == ("system", "account.refuse_passkey")
        assert entry.after == {"via": "passkey", "passkey": "Phone"}
    assert kept(app)[0].counter == known
    device.counter = known
    assert enter(app, device).status_code == 303


def test_failures_wait_as_wrong_passwords_do(app: Flask, device: Device, clock: Clock) -> None:
    thief = Device(credential_id=device.credential_id, handle=device.handle, counter=9)
    for _ in range(FREE_OF_BOTH):
        assert refused(enter(app, thief), "does not hold")
    slowed = enter(app, device)
    assert refused(slowed, "Too many tries have failed.", 429)
    assert int(slowed.headers["Retry-After"]) >= 1
    assert sign_in(app.test_client()).status_code == 429
    clock.shift(timedelta(minutes=5))
    assert enter(app, device).status_code == 303
    for _ in range(FREE_OF_BOTH):  # forgotten
        assert sign_in(app.test_client(), password="wrong horse battery").status_code == 422


def test_guesses_at_passkeys_that_nobody_has_wait_too(app: Flask, device: Device) -> None:
    statuses = [enter(app, Device()).status_code for _ in range(52)]
    assert (statuses[:50], statuses[-1]) == ([422] * 50, 429)


ODD = {
    "nothing": "",
    "no JSON": "x",
    "a list": "[]",
    "a number": "1e999",
    "deep": "[" * 9000,
    "empty": "{}",
    "null": json.dumps({"id": None, "rawId": None, "response": None, "type": None}),
    "a NUL": json.dumps({"id": "\0", "rawId": "\0", "response": {}, "type": "public-key"}),
    "half a surrogate": '{"id": "\\ud800", "rawId": "\\ud800", "response": {}, "type": "x"}',
    "long": json.dumps("x" * LONGEST_ANSWER),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_answer_is_refused_in_words(
    app: Flask, admin: Browser, device: Device, odd: str
) -> None:
    sentence = "does not hold" if ODD[odd] else "has sent no answer"
    client, before = app.test_client(), len(audited(app))
    challenge(client)
    assert refused(send(client, ODD[odd]), sentence)
    challenge(admin)
    assert refused(send(admin, ODD[odd], CONFIRM), sentence)
    creation(admin)
    assert refused(admin.post(NEW, data={"name": "x", "answer": ODD[odd]}), sentence)
    assert (len(kept(app)), len(audited(app))) == (1, before)


def test_an_answer_with_much_else_in_it_is_refused(app: Flask, device: Device) -> None:
    client = app.test_client()
    for size, status in ((LONGEST_ANSWER, 422), (LONGEST_ANSWER // 2, 303)):
        answer = json.loads(device.sign(challenge(client)))
        assert send(client, json.dumps(answer | {"x": "x" * size})).status_code == status


def test_an_answer_that_is_cut_anywhere_is_refused(
    app: Flask, admin: Browser, device: Device, clock: Clock
) -> None:
    made = json.loads(Device().make(creation(admin)))["response"]
    attested = to_bytes(made["attestationObject"])
    for end in range(0, len(attested), 9):
        cut = add(admin, Device(), attestationObject=to_text(attested[:end]))
        assert refused(cut, "does not hold")
    for field in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        for end in (0, 1, 30, 60):
            clock.shift(timedelta(hours=2))
            client = app.test_client()
            answer = json.loads(device.sign(challenge(client)))
            whole = to_bytes(answer["response"][field])
            answer["response"][field] = to_text(whole[: min(end, len(whole) - 1)])
            assert send(client, json.dumps(answer)).status_code == 422
            assert client.get("/account").status_code == 303
    assert len(kept(app)) == 1


def test_a_key_that_is_none_can_be_added_and_opens_nothing(admin: Browser, app: Flask) -> None:
    device = Device()
    device.public_key = lambda: {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: b"\1" * 32}  # type: ignore[method-assign]
    add(admin, device)
    assert refused(enter(app, device), "does not hold")
    other = Device()
    other.public_key = lambda: {1: 1, 3: -19, -1: 6, -2: bytes(32)}  # type: ignore[method-assign]
    assert refused(add(admin, other), "does not hold")


def test_a_megabyte_is_refused_and_three_are_not_even_read(app: Flask, admin: Browser) -> None:
    stranger = app.test_client()
    for client, path in ((stranger, SIGN_IN), (admin, CONFIRM), (admin, NEW)):
        challenge(client)
        creation(admin)
        assert refused(send(client, "x" * 1_000_000, path, name="x"), "does not hold")
        token = {"X-CSRFToken": csrf(client)}
        huge = client.post(path, data={"answer": "x" * 3_000_000}, headers=token)
        assert (huge.status_code, 'role="alert"' in huge.text) == (413, True)
    assert kept(app) == []


def test_those_of_an_account_go_with_it(any_app: Flask) -> None:
    with any_app.app_context():
        make_admin()
    keep(any_app, b"one")
    with any_app.app_context(), transaction() as session:
        session.delete(session.get_one(Account, 1))
    assert kept(any_app) == []


def keep(app: Flask, name: bytes, counter: int = 0) -> Passkey:
    """A passkey of account 1, past all pages."""
    key = NewKey(name, b"key", counter)
    with app.app_context():
        passkeys.add(Actor(EMAIL, 1), f"made {name!r}", "Phone", "handle", key, 0)
        return passkeys.passkeys_of(1)[-1]


def test_of_many_at_once_one_uses_a_challenge_or_a_counter(any_app: Flask) -> None:
    with any_app.app_context():
        make_admin()
    still, counting = keep(any_app, b"still"), keep(any_app, b"counting", 7)

    def succeeds(passkey: Passkey, challenge: str, counter: int) -> bool:
        with any_app.app_context():
            try:
                passkeys.use(passkey, challenge, counter)
            except Invalid:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        same = [(still, "one", 0)] * 12
        assert sum(pool.map(lambda one: succeeds(*one), same)) == 1
        counted = [(counting, f"challenge {number}", 8) for number in range(12)]
        assert sum(pool.map(lambda one: succeeds(*one), counted)) == 1
    entries = [entry.action for entry in audited(any_app)]
    assert entries.count("account.refuse_passkey") == 11
    assert kept(any_app)[1].counter == 8


def test_one_that_is_gone_meanwhile_opens_nothing(any_app: Flask) -> None:
    with any_app.app_context():
        make_admin()
    passkey = keep(any_app, b"one")
    with any_app.app_context():
        with pytest.raises(Conflict, match="known here"):
            passkeys.add(Actor(EMAIL, 1), "other", "x", "h", NewKey(b"one", b"", 0), 0)
        passkeys.remove(Actor(EMAIL, 1), passkey.id, 0)
        with pytest.raises(Invalid, match="opens no account"):
            passkeys.use(passkey, "another", 1)


def test_the_challenge_of_one_process_is_accepted_by_another_and_once_in_both(
    device: Device, start_server: StartServer
) -> None:
    one, other = (start_server(**SETTINGS).ready().url for _ in range(2))
    browser, copy = requests.Session(), requests.Session()  # cookies know no ports
    token = {"csrf_token": csrf_in(browser.get(f"{one}/sign-in").text)}
    options = browser.post(f"{one}{SIGN_IN}/challenge", data=token, timeout=10).json()
    copy.cookies.update(browser.cookies)
    form = token | {"answer": device.sign(options)}
    answers = [
        who.post(f"{at}{SIGN_IN}", data=form, timeout=10, allow_redirects=False)
        for who, at in ((browser, other), (copy, one))
    ]
    assert [answer.status_code for answer in answers] == [303, 422]
    assert "was used already" in answers[1].text
    for at in (one, other):
        assert EMAIL in browser.get(f"{at}/account", timeout=10).text
