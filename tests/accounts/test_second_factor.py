"""The second factor: turned on and off, asked for at the sign-in, and each code good once."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from passlib.totp import TOTP
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from aegis_web.accounts.attempts import FREE_OF_ADDRESS, FREE_OF_BOTH
from aegis_web.accounts.models import Account, RecoveryCode, SecondFactor
from aegis_web.accounts.second_factor import (
    NEVER,
    NUMBER_OF_CODES,
    counter_of,
    new_secret,
    turn_on,
    use_code,
    use_recovery_code,
)
from aegis_web.audit.models import Actor
from aegis_web.clock import utc_now
from aegis_web.errors import Invalid
from aegis_web.extensions import db, transaction
from aegis_web.keys import new_key
from tests.support.applications import EMAIL, PASSWORD, Browser, MakeApp, make_admin

from .conftest import audited, csrf_of, sign_in
from .test_members import account, choose, invite

STEP, OWN = "/sign-in/second-step", "/account/second-factor"
Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time stands still."""
    with time_machine.travel(utc_now().replace(second=3, microsecond=0), tick=False) as clock:
        yield clock


def code_of(secret: str) -> str:
    """What the app shows now."""
    return str(TOTP(key=secret).generate(time=utc_now()).token)


def enable(browser: FlaskClient) -> tuple[str, list[str]]:
    """Turn the second factor of the signed-in person on: its secret and recovery codes."""
    found = re.search(r'id="secret" translate="no">([A-Z2-7]{32})<', browser.get(OWN).text)
    assert found
    fields = {"password": PASSWORD, "code": code_of(found[1])}
    answer = browser.post(OWN, data=fields | {"csrf_token": csrf_of(browser, OWN)})
    assert answer.status_code == 201, answer.text
    return found[1], codes_in(answer)


def codes_in(answer: TestResponse) -> list[str]:
    found = re.search(r'id="recovery-codes" translate="no">([^<]+)<', answer.text)
    assert found
    return found[1].split()


def send(client: FlaskClient, path: str = STEP, **fields: str) -> TestResponse:
    """What a form that stands on the page at `path` or on one's own page answers."""
    form = path if path == STEP else OWN
    return client.post(path, data=fields | {"csrf_token": csrf_of(client, form)})


