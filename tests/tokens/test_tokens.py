"""Tokens: made once, good for their scopes alone, and gone at once when revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from aegis_web.accounts.models import Account
from aegis_web.accounts.rights import RIGHTS
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from aegis_web.runs.models import Run
from aegis_web.tokens import actions
from aegis_web.tokens.models import Token
from aegis_web.tokens.scopes import ROUTES, SCOPES
from tests.runs.rows import add_job
from tests.support.applications import Browser, MakeApp

SHOWN = re.compile(r'id="token">(aegis_[a-z0-9]{8}_[\w-]{43})<')


def make(admin: Browser, *scopes: str, days: str = "") -> str:
    """The text of a new token, as the page shows it."""
    fields = {"name": "deploy script", "scopes": list(scopes or SCOPES), "days": days}
    answer = admin.post("/tokens", data=fields)
    assert answer.status_code == 201, answer.text
    found = SHOWN.search(answer.text)
    assert found
    return found[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def runs(app: Flask) -> list[Run]:
    with app.app_context():
        return list(db.session.scalars(select(Run)))


def test_a_program_runs_a_job(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    token = make(admin, "jobs:run")
    answer = app.test_client().post(f"/jobs/{job}/run", headers=bearer(token))
    assert answer.status_code == 202
    assert answer.json == {"run": 1, "url": "http://localhost/runs/1"}
    assert [run.requested_by for run in runs(app)] == ["alice@example.org"]
    assert "Set-Cookie" not in answer.headers


def test_the_same_idempotency_key_makes_one_run(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    headers = bearer(make(admin)) | {"Idempotency-Key": "deploy 17"}
    answers = [app.test_client().post(f"/jobs/{job}/run", headers=headers) for _ in range(2)]
    assert [answer.json["run"] for answer in answers if answer.json] == [1, 1]
    assert len(runs(app)) == 1


def test_it_is_shown_once_and_its_hash_alone_is_kept(admin: Browser, app: Flask) -> None:
    token = make(admin)
    assert token not in admin.get("/tokens").text
    with app.app_context():
        row = db.session.scalars(select(Token)).unique().one()
        assert token.endswith(row.prefix + token[-44:])
        assert token[-43:] not in str(vars(row))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:6] + "00000000" + token[14:],
        lambda token: token.replace("aegis", "sigea"),
        lambda _: "",
        lambda _: "aegis__",
        lambda _: "ä" * 60,
    ],
)
def test_anything_else_opens_nothing(admin: Browser, app: Flask, spoil: object) -> None:
    job = add_job(app)
    wrong = spoil(make(admin)).encode().decode("latin-1")  # type: ignore[operator]
    answer = app.test_client().post(f"/jobs/{job}/run", headers=bearer(wrong))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "does not work" in (answer.json or {})["error"]
    assert runs(app) == []


def test_a_scope_opens_its_routes_and_no_other(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    reading, running = bearer(make(admin, "backups:read")), bearer(make(admin, "jobs:run"))
    program = app.test_client()
    assert program.post(f"/jobs/{job}/run", headers=reading).status_code == 403
    assert program.get("/backups/latest/file", headers=reading).status_code == 404  # none yet
    for path in ("/backups/latest/file", "/jobs", "/tokens", "/account", "/nowhere", "/sign-in"):
        assert program.get(path, headers=running).status_code == 403, path
    assert program.post("/tokens", headers=running).status_code == 403


def test_every_scope_is_good_for_something_and_every_route_has_a_right() -> None:
    assert set(ROUTES.values()) == SCOPES.keys()
    assert ROUTES.keys() <= RIGHTS.keys()


def test_other_arguments_take_the_right_to_edit(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    token = make(admin)
    with app.app_context(), transaction() as session:
        account = session.scalars(select(Account)).unique().one()
        account.roles[0].name = "operator"
    program = app.test_client()
    answer = program.post(f"/jobs/{job}/run", headers=bearer(token), data={"custom": "1"})
    assert answer.status_code == 403
    assert program.post(f"/jobs/{job}/run", headers=bearer(token)).status_code == 202


def test_a_revoked_one_stops_at_once_in_every_process(
    admin: Browser, app: Flask, make_app: MakeApp, sqlite_database: str
) -> None:
    job = add_job(app)
    token = make(admin)
    other = make_app(DATABASE_URL=sqlite_database).test_client()
    assert other.post(f"/jobs/{job}/run", headers=bearer(token)).status_code == 202
    admin.post("/tokens/1/revoke")
    assert other.post(f"/jobs/{job}/run", headers=bearer(token)).status_code == 401
    assert admin.post("/tokens/1/revoke").status_code == 404


def test_it_runs_out(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    token = make(admin, days="2")
    for hours, status in ((47, 202), (49, 401)):
        with time_machine.travel(utc_now() + timedelta(hours=hours), tick=False):
            answer = app.test_client().post(f"/jobs/{job}/run", headers=bearer(token))
            assert answer.status_code == status
            assert ("has run out" in admin.get("/tokens").text) == (status == 401 and hours < 12)


def test_it_ends_with_its_account(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    token = make(admin)
    with app.app_context(), transaction() as session:
        session.execute(update(Account).values(active=False))
    answer = app.test_client().post(f"/jobs/{job}/run", headers=bearer(token))
    assert answer.status_code == 401


def test_the_page_says_when_and_from_where_it_was_used(admin: Browser, app: Flask) -> None:
    job = add_job(app)
    token = make(admin)
    assert "never used" in admin.get("/tokens").text
    environ = {"REMOTE_ADDR": "127.0.0.9"}
    program = app.test_client()
    program.post(f"/jobs/{job}/run", headers=bearer(token), environ_overrides=environ)
    assert "127.0.0.9" in admin.get("/tokens").text


def test_what_a_program_does_wrong_it_is_told_in_json(admin: Browser, app: Flask) -> None:
    answer = app.test_client().post("/jobs/99/run", headers=bearer(make(admin)))
    assert answer.status_code == 404
    assert answer.json


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "scopes": "jobs:run"}, "Say what uses it"),
        ({"name": "x"}, "Choose what it may do."),
        ({"name": "x", "scopes": "root"}, "There is no scope root."),
        ({"name": "x", "scopes": "jobs:run", "days": "0"}, "number of days from 1 to 3650"),
        ({"name": "x", "scopes": "jobs:run", "days": "9" * 5000}, "number of days"),
        ({"name": "x", "scopes": "jobs:run", "days": "٣"}, "number of days"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(
    admin: Browser, app: Flask, fields: dict[str, str], message: str
) -> None:
    answer = admin.post("/tokens", data=fields)
    assert answer.status_code == 422
    assert message in answer.text
    with app.app_context():
        assert db.session.scalars(select(Token)).unique().all() == []


def test_a_new_one_takes_a_fresh_sign_in(admin: Browser, app: Flask) -> None:
    admin.get("/tokens")
    with time_machine.travel(utc_now() + timedelta(minutes=11)):
        answer = admin.post("/tokens", data={"name": "backup", "scopes": "backups:read"})
    assert answer.headers["Location"] == "/account/confirm?next=/tokens"
    with app.app_context():
        assert db.session.scalar(select(Token.id)) is None


def test_a_form_that_is_sent_twice_makes_one_token(admin: Browser, app: Flask) -> None:
    assert re.search(r'name="request_key" value="[\w-]{16}"', admin.get("/tokens").text)
    form = {"name": "deploy", "scopes": ["jobs:run"], "days": "", "request_key": "k"}

    def sent(**values: str) -> str:
        found = SHOWN.search(admin.post("/tokens", data=form | values).text)
        assert found
        return found[1]

    def kept() -> int:
        with app.app_context():
            return len(db.session.scalars(select(Token)).unique().all())

    first = sent()
    assert (sent(), kept()) == (first, 1)
    assert len({first, sent(request_key="l"), sent(days="9")}) == kept() == 3
    admin.post("/tokens/1/revoke")
    assert sent() != first  # none that was revoked comes back


def test_a_form_that_was_quicker_on_another_way_is_found(
    admin: Browser, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"name": "deploy", "scopes": ["jobs:run"], "days": "", "request_key": "k"}
    add_token = actions.add_token

    def too_late(*args: Any) -> None:
        monkeypatch.setattr(actions, "add_token", add_token)
        raise IntegrityError("INSERT", {}, Exception("UNIQUE"))

    monkeypatch.setattr(actions, "add_token", too_late)
    shown = [SHOWN.findall(admin.post("/tokens", data=form).text) for _ in range(2)]
    assert shown[0] == shown[1] != []
    with app.app_context():
        assert len(db.session.scalars(select(Token)).unique().all()) == 1
