"""Passkeys: how they are added and removed, and what signs somebody in."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import update

from aegis_web.accounts import passkeys
from aegis_web.accounts.models import Account
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from tests.support.applications import EMAIL, PASSWORD, Browser, MakeApp, signed_in
from tests.support.passkeys import Device, Key, new_key, new_rsa_key, to_text

from .conftest import audited, csrf_of, sign_in
from .passkeys import (
    CONFIRM,
    NEW,
    SETTINGS,
    SIGN_IN,
    account_of,
    add,
    challenge,
    creation,
    enter,
    kept,
    refused,
    send,
)
from .test_commands import run
from .test_second_factor import code_of, enable

LATER = timedelta(minutes=12)
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


def test_a_passkey_signs_in_without_e_mail_password_and_code(
    admin: Browser, app: Flask, clock: Clock
) -> None:
    enable(admin)
    elsewhere = app.test_client()
    elsewhere.sign_in(account_of(app))
    assert elsewhere.get("/account").status_code == 200
    before = admin.get_cookie("aegis")
    device = Device()
    options = creation(admin)
    assert options["rp"] == {"name": "Aegis", "id": "localhost"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    done = admin.post(NEW, data={"name": "Phone <b>", "answer": device.make(options)})
    assert done.headers["Location"] == "/account"
    assert admin.get_cookie("aegis") != before
    assert elsewhere.get("/account").status_code == 303
    page = admin.get("/account").text
    assert "Phone &lt;b&gt;" in page
    assert "never used" in page
    assert [entry.after for entry in audited(app)][-1] == {"passkey": "Phone <b>"}

    client = app.test_client()
    assert "Sign in with a passkey" in client.get("/sign-in").text
    options = challenge(client)
    assert (options["rpId"], options["userVerification"]) == ("localhost", "required")
    planted = client.get_cookie("aegis")
    done = send(client, device.sign(options), next="/jobs?a=b")
    assert done.headers["Location"] == "/jobs?a=b"
    assert client.get_cookie("aegis") != planted
    assert client.get("/account").status_code == 200
    entry = audited(app)[-1]
    assert (entry.actor, entry.action, entry.subject) == (EMAIL, "account.sign_in", "account:1")
    assert entry.after == {"via": "passkey", "passkey": "Phone <b>"}
    assert kept(app)[0].used_at == utc_now()
    token = {"csrf_token": csrf_of(client, "/account")}
    assert client.post(SIGN_IN, data=token).headers["Location"] == "/"  # signed in already


@pytest.mark.parametrize("make_key", [new_key, Ed25519PrivateKey.generate, new_rsa_key])
def test_each_kind_of_key_that_is_asked_for_signs_in(
    admin: Browser, app: Flask, make_key: Callable[[], Key]
) -> None:
    device = Device(key=make_key())
    offered = [kind["alg"] for kind in creation(admin)["pubKeyCredParams"]]
    assert device.public_key()[3] in offered
    assert add(admin, device).status_code == 303
    assert enter(app, device).status_code == 303
    device.key = make_key()
    assert refused(enter(app, device), "does not hold")


def test_it_does_so_on_both_databases(any_app: Flask) -> None:
    device = Device()
    add(signed_in(any_app), device)
    for _ in range(2):
        assert enter(any_app, device).status_code == 303
    assert kept(any_app)[0].counter == device.counter == 3


def test_who_is_refused_keeps_the_way_to_the_page(app: Flask, device: Device) -> None:
    client = app.test_client()
    wrong = send(client, Device().sign(challenge(client)), next="/jobs?a=b")
    assert refused(wrong, "opens no account")
    assert wrong.text.count('name="next" value="/jobs?a=b"') == 2
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    wrong = send(client, Device().sign(challenge(client)))
    assert refused(wrong, "Dieser Passkey öffnet hier kein Konto.")


def test_it_leads_nowhere_else(app: Flask, device: Device) -> None:
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil"):
        client = app.test_client()
        done = send(client, device.sign(challenge(client)), next=elsewhere)
        assert done.headers["Location"] == "/"


def test_with_the_setting_off_nothing_of_it_is_seen(
    admin: Browser, app: Flask, device: Device, make_app: MakeApp
) -> None:
    off = make_app(AEGIS_PASSKEYS="0")
    alice, stranger = off.test_client(), off.test_client()
    alice.sign_in(account_of(app))
    for path in ("/account", "/account/confirm", "/sign-in", "/accounts/1"):
        assert "asskey" not in alice.get(path).text
        assert "asskey" not in stranger.get(path).text.replace("js/", "")
    assert alice.get(NEW).status_code == 404
    paths = (NEW, SIGN_IN, f"{SIGN_IN}/challenge", CONFIRM, "/account/passkeys/1/remove")
    for path in (*paths, "/accounts/1/passkeys/remove"):
        assert alice.post(path).status_code == 404
    token = {"csrf_token": csrf_of(stranger)}
    for path in (SIGN_IN, f"{SIGN_IN}/challenge"):
        assert stranger.post(path, data=token).status_code == 404
    assert len(kept(app)) == 1


def test_an_account_that_its_password_does_not_open_is_closed(app: Flask, device: Device) -> None:
    for closed, opened in (
        ({"active": False}, {"active": True}),
        ({"password": None}, {"password": "x"}),
    ):
        change(app, **closed)
        assert refused(enter(app, device), "opens no account")
        change(app, **opened)
        assert enter(app, device).status_code == 303


def change(app: Flask, **values: object) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Account).values(**values))


def test_the_library_is_loaded_when_somebody_uses_a_passkey() -> None:
    """It takes memory in every process, and Flask-Security alone would load it at each start."""
    script = """
