"""What a restore makes of each job: deleted with all its rows, paused, or broken."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.backups.gaps import REASON
from aegis_web.clock import utc_now
from aegis_web.engine import changes
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState, Origin, Pause
from aegis_web.ledger.queries import Account, account_of
from aegis_web.registry import ServiceFunction
from aegis_web.runs.models import Kind, Reason, Run, RunStatus
from aegis_web.schedule import declare
from tests.backups.test_restore import (
    ALICE,
    add_job,
    app,
    backed_up,
    bring_back,
    jobs_of,
    settle_until,
)
from tests.support.applications import MakeApp

__all__ = ["app"]  # on SQLite and PostgreSQL

ANOTHER_KEY = "Xq9Lt2Ro7Bw4Zc6Nk1Ms8Vd3Hf5Gj0Ya-Pe_UiCxTw4="


def account_in(app: Flask, name: str) -> Account:
    with app.app_context():
        found = account_of(db.session.scalars(select(Job).filter_by(name=name)).one())
        db.session.close()
    assert found is not None
    return found


def last_run_of(app: Flask, job_id: int) -> Run:
    with app.app_context():
        query = select(Run).filter_by(job_id=job_id).order_by(Run.id.desc()).limit(1)
        run: Run = db.session.scalars(query).one()
        db.session.close()
    return run


def test_what_was_due_of_a_job_that_the_backup_does_not_know_has_its_row(app: Flask) -> None:
    add_job(app, "kept")
    backup_id = backed_up(app)
    job_id = add_job(app, "newer", hours=6)
    settle_until(app, job_id, 3)

    done = bring_back(app, backup_id)

    assert jobs_of(app)["newer"].deleted_at is not None
    run = last_run_of(app, job_id)
    assert (run.kind, run.status, run.reason) == (Kind.SUMMARY, RunStatus.MISSED, Reason.RESTORED)
    assert (run.range_count, done.missed) == (3, 3 + 6)  # and those of the other
    account = account_in(app, "newer")
    assert (account.expected, account.recorded, account.unexplained) == (6, 6, 0)


def test_what_was_due_of_a_job_that_the_backup_has_as_deleted_has_its_row(app: Flask) -> None:
    registry = app.extensions["aegis.registry"]
    job_id = add_job(app, "back again", hours=6)
    settle_until(app, job_id, 5)
    with app.app_context(), transaction() as session:
        job = session.get_one(Job, job_id)
        job.deleted_at, job.next_run_at = utc_now() - timedelta(hours=5), None
    backup_id = backed_up(app)
    with app.app_context(), transaction() as session:
        job = session.get_one(Job, job_id)
        changes.undelete(session, job, registry, ALICE)
        session.execute(Run.__table__.delete().where(Run.fire_at > utc_now() - timedelta(hours=2)))
        job.next_run_at = from_json(job.trigger).next_after(utc_now() - timedelta(hours=2))
        seen = job.revision

    bring_back(app, backup_id)

    job = jobs_of(app)["back again"]
    assert job.deleted_at is not None
    assert job.revision > seen  # should it come back, no process takes it for what it knows
    run = last_run_of(app, job_id)
    assert (run.status, run.reason, run.range_count) == (RunStatus.MISSED, Reason.RESTORED, 2)
    account = account_in(app, "back again")
    assert (account.expected, account.recorded, account.unexplained) == (6, 6, 0)


def test_a_pause_with_an_end_does_not_end_by_itself_after_a_restore(app: Flask) -> None:
    add_job(
        app,
        "rests",
        state=JobState.PAUSED,
        pause_reason="holidays",
        pause_until=utc_now() - timedelta(minutes=1),
    )
    backup_id = backed_up(app)

    assert bring_back(app, backup_id).paused_jobs == 1

    job = jobs_of(app)["rests"]
    assert (job.state, job.pause_reason, job.pause_until) == (JobState.PAUSED, REASON, None)
    with app.app_context(), transaction() as session:
        assert changes.resume_ended(session, app.extensions["aegis.registry"], 50) == 0
    assert jobs_of(app)["rests"].state == JobState.PAUSED


@pytest.mark.parametrize("paused_then", [True, False])
def test_a_pause_of_everything_is_for_who_is_there_now(app: Flask, paused_then: bool) -> None:
    def set_paused(paused: bool) -> None:
        with app.app_context(), transaction() as session:
            pause = session.scalar(select(Pause)) or Pause(from_at=utc_now(), paused_by="alice")
            pause.until_at = None if paused else utc_now()
            session.add(pause)

    set_paused(paused_then)
    backup_id = backed_up(app)
    set_paused(not paused_then)

    bring_back(app, backup_id)

    with app.app_context():
        pause = db.session.scalars(select(Pause)).one()
        db.session.close()
    assert (pause.until_at is None) is not paused_then


@pytest.mark.parametrize(("service", "goes_on"), [("check_ledger", True), ("http_request", False)])
def test_only_the_products_own_upkeep_goes_on(app: Flask, service: str, goes_on: bool) -> None:
    add_job(app, "in code", service=service, arguments={}, origin=Origin.CODE)
    add_job(app, "by hand", service=service, arguments={})
    bring_back(app, backed_up(app))
    states = {name: job.state for name, job in jobs_of(app).items()}
    in_code = JobState.ACTIVE if goes_on else JobState.PAUSED
    assert states == {"in code": in_code, "by hand": JobState.PAUSED}


def test_the_job_that_copies_off_site_is_gone_where_nothing_names_a_place(app: Flask) -> None:
    add_job(app, "copies", service="copy_off_site", origin=Origin.CODE)
    add_job(app, "by hand", service="copy_off_site")
    done = bring_back(app, backed_up(app))
    jobs = jobs_of(app)
    assert done.paused_jobs == 1
    assert jobs["copies"].deleted_at is not None
    assert jobs["copies"].state == JobState.ACTIVE
    assert jobs["by hand"].deleted_at is None


def test_all_that_the_product_declares_is_upkeep(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE="file:///tmp")
    declared: list[Any] = []
    with app.app_context():
        declare(SimpleNamespace(add_job=lambda function, **_: declared.append(function)))
    assert len(declared) > 5
    assert all(function.upkeep for function in map(ServiceFunction, declared))


def test_secrets_that_cannot_be_read_break_their_jobs_and_nothing_else(
    app: Flask, make_app: MakeApp
) -> None:
    function = app.extensions["aegis.registry"].find("http_request")
    given = function.check({"url": "https://example.com", "token": "hush-1234"})
    sealed = function.seal(given, app.extensions["aegis.vault"])
    add_job(app, "secret", service="http_request", arguments=sealed)
    add_job(app, "plain")
    backup_id = backed_up(app)
    url = str(app.config["SQLALCHEMY_DATABASE_URI"])
    other = make_app(DATABASE_URL=url, AEGIS_ENCRYPTION_KEYS=ANOTHER_KEY)

    assert bring_back(other, backup_id).jobs == 2

    jobs = jobs_of(other)
    assert "enter the secret again" in (jobs["secret"].problem or "")
    assert (jobs["secret"].arguments, jobs["plain"].problem) == (sealed, None)
    bring_back(app, backup_id)  # with the key
    assert {job.problem for job in jobs_of(app).values()} == {None}