def test_a_sign_in_takes_the_password_and_then_the_code(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    elsewhere = app.test_client()
    sign_in(elsewhere)
    planted = signed_in.get_cookie("aegis")
    secret, codes = enable(signed_in)
    assert len(set(codes)) == NUMBER_OF_CODES
    assert signed_in.get_cookie("aegis") != planted
    assert signed_in.get("/probe/page").text == "a page"
    assert elsewhere.get("/probe/page").status_code == 303
    assert not [code for code in codes if code in signed_in.get(OWN).text]

    clock.shift(30)
    client = app.test_client()
    asked = sign_in(client, next="/probe/page?a=b")
    assert asked.headers["Location"] == f"{STEP}?next=/probe/page?a%3Db"
    mark = client.get_cookie("aegis")
    for path in ("/probe/page", "/", "/account", OWN):
        assert client.get(path).headers["Location"].startswith("/sign-in")
    page = client.get(asked.headers["Location"]).text
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    assert page.count('name="next" value="/probe/page?a=b"') == 2
    assert send(client, code="000000", next="/probe/page?a=b").status_code == 422
    opened = send(client, code=code_of(secret), next="/probe/page?a=b")
    assert opened.headers["Location"] == "/probe/page?a=b"
    assert client.get_cookie("aegis") != mark
    assert client.get("/probe/page").text == "a page"
    assert client.get(STEP).headers["Location"] == "/"
    entry = audited(app)[-1]
    assert (entry.action, entry.after) == ("account.sign_in", {"second factor": "code"})


def test_a_weaker_hash_of_the_password_is_renewed_before_the_second_step(
    signed_in: Browser, app: Flask
) -> None:
    enable(signed_in)
    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with app.app_context(), transaction() as session:
        session.get_one(Account, 1).password = weaker
    assert sign_in(app.test_client()).headers["Location"] == STEP
    with app.app_context():
        assert "$m=19456,t=2,p=1$" in db.session.get(Account, 1).password


def test_a_code_works_once_and_no_older_one_after_it(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, _ = enable(signed_in)
    client = app.test_client()
    sign_in(client)
    replayed = send(client, code=code_of(secret))  # the one that turned it on
    assert replayed.status_code == 422
    assert "it was used already" in replayed.text
    clock.shift(60)
    earlier = code_of(secret)
    clock.shift(30)
    assert send(client, code=code_of(secret)).status_code == 303
    another = app.test_client()
    sign_in(another)
    assert [send(another, code=code).status_code for code in (earlier, code_of(secret))] == [
        422
    ] * 2
    assert another.get("/probe/page").status_code == 303


def test_anything_else_is_refused(signed_in: Browser, app: Flask, clock: Clock) -> None:
    enable(signed_in)
    client = app.test_client()
    for code in ("", "12345", "1" * 50_000, "١٢٣٤٥٦", "\0", "' or 1=1 --"):
        clock.shift(timedelta(hours=2))
        sign_in(client)
        for field in ("code", "recovery_code"):
            assert send(client, **{field: code}).status_code == 422
    assert client.get("/probe/page").status_code == 303
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert "Wiederherstellungscode" in client.get(STEP).text
    assert "Dieser Code ist falsch" in unescape(send(client, code="000000").text)


def test_codes_of_a_clock_that_differs_by_half_a_minute_count(clock: Clock) -> None:
    secret = new_secret()
    code = code_of(secret)
    counted = []
    for _ in range(4):
        counted.append(counter_of(secret, code, NEVER) is not None)
        clock.shift(29)
    assert counted == [True, True, False, False]
    assert counter_of(secret, f"{code[:3]} {code[3:]}", NEVER) is None


def test_a_recovery_code_works_once_however_it_is_typed(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    _, codes = enable(signed_in)
    assert "10 of 10" in signed_in.get(OWN).text
    for expected in (303, 422):
        client = app.test_client()
        sign_in(client)
        typed = codes[0].replace("-", " ").upper()
        assert send(client, recovery_code=f" {typed} ").status_code == expected
    assert audited(app)[-1].after == {"second factor": "recovery code"}
    assert "9 of 10" in signed_in.get(OWN).text
    with app.app_context():
        kept = str(db.session.scalars(select(RecoveryCode.code_sha256)).all())
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]


def test_without_the_password_the_second_step_opens_nothing(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, codes = enable(signed_in)
    stranger = app.test_client()
    assert stranger.get(STEP).headers["Location"] == "/sign-in"
    token = {"csrf_token": csrf_of(stranger)}
    clock.shift(30)
    for fields in ({"code": code_of(secret)}, {"recovery_code": codes[0]}):
        answer = stranger.post(STEP, data=fields | token)
        assert answer.headers["Location"] == "/sign-in"
    with stranger.session_transaction() as session:
        session["second_step"] = "uniquifier-of-alice@example.org"
    assert stranger.get(STEP).headers["Location"] == "/sign-in"


def test_the_password_counts_for_five_minutes_and_while_it_stays(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, _ = enable(signed_in)
    client = app.test_client()
    sign_in(client)
    clock.shift(timedelta(minutes=5))
    assert client.get(STEP).status_code == 200
    clock.shift(1)
    token = {"csrf_token": csrf_of(client)}
    answer = client.post(STEP, data={"code": code_of(secret)} | token)
    assert answer.headers["Location"] == "/sign-in"
    assert "longer than five minutes" in client.get("/sign-in").text
    sign_in(client)
    with app.app_context(), transaction() as session:
        session.get_one(Account, 1).fs_uniquifier = "another password"
    assert client.get(STEP).headers["Location"] == "/sign-in"


def test_it_never_leads_elsewhere(signed_in: Browser, app: Flask, clock: Clock) -> None:
    secret, _ = enable(signed_in)
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil"):
        clock.shift(30)
        client = app.test_client()
        sign_in(client)
        assert "evil" not in client.get(STEP, query_string={"next": elsewhere}).text
        assert send(client, code=code_of(secret), next=elsewhere).headers["Location"] == "/"


def test_wrong_codes_wait_as_wrong_passwords_do_and_the_password_forgets_none(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, _ = enable(signed_in)
    clock.shift(30)
    client = app.test_client()
    for _ in range(FREE_OF_BOTH - 1):
        sign_in(client)
        assert send(client, code="000000").status_code == 422
    assert sign_in(client, password="wrong horse battery").status_code == 422
    assert sign_in(client).status_code == 429
    slowed = send(client, code=code_of(secret))
    assert (slowed.status_code, slowed.headers["Retry-After"]) == (429, "1")
    assert "Too many tries have failed." in slowed.text
    clock.shift(1)
    assert sign_in(client).status_code == 303
    assert send(client, code=code_of(secret)).status_code == 303
    clock.shift(30)
    for _ in range(FREE_OF_BOTH):  # forgotten
        assert sign_in(app.test_client(), password="wrong horse battery").status_code == 422


def test_an_office_behind_one_address_is_not_slowed_down(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, _ = enable(signed_in)
    for _ in range(FREE_OF_ADDRESS // 10):
        clock.shift(30)
        client = app.test_client()
        sign_in(client)
        assert send(client, code=code_of(secret)).status_code == 303
    with app.app_context():
        failures = db.session.scalars(text("SELECT failures FROM sign_in_attempts")).all()
    assert failures == [0]


def test_it_takes_the_password_and_a_code_to_turn_it_on(signed_in: Browser, app: Flask) -> None:
    wrong = send(signed_in, OWN, password="wrong horse battery", code="000000")
    assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
    wrong = send(signed_in, OWN, password=PASSWORD, code="000000")
    assert (wrong.status_code, "This code is wrong" in wrong.text) == (422, True)
    assert send(signed_in, OWN, password=PASSWORD).status_code == 422
    assert signed_in.post(OWN, data={"password": PASSWORD, "code": "1"}).status_code == 400
    statuses = [send(signed_in, OWN, password="wrong", code="1").status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    with app.app_context():
        assert db.session.scalars(select(SecondFactor)).all() == []


def test_it_takes_the_password_to_turn_it_off_or_make_new_codes(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    _, codes = enable(signed_in)
    for path in (f"{OWN}/codes", f"{OWN}/off"):
        assert send(signed_in, path, password="wrong horse battery").status_code == 422
    made = send(signed_in, f"{OWN}/codes", password=PASSWORD)
    assert (made.status_code, len(set(codes_in(made)) - set(codes))) == (201, NUMBER_OF_CODES)
    client = app.test_client()
    sign_in(client)
    assert send(client, recovery_code=codes[0]).status_code == 422
    assert send(client, recovery_code=codes_in(made)[0]).status_code == 303
    off = send(signed_in, f"{OWN}/off", password=PASSWORD)
    assert off.headers["Location"] == "/account"
    assert client.get("/probe/page").status_code == 303
    assert sign_in(app.test_client()).headers["Location"] == "/"
    for path in (f"{OWN}/codes", f"{OWN}/off"):
        for password in (PASSWORD, ""):
            assert send(signed_in, path, password=password).status_code == 409
    actions = [entry.action for entry in audited(app)]
    for action in ("turn_on_second_factor", "make_recovery_codes", "turn_off_second_factor"):
        assert f"account.{action}" in actions


def test_the_audit_and_the_database_hold_no_secret(
    signed_in: Browser, app: Flask, clock: Clock
) -> None:
    secret, _ = enable(signed_in)
    with app.app_context():
        factor = db.session.get(SecondFactor, 1)
        assert secret not in factor.sealed
        sessions = db.session.scalars(text("SELECT data FROM sessions")).all()
    assert not [data for data in sessions if secret in data or factor.sealed in data]
    told = str([(entry.before, entry.after, entry.reason) for entry in audited(app)])
    assert secret not in told
    assert factor.sealed not in told


def test_an_administrator_lets_in_who_has_lost_the_device(
    admin: Browser, app: Flask, clock: Clock
) -> None:
    with app.app_context():
        make_admin("bob@example.org")
    bob, other = app.test_client(), app.test_client()
    sign_in(bob, "bob@example.org")
    enable(bob)
    assert "Turn off the second factor?" in admin.get("/accounts/2").text
    assert admin.post("/accounts/2/second-factor/off").headers["Location"] == "/accounts/2"
    entry = audited(app)[-1]
    assert (entry.actor, entry.action, entry.subject) == (
        EMAIL,
        "account.turn_off_second_factor",
        "account:2",
    )
    assert bob.get("/probe/page").status_code == 303
    assert sign_in(other, "bob@example.org").headers["Location"] == "/"
    assert admin.post("/accounts/2/second-factor/off").status_code == 409
    assert admin.post("/accounts/9/second-factor/off").status_code == 404
    enable(admin)
    refused = admin.post("/accounts/1/second-factor/off")
    assert (refused.status_code, "your own account" in refused.text) == (409, True)


def test_a_link_for_a_new_password_is_no_way_around(
    admin: Browser, app: Flask, clock: Clock
) -> None:
    bob = app.test_client()
    choose(bob, invite(admin), PASSWORD)
    _, codes = enable(bob)
    shown = admin.post(f"/accounts/{account(app).id}/link").text
    link = re.search(r"http://localhost(/password/[\w-]{43})", shown)
    assert link
    thief = app.test_client()
    assert choose(thief, link[1]).headers["Location"] == STEP
    assert thief.get("/probe/page").status_code == 303
    assert send(thief, recovery_code=codes[0]).status_code == 303


def test_new_keys_lock_nobody_out(make_app: MakeApp, clock: Clock) -> None:
    old, new = new_key(), new_key()
    app = make_app(AEGIS_ENCRYPTION_KEYS=old)
    with app.app_context():
        make_admin()
    browser = app.test_client()
    sign_in(browser)
    secret, codes = enable(browser)

    for keys in (f"{new},{old}", new):  # the sign-in with both has sealed it anew
        clock.shift(30)
        client = make_app(AEGIS_ENCRYPTION_KEYS=keys).test_client()
        sign_in(client)
        assert send(client, code=code_of(secret)).status_code == 303

    clock.shift(30)
    client = make_app(AEGIS_ENCRYPTION_KEYS=old).test_client()
    sign_in(client)
    lost = send(client, code=code_of(secret))
    assert (lost.status_code, "encryption key is missing" in lost.text) == (422, True)
    assert send(client, recovery_code=codes[0]).status_code == 303


def test_of_many_at_once_one_uses_a_code(any_app: Flask, clock: Clock) -> None:
    secret = new_secret()
    with any_app.app_context():
        actor = Actor(EMAIL, make_admin().id)
        codes = turn_on(actor, secret, code_of(secret), 0)
    clock.shift(30)
    code = code_of(secret)

    def succeeds(kind: str) -> bool:
        with any_app.app_context():
            try:
                use_code(actor, code) if kind == "code" else use_recovery_code(actor, codes[0])
            except Invalid:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        for kind in ("code", "recovery code"):
            assert sum(pool.map(succeeds, [kind] * 12)) == 1
