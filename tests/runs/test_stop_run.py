"""Stopping a run: a waiting one at once, a running one by asking; races are lost politely."""

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import Actor, AuditEntry
from aegis_web.errors import Conflict, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.runs.actions import Stopped, stop_run
from aegis_web.runs.models import Lane, Reason, Run, RunCount, RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser

ALICE = Actor("alice@example.org", 1)


def stored(app: Flask, run_id: int) -> Run:
    with app.app_context():
        return db.session.get_one(Run, run_id)


def test_a_queued_run_is_cancelled_at_once_and_counted(any_app: Flask) -> None:
    run_id = add_run(any_app, add_job(any_app), RunStatus.QUEUED)
    with any_app.app_context():
        assert stop_run(run_id, ALICE) is Stopped.CANCELLED
        counts = db.session.scalars(select(RunCount)).all()
        assert [(c.status, c.count) for c in counts] == [(RunStatus.CANCELLED, 1)]
        audit = db.session.scalars(select(AuditEntry)).one()
    run = stored(any_app, run_id)
    assert run.status == RunStatus.CANCELLED
    assert run.reason == Reason.STOPPED
    assert run.finished_at is not None
    assert (audit.actor, audit.action, audit.subject) == (
        "alice@example.org",
        "run.stop",
        f"run:{run_id}",
    )
    assert audit.before == {"status": "queued"}


def test_a_running_run_is_asked_once(any_app: Flask) -> None:
    run_id = add_run(any_app, add_job(any_app), RunStatus.RUNNING)
    with any_app.app_context():
        assert stop_run(run_id, ALICE) is Stopped.ASKED
        asked_at = stored(any_app, run_id).stop_at
        assert asked_at is not None
        assert stop_run(run_id, ALICE) is Stopped.ASKED_BEFORE
        assert len(db.session.scalars(select(AuditEntry)).all()) == 1
    run = stored(any_app, run_id)
    assert run.status == RunStatus.RUNNING
    assert run.stop_at == asked_at


@pytest.mark.parametrize("status", [s for s in RunStatus if s >= RunStatus.SUCCEEDED])
def test_a_run_that_has_ended_stays_as_it_is(app: Flask, status: RunStatus) -> None:
    run_id = add_run(app, add_job(app), status)
    with app.app_context():
        with pytest.raises(Conflict, match="already ended"):
            stop_run(run_id, ALICE)
        assert db.session.scalars(select(AuditEntry)).all() == []
    assert stored(app, run_id).status == status


def test_a_run_that_is_not_there_cannot_be_stopped(app: Flask) -> None:
    with app.app_context():
        for number in (7, 2**80):
            with pytest.raises(NotFound):
                stop_run(number, ALICE)


def test_the_button_stops_the_run_and_leads_back_to_it(app: Flask, admin: Browser) -> None:
    run_id = add_run(app, add_job(app), RunStatus.RUNNING)
    answer = admin.post(f"/runs/{run_id}/stop")
    assert answer.status_code == 303
    text = admin.get(answer.headers["Location"]).text
    assert f"Run {run_id} was asked to stop." in text
    assert "Asked to stop" in text


def test_who_presses_after_the_end_is_told(app: Flask, admin: Browser) -> None:
    run_id = add_run(app, add_job(app), RunStatus.RUNNING)
    with app.app_context(), transaction() as session:
        session.get_one(Run, run_id).status = RunStatus.SUCCEEDED
    answer = admin.post(f"/runs/{run_id}/stop")
    assert answer.status_code == 409
    assert "has already ended" in answer.text


def test_it_needs_the_token_of_the_page_and_takes_no_get(app: Flask, admin: Browser) -> None:
    run_id = add_run(app, add_job(app), RunStatus.RUNNING)
    assert admin.get(f"/runs/{run_id}/stop").status_code == 405
    admin.csrf_token = None
    assert admin.post(f"/runs/{run_id}/stop").status_code == 400
    assert stored(app, run_id).stop_at is None


@pytest.mark.parametrize(
    ("lane", "words"),
    [
        (Lane.LOOP, "at its next await"),
        (Lane.THREAD, "a thread, which nobody can kill"),
        (Lane.PROCESS, "after 5 it is killed"),
    ],
)
def test_the_page_says_what_stop_does_where_it_runs(
    app: Flask, admin: Browser, lane: Lane, words: str
) -> None:
    run_id = add_run(app, add_job(app), RunStatus.RUNNING, lane=lane)
    assert words in admin.get(f"/runs/{run_id}").text