import sys
from pkgutil import walk_packages
import aegis_web
for module in walk_packages(aegis_web.__path__, "aegis_web."):
    __import__(module.name)
early = {"webauthn", "cbor2"} & set(sys.modules)
from webauthn import verify_authentication_response
print("flask_security" in sys.modules, early)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("True set()\n", "")


def test_who_has_no_password_gets_no_passkey(admin: Browser, app: Flask) -> None:
    options = creation(admin)
    change(app, password=None)
    assert "Add a passkey" not in admin.get("/account").text
    assert refused(admin.get(NEW), "has no password", 409)
    sent = admin.post(NEW, data={"name": "x", "answer": Device().make(options)})
    assert refused(sent, "has no password", 409)
    assert kept(app) == []


def test_the_writes_take_a_token_of_the_session_and_come_from_here(
    app: Flask, admin: Browser, device: Device
) -> None:
    stranger = app.test_client()
    paths = (SIGN_IN, f"{SIGN_IN}/challenge", CONFIRM, NEW, "/account/passkeys/1/remove")
    for path in paths[:2]:
        assert stranger.post(path, data={"answer": "x"}).status_code == 400
    for path in (*paths, "/accounts/1/passkeys/remove"):
        for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert admin.post(path, headers=foreign).status_code == 403
    admin.csrf_token = None
    assert [admin.post(path).status_code for path in paths] == [400] * len(paths)
    assert len(kept(app)) == 1


def test_it_takes_a_fresh_sign_in_to_add_or_remove_one(
    app: Flask, admin: Browser, device: Device, clock: Clock
) -> None:
    clock.shift(LATER)
    asked = f"/account/confirm?next={NEW}"
    assert admin.get(NEW).headers["Location"] == asked
    assert admin.post(NEW, data={"name": "x"}).headers["Location"] == asked
    removed = admin.post("/account/passkeys/1/remove")
    assert removed.headers["Location"] == "/account/confirm?next=/account"
    assert len(kept(app)) == 1


def test_a_passkey_is_a_fresh_sign_in(
    app: Flask, admin: Browser, device: Device, clock: Clock
) -> None:
    secret, _ = enable(admin)
    clock.shift(LATER)
    stolen = admin.get_cookie("aegis")
    assert stolen
    assert "Confirm with a passkey" in admin.get("/account/confirm").text
    done = send(admin, device.sign(challenge(admin)), CONFIRM, next=NEW)
    assert done.headers["Location"] == NEW
    assert admin.get(NEW).status_code == 200
    assert admin.get_cookie("aegis") != stolen
    assert audited(app)[-1].after == {"via": "passkey", "passkey": "Phone"}
    clock.shift(LATER)
    wrong = send(admin, Device(handle=device.handle).sign(challenge(admin)), CONFIRM)
    assert refused(wrong, "opens no account")
    assert admin.get(NEW).status_code == 303
    assert code_of(secret)


def test_somebody_elses_passkey_is_no_proof(
    app: Flask, admin: Browser, device: Device, clock: Clock
) -> None:
    bob = signed_in(app, "bob@example.org")
    assert "Confirm with a passkey" not in bob.get("/account/confirm").text
    clock.shift(LATER)
    before = len(audited(app))
    assert refused(send(bob, device.sign(challenge(bob)), CONFIRM), "opens another account")
    assert bob.get(NEW).headers["Location"].startswith("/account/confirm")
    assert len(audited(app)) == before


def test_who_is_at_the_second_step_may_take_a_passkey_instead(
    app: Flask, admin: Browser, device: Device, clock: Clock
) -> None:
    enable(admin)
    client = app.test_client()
    there = sign_in(client, next="/jobs").headers["Location"]
    assert "Sign in with a passkey" in client.get(there).text
    done = send(client, device.sign(challenge(client)), next="/jobs")
    assert done.headers["Location"] == "/jobs"
    assert client.get(there).headers["Location"] == "/"
    with client.session_transaction() as session:
        assert "second_step" not in session


