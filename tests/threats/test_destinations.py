"""A stored secret goes nowhere but where it was typed for, whoever edits the job.

CWE-522: who may edit but not read a secret has it sent to a server of their own.
"""

from typing import Any

import pytest
from flask import Flask
from pydantic import BaseModel, SecretStr
from werkzeug.datastructures import MultiDict

from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.parameters import arguments
from aegis_web.registry import ServiceFunction
from aegis_web.vault import Vault
from tests.support.applications import Browser

VAULT = Vault(["a key that is long enough to be one"])


class Mailbox(BaseModel):
    smtp_host: str
    password: SecretStr


def call(url: str, token: SecretStr, path: str = "", box: Mailbox | None = None) -> None: ...


FUNCTION = ServiceFunction(call)
HELD = {
    "url": "https://api.example.org/v1",
    "token": "s3cr3t-of-theirs",
    "box": {"smtp_host": "mail.example.org", "password": "s3cr3t-2"},
}
FORM = {
    "arg.url": "https://api.example.org/v1",
    "arg.token": "",
    "arg.box": "1",
    "arg.box.smtp_host": "mail.example.org",
    "arg.box.password": "",
}


def parsed(**changed: str) -> tuple[dict[str, Any], dict[str, str]]:
    stored = FUNCTION.seal(FUNCTION.check(HELD), VAULT)
    form = FORM | {f"arg.{name.replace('__', '.')}": text for name, text in changed.items()}
    values, errors, _typed = FUNCTION.parse_form(MultiDict(form), stored=stored)
    return values, errors


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://evil.example/v1"},
        {"url": "http://api.example.org/v1"},
        {"url": "https://api.example.org:8443/v1"},
        {"url": "https://api.example.org@evil.example/"},
        {"url": "https://api.example.org.evil.example/"},
        {"box__smtp_host": "mail.evil.example"},
    ],
)
def test_another_address_takes_the_secret_anew(
    changed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values, errors = parsed(**changed)
    assert values == {}
    assert {"token", "box.password"} == errors.keys()
    anew = parsed(**changed, token="typed again", box__password="typed again")
    assert anew[1] == {}
    monkeypatch.setattr(arguments, "secrets_elsewhere", lambda *_: {})
    stolen, _none = parsed(**changed)
    assert FUNCTION.unseal(stolen, VAULT)["token"] == "s3cr3t-of-theirs"  # without the check


@pytest.mark.parametrize(
    "changed", [{"path": "/new"}, {"url": "https://API.example.org/v2?x=1"}, {}]
)
def test_the_same_server_keeps_it(changed: dict[str, str]) -> None:
    values, errors = parsed(**changed)
    assert errors == {}
    assert FUNCTION.unseal(values, VAULT)["token"] == "s3cr3t-of-theirs"


def test_the_form_of_a_job_says_so(app: Flask, admin: Browser) -> None:
    form = {
        "name": "Ask a partner", "service": "http_request", "arg.url": "https://example.org/",
        "arg.method": "GET", "arg.token": "s3cr3t-of-theirs", "trigger": "cron",
        "cron": "0 9 * * *", "zone": "UTC", "overlap": "skip", "catch_up": "latest",
        "priority": "1", "retry_backoff": "fixed", "on_lost": "mark",
    }  # fmt: skip
    job = admin.post("/jobs", data=form).location
    moved = {**form, "arg.token": "", "arg.url": "https://evil.example/", "revision": "1"}
    for path in (job, f"{job}/run"):
        answer = admin.post(path, data={**moved, "custom": "1", "request_key": "k" * 16})
        assert answer.status_code == 422, path
        assert "stored for another address" in answer.text, path
    removed = {**moved, "arg.token.remove": "1"}
    assert admin.post(job, data=removed).status_code == 303
    with app.app_context():
        assert "token" not in {n for n, v in db.session.get_one(Job, 1).arguments.items() if v}
