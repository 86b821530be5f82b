"""Each row of the audit carries a hash over the row before it, whoever writes at the same time."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aegis_web.audit import chain, queries
from aegis_web.audit.models import SYSTEM, Origin, audit_entry, origin
from aegis_web.audit.verify import verify
from aegis_web.clock import to_us, utc_now
from aegis_web.database import WRITE
from aegis_web.engine import changes
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState
from tests.accounts.conftest import sign_in
from tests.audit.rows import ALICE, chained, note
from tests.runs.rows import add_job
from tests.support.applications import MakeApp, make_admin

WRITERS, EACH = 4, 8
BUMP = text("UPDATE jobs SET revision = revision + 1 WHERE id = :id")


def sound(app: Flask) -> int:
    """How many rows the chain has; fails where one is bad or in none."""
    with app.app_context():
        verdict = verify()
    assert verdict is not None
    assert (verdict.fault, verdict.waiting) == (None, 0)
    return verdict.rows


def test_a_connection_that_has_broken_is_given_back_in_peace(app: Flask) -> None:
    with app.app_context(), db.engines[WRITE].connect() as connection:
        transaction_of = connection.begin()
        connection.execute(text("SELECT 1"))
        connection.invalidate()
        transaction_of.close()


def test_the_hash_follows_the_documented_recipe(any_app: Flask) -> None:
    app = any_app
    token = origin.set(Origin("192.0.2.7", "aegis_ab"))
    note(app, before={"b": 1.5, "a": "é\ud83d\ude00"}, after={"n": None}, reason="They move")
    origin.reset(token)
    note(app)
    first, second = chained(app)
    content = {
        "account_id": 1,
        "action": "job.pause",
        "actor": "alice@example.org",
        "address": "192.0.2.7",
        "after": {"n": None},
        "at": to_us(first.at),
        "before": {"a": "é\ud83d\ude00", "b": 1.5},
        "id": first.id,
        "reason": "They move",
        "subject": "job:1",
        "token": "aegis_ab",
    }
    assert list(content) == sorted(content)
    written = json.dumps(content, separators=(",", ":"))
    assert first.hash == hashlib.sha256(f"{'0' * 64}\n{written}".encode()).hexdigest()
    assert (first.previous, first.position) == ("0" * 64, 1)
    assert (second.previous, second.position) == (first.hash, 2)
    assert (second.reason, second.address, second.token) == (None, None, None)
    with app.app_context():
        assert queries.head() == queries.Head(second.id, str(second.hash), 2)


def test_rows_of_one_transaction_join_in_their_order_and_undone_ones_do_not(any_app: Flask) -> None:
    app = any_app
    with app.app_context(), transaction() as session:
        for number in range(3):
            session.add(audit_entry(ALICE, "job.run", f"job:{number}"))
            session.flush()
        with suppress(LookupError), session.begin_nested():
            write_and_fail(session)
    with suppress(LookupError), app.app_context(), transaction() as session:
        write_and_fail(session)
    assert [row.subject for row in chained(app)] == ["job:0", "job:1", "job:2"]
    assert sound(app) == 3


def write_and_fail(session: Session) -> None:
    session.add(audit_entry(ALICE, "job.run", "job:9"))
    session.flush()
    raise LookupError


@pytest.mark.essential
def test_writers_at_the_same_time_make_one_chain(any_app: Flask) -> None:
    app, start = any_app, Barrier(WRITERS)
    jobs = [add_job(app, f"Job {number}") for number in range(2)]

    def write(writer: int) -> None:
        start.wait(20)
        for number in range(EACH):
            with app.app_context(), transaction() as session:
                session.execute(BUMP, {"id": jobs[number % 2]})
                session.add(audit_entry(ALICE, "job.run", f"job:{writer}"))
                session.flush()
                session.add(audit_entry(ALICE, "job.run", f"job:{number}"))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert sound(app) == WRITERS * EACH * 2


@pytest.mark.postgresql
def test_a_lock_that_another_writer_wants_is_no_deadlock(make_app: MakeApp, pg_url: str) -> None:
    """A row of the audit is written before the other lock is taken, by both."""
    app = make_app(DATABASE_URL=pg_url)
    jobs, start = [add_job(app, f"Job {number}") for number in range(2)], Barrier(2)

    def write(shared: int) -> None:
        with app.app_context(), transaction() as session:
            session.add(audit_entry(ALICE, "job.run", f"job:{shared}"))
            session.flush()
            start.wait(20)
            session.execute(BUMP, {"id": jobs[0]})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, jobs))
    assert sound(app) == 2


@pytest.mark.postgresql
def test_ids_out_of_the_order_of_commits_do_no_harm(make_app: MakeApp, pg_url: str) -> None:
    app = make_app(DATABASE_URL=pg_url)
    with app.app_context():
        slow = Session(db.engines[WRITE])
        slow.add(audit_entry(ALICE, "job.run", "job:1"))
        slow.flush()
        note(app, "job.run", "job:2")
        slow.commit()
        slow.close()
    assert [row.subject for row in chained(app)] == ["job:2", "job:1"]
    first, second = chained(app)
    assert first.id > second.id
    assert sound(app) == 2


def test_what_the_engine_and_the_sign_in_write_joins_too(any_app: Flask) -> None:
    app = any_app
    job = add_job(app, state=JobState.PAUSED, pause_until=utc_now() - timedelta(minutes=1))
    with (
        app.app_context(),
        db.engines[WRITE].begin() as connection,
        Session(connection) as session,  # as the node's turn does it
    ):
        registry = app.extensions["aegis.registry"]
        assert changes.resume_ended(session, registry, 10) == 1
        session.flush()
    with app.app_context():
        make_admin()
    assert sign_in(app.test_client()).status_code == 302
    resumed, signed_in = chained(app)
    assert (resumed.actor, resumed.subject) == (SYSTEM.name, f"job:{job}")
    assert signed_in.action == "account.sign_in"
    assert sound(app) == 2


def test_a_row_that_another_release_wrote_joins_with_the_next(any_app: Flask) -> None:
    app = any_app
    old = text(
        "INSERT INTO audit (at, actor, action, subject) VALUES (0, 'code', 'job.create', 'job:1')"
    )
    with app.app_context(), db.engines[WRITE].begin() as connection:
        connection.execute(old)
    assert [row.hash for row in chained(app)] == [None]
    note(app)
    assert [row.action for row in chained(app)] == ["job.create", "job.pause"]
    assert sound(app) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET after = NULL",
        "UPDATE audit SET hash = NULL, position = NULL",
        "UPDATE audit SET hash = 'x'",
        "DELETE FROM audit",
    ],
)
def test_the_database_itself_lets_no_row_be_changed(any_app: Flask, statement: str) -> None:
    note(any_app, after={"a": 1})
    assert "append-only" in refusal(any_app, statement)
    assert sound(any_app) == 1


def test_no_row_is_replaced_or_truncated(any_app: Flask) -> None:
    row = note(any_app)
    with any_app.app_context():
        on_sqlite = db.engines[WRITE].dialect.name == "sqlite"
    replace = (
        "INSERT OR REPLACE INTO audit (id, at, actor, action, subject)"
        f" VALUES ({row}, 0, 'nobody', 'job.run', 'job:1')"
    )
    assert "append-only" in refusal(any_app, replace if on_sqlite else "TRUNCATE audit")
    assert sound(any_app) == 1


def test_a_row_on_its_way_into_the_chain_changes_nothing_else(any_app: Flask) -> None:
    old = text("INSERT INTO audit (at, actor, action, subject) VALUES (0, 'a', 'job.run', 'x')")
    with any_app.app_context(), db.engines[WRITE].begin() as connection:
        connection.execute(old)
    assert "append-only" in refusal(any_app, "UPDATE audit SET hash = 'x', actor = 'nobody'")


def refusal(app: Flask, statement: str) -> str:
    """What the database says against a statement."""
    with (
        app.app_context(),
        pytest.raises(DBAPIError) as refused,
        db.engines[WRITE].begin() as connection,
    ):
        connection.exec_driver_sql(statement)
    return str(refused.value.orig)


def test_a_row_that_cannot_join_undoes_its_change(
    any_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = any_app
    note(app)
    job = add_job(app)
    monkeypatch.setattr(chain, "link", lambda *_: 1 / 0)
    with suppress(ZeroDivisionError), app.app_context(), transaction() as session:
        session.execute(BUMP, {"id": job})
        session.add(audit_entry(ALICE, "job.run", f"job:{job}"))
    monkeypatch.undo()
    with app.app_context():
        assert db.session.get_one(Job, job).revision == 1
    assert sound(app) == 1
    note(app)
    assert sound(app) == 2
