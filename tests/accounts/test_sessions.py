"""Sessions are kept by the server: what of them, how long, and how they end."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from sqlalchemy import event, select

from aegis_web.accounts.models import Account, AccountSession
from aegis_web.accounts.queries import token_sha256
from aegis_web.accounts.sessions import (
    Limits,
    begin_session,
    change_session,
    end_session,
    find_session,
)
from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.extensions import db
from tests.support.applications import MakeApp, make_admin

from .conftest import csrf_of, sign_in

POLL = {"HX-Request": "true"}


def key_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("aegis")
    assert cookie
    return cookie.value


def signed_agent(client: FlaskClient) -> str:
    """What the client says it is."""
    return str(client.environ_base["HTTP_USER_AGENT"])


def kept(app: Flask) -> list[AccountSession]:
    with app.app_context():
        return list(db.session.scalars(select(AccountSession).order_by(AccountSession.id)))


def test_the_database_holds_the_hash_of_the_key_alone(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    sign_in(client)
    (row,) = kept(app)
    assert len(key_of(client)) == 43
    assert row.key_sha256 == token_sha256(key_of(client))
    assert key_of(client) not in row.data
    assert (row.account_id, row.address, row.agent) == (1, "127.0.0.1", signed_agent(client))


def test_a_stranger_writes_nothing(client: FlaskClient, alice: Account, app: Flask) -> None:
    csrf_of(client)
    sign_in(client, password="wrong horse battery")
    assert kept(app) == []


def test_a_key_planted_before_the_sign_in_opens_nothing(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    planted = "p" * 43
    client.set_cookie("aegis", planted)
    sign_in(client)
    assert key_of(client) != planted
    thief = app.test_client()
    thief.set_cookie("aegis", planted)
    assert thief.get("/probe/page").status_code == 303


def test_each_sign_in_has_a_key_of_its_own(client: FlaskClient, alice: Account, app: Flask) -> None:
    before = csrf_of(client)
    cookie = key_of(client)
    sign_in(client)
    first = key_of(client)
    assert first != cookie
    assert csrf_of(client, "/account") != before
    other = app.test_client()
    sign_in(other)
    assert len({first, key_of(other)}) == 2


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_sign_out(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    sign_in(client)
    thief = app.test_client()
    thief.set_cookie("aegis", key_of(client))
    assert thief.get("/probe/page").text == "a page"
    client.post("/sign-out", data={"csrf_token": csrf_of(client, "/account")})
    assert thief.get("/probe/page").status_code == 303
    assert kept(app) == []


def test_the_cookie_of_one_installation_opens_no_other(
    signed_in: FlaskClient, make_app: MakeApp, sqlite_template: Path, tmp_path: Path
) -> None:
    copy = shutil.copy(sqlite_template, tmp_path / "other.db")
    elsewhere = make_app(DATABASE_URL=f"sqlite:///{copy}")
    with elsewhere.app_context():
        make_admin()
    other = elsewhere.test_client()
    other.set_cookie("aegis", key_of(signed_in))
    assert other.get("/probe/page").status_code == 303


def test_a_signed_cookie_that_names_an_account_opens_nothing(alice: Account, app: Flask) -> None:
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    thief = app.test_client()
    thief.set_cookie("aegis", signer.dumps({"_user_id": alice.fs_uniquifier, "_fresh": True}))
    assert thief.get("/probe/page").status_code == 303


def test_it_outlives_the_process_and_a_rotated_secret_key(
    client: FlaskClient, alice: Account, make_app: MakeApp
) -> None:
    sign_in(client)
    rotated = make_app(SECRET_KEY="the-second-of-two-keys-" + "b2" * 20).test_client()
    rotated.set_cookie("aegis", key_of(client))
    assert rotated.get("/probe/page").text == "a page"


def test_it_ends_when_nobody_uses_it(signed_in: FlaskClient) -> None:
    with time_machine.travel(utc_now() + timedelta(hours=12, seconds=1), tick=False):
        assert signed_in.get("/probe/page").status_code == 303


def test_use_by_a_person_prolongs_it_and_polls_do_not(signed_in: FlaskClient, app: Flask) -> None:
    later = utc_now() + timedelta(hours=8)
    with time_machine.travel(later, tick=False):
        assert signed_in.get("/probe/page", headers=POLL).text == "a page"
        assert kept(app)[0].seen_at < later
        signed_in.get("/probe/page")
        assert kept(app)[0].seen_at == later
    with time_machine.travel(later + timedelta(hours=11), tick=False):
        assert signed_in.get("/probe/page").text == "a page"


def test_it_ends_after_fourteen_days_whatever_its_use(signed_in: FlaskClient) -> None:
    begun = utc_now()
    for half_day in range(29):
        with time_machine.travel(begun + half_day * timedelta(hours=11.9), tick=False):
            assert signed_in.get("/probe/page").text == "a page"
    for late in (13.95, 14.01):
        with time_machine.travel(begun + timedelta(days=late), tick=False):
            assert signed_in.get("/probe/page").status_code == (200 if late < 14 else 303)


def test_the_limits_can_be_set(make_app: MakeApp, alice: Account) -> None:
    client = make_app(AEGIS_SESSION_IDLE_HOURS="1", AEGIS_SESSION_DAYS="1").test_client()
    sign_in(client)
    with time_machine.travel(utc_now() + timedelta(hours=1, seconds=1), tick=False):
        assert client.get("/probe/page").status_code == 303


def test_use_is_written_at_most_once_a_minute(signed_in: FlaskClient, app: Flask) -> None:
    written: list[str] = []
    signed_in.get("/probe/page")
    with app.app_context():
        engine = db.engines[WRITE]
    event.listen(engine, "before_cursor_execute", lambda *args: written.append(args[2]))
    for _ in range(3):
        signed_in.get("/probe/page")
    assert written == []
    with time_machine.travel(utc_now() + timedelta(seconds=61), tick=False):
        signed_in.get("/probe/page")
        signed_in.get("/probe/page")
    assert sum(one.startswith("UPDATE sessions") for one in written) == 1


def test_those_that_ran_out_are_removed_at_the_next_sign_in(
    client: FlaskClient, alice: Account, app: Flask
) -> None:
    sign_in(client)
    with time_machine.travel(utc_now() + timedelta(hours=13), tick=False):
        sign_in(app.test_client())
        assert len(kept(app)) == 1


def test_a_database_that_is_away_makes_nobody_a_stranger(
    signed_in: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.get("/probe/page")
    key = key_of(signed_in)
    with app.app_context(), db.engines[WRITE].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")
    assert signed_in.get("/healthz").status_code == 200
    answer = signed_in.get("/probe/page")
    assert answer.status_code >= 500
    assert "Location" not in answer.headers
    with app.app_context(), db.engines[WRITE].begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO sessions")
    assert key_of(signed_in) == key
    assert signed_in.get("/probe/page").text == "a page"


def test_a_late_request_changes_no_session_that_has_got_its_number(
    app: Flask, alice: Account
) -> None:
    limits = Limits.of(app.extensions["aegis.settings"])
    facts = (alice.fs_uniquifier, "{}", "127.0.0.1", "a browser", limits)
    with app.app_context():
        engine = db.engines[WRITE]
        ended = find_session(db.session, begin_session(engine, *facts) or "", limits)
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM sessions")  # as a restore does
        db.session.rollback()
        key = begin_session(engine, *facts) or ""
        other = find_session(db.session, key, limits)
        assert ended is not None
        assert other is not None
        assert ended.id == other.id
        change_session(engine, ended, data='{"_user_id": "mallory"}', seen=True)
        end_session(engine, ended)
        db.session.rollback()
        assert find_session(db.session, key, limits) == other
        change_session(engine, other, data='{"_fresh": true}')
        db.session.rollback()
        assert find_session(db.session, key, limits).data == '{"_fresh": true}'
        end_session(engine, other)
        db.session.rollback()
        assert find_session(db.session, key, limits) is None
        db.session.close()
