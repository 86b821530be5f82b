"""What a browser with a passkey sends, and what it is answered."""

import json
import re
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account, Passkey
from aegis_web.extensions import db
from tests.support.applications import EMAIL
from tests.support.passkeys import Device

from .conftest import csrf_of

NEW, SIGN_IN, CONFIRM = "/account/passkeys/new", "/sign-in/passkey", "/account/confirm/passkey"
SETTINGS = {"AEGIS_PASSKEYS": "1", "AEGIS_PUBLIC_URL": "http://localhost"}


def add(client: FlaskClient, device: Device, name: str = "Phone", **response: str) -> TestResponse:
    """What the form answers that adds a passkey."""
    answer = device.make(creation(client), **response)
    return client.post(NEW, data={"name": name, "answer": answer})


def creation(client: FlaskClient) -> Any:
    """What the page lets a device make."""
    found = re.search(r'data-passkey-options="([^"]+)"', client.get(NEW).text)
    assert found
    return json.loads(unescape(found[1]))


def challenge(client: FlaskClient) -> Any:
    """What the browser is given for a passkey to sign."""
    answer = client.post(f"{SIGN_IN}/challenge", headers={"X-CSRFToken": csrf(client)})
    assert answer.status_code == 200, answer.text
    return answer.json


def csrf(client: FlaskClient) -> str:
    return getattr(client, "csrf_token", None) or csrf_of(client)


def send(client: FlaskClient, answer: str, path: str = SIGN_IN, **fields: str) -> TestResponse:
    return client.post(path, data={"answer": answer, "csrf_token": csrf(client), **fields})


def enter(app: Flask, device: Device, **response: str) -> TestResponse:
    """What a new browser is answered that signs in with a passkey."""
    client = app.test_client()
    return send(client, device.sign(challenge(client), **response))


def kept(app: Flask) -> list[Passkey]:
    with app.app_context():
        return list(db.session.scalars(select(Passkey).order_by(Passkey.id)))


def refused(answer: TestResponse, sentence: str, status: int = 422) -> bool:
    """Whether an answer says so in a sentence, and nobody is signed in by it."""
    told = unescape(answer.text)
    assert (answer.status_code, sentence in told) == (status, True), told
    return True


def account_of(app: Flask, email: str = EMAIL) -> Account:
    with app.app_context():
        return db.session.scalars(select(Account).where(Account.email == email)).unique().one()