def test_a_link_for_a_new_password_leaves_passkeys_as_they_are(
    app: Flask, admin: Browser, device: Device
) -> None:
    bob = signed_in(app, "bob@example.org")
    shown = bob.post("/accounts/1/link").text
    link = re.search(r"http://localhost(/password/[\w-]{43})", shown)
    assert link
    client = app.test_client()
    token = csrf_of(client, link[1])
    twice = {"password": PASSWORD, "password_again": PASSWORD, "csrf_token": token}
    assert client.post(link[1], data=twice).headers["Location"] == "/"
    assert enter(app, device).status_code == 303


def test_a_removed_one_opens_nothing_and_ends_the_other_sessions(
    app: Flask, admin: Browser, device: Device
) -> None:
    client = app.test_client()
    send(client, device.sign(challenge(client)))
    before = admin.get_cookie("aegis")
    assert admin.post("/account/passkeys/1/remove").headers["Location"] == "/account"
    assert admin.get_cookie("aegis") != before
    assert client.get("/account").status_code == 303
    assert refused(enter(app, device), "opens no account")
    entry = audited(app)[-1]
    assert (entry.action, entry.before) == ("account.remove_passkey", {"passkey": "Phone"})
    assert admin.post("/account/passkeys/1/remove").status_code == 404


def test_nobody_removes_one_of_somebody_else_as_their_own(
    app: Flask, admin: Browser, device: Device
) -> None:
    bob = signed_in(app, "bob@example.org")
    assert bob.post("/account/passkeys/1/remove").status_code == 404
    assert len(kept(app)) == 1


def test_an_administrator_removes_those_of_a_lost_device(
    app: Flask, admin: Browser, device: Device
) -> None:
    bob, client = signed_in(app, "bob@example.org"), app.test_client()
    send(client, device.sign(challenge(client)))
    assert "Remove the passkeys?" in bob.get("/accounts/1").text
    assert bob.post("/accounts/1/passkeys/remove").headers["Location"] == "/accounts/1"
    assert client.get("/account").status_code == 303
    assert refused(enter(app, device), "opens no account")
    entry = audited(app)[-1]
    assert (entry.actor, entry.action, entry.before) == (
        "bob@example.org",
        "account.remove_passkeys",
        {"passkeys": ["Phone"]},
    )
    assert refused(bob.post("/accounts/1/passkeys/remove"), "has no passkeys", 409)
    assert bob.post("/accounts/9/passkeys/remove").status_code == 404
    assert refused(bob.post("/accounts/2/passkeys/remove"), "your own account", 409)


def test_so_does_the_command_line(app: Flask, admin: Browser, device: Device) -> None:
    said = run(app, "remove-passkeys", EMAIL)
    assert said.output == f"Passkeys of {EMAIL} removed: 1. The sessions have ended.\n"
    assert admin.get("/account").status_code == 303
    assert audited(app)[-1].actor == "command line"
    assert run(app, "remove-passkeys", EMAIL).exit_code == 1


def test_a_name_is_asked_for(app: Flask, admin: Browser) -> None:
    for name, sentence in (("", "Enter a name"), ("x" * 101, "at most 100 characters")):
        assert refused(add(admin, Device(), name), sentence)
    assert kept(app) == []
    assert add(admin, Device(), "x" * 100).status_code == 303


def test_one_is_added_once_and_only_so_many(app: Flask, admin: Browser, device: Device) -> None:
    known = creation(admin)["excludeCredentials"]
    assert [one["id"] for one in known] == [to_text(device.credential_id)]
    assert refused(add(admin, device), "known here already", 409)
    bob = signed_in(app, "bob@example.org")
    assert refused(add(bob, device), "known here already", 409)
    for _ in range(passkeys.MOST - 1):
        assert add(admin, Device()).status_code == 303
    assert len({passkey.user_handle for passkey in kept(app)}) == 1  # one account to devices
    assert refused(admin.get(NEW), "at most 20 passkeys", 409)
    assert refused(admin.post(NEW, data={"answer": "x"}), "at most 20 passkeys", 409)
    assert len(kept(app)) == passkeys.MOST


def test_the_audit_and_the_pages_hold_no_key(app: Flask, admin: Browser, device: Device) -> None:
    enter(app, device)
    row = kept(app)[0]
    told = str([(entry.before, entry.after) for entry in audited(app)])
    pages = admin.get("/account").text + admin.get("/accounts/1").text
    for secret in (row.public_key, row.credential_id):
        assert to_text(secret) not in told + pages
        assert secret.hex() not in told + pages
