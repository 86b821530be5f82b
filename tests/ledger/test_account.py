"""The account of a job: each fire time that it had, and its row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy.orm import Session

from aegis_web.clock import utc_now
from aegis_web.engine import changes
from aegis_web.extensions import transaction
from aegis_web.jobs.models import CatchUp, Job, JobVersion
from aegis_web.ledger.queries import Account, account_of
from aegis_web.runs.models import Kind, Reason, Run, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.jobs.conftest import MakeJob, cron_trigger, text_of
from tests.runs.rows import add_run
from tests.support.applications import Browser, MakeApp
from tests.support.clocks import NOON, wait_until

HOUR = timedelta(hours=1)
TWO = {"trigger": every(2)}


def account(app: Flask, job_id: int) -> Account:
    with app.app_context(), transaction() as session:
        found = account_of(session.get_one(Job, job_id))
    assert found is not None
    return found


def test_the_engine_leaves_no_fire_time_unexplained(
    make_node: MakeNode, make_app: MakeApp, database_url: str
) -> None:
    app = make_app(DATABASE_URL=database_url)
    node: EngineNode = make_node()
    job = node.add(functions.note, every(1))

    def change(make: Callable[[Session, Job], None]) -> None:
        with node.session() as session, session.begin():
            make(session, session.get_one(Job, job.id, with_for_update=True))

    def seen() -> Account:
        return account(app, job.id)

    wait_until(lambda: seen().total(RunStatus.SUCCEEDED) >= 1)
    change(lambda session, row: changes.change(session, row, TWO, node.registry, ALICE))
    before = seen().expected
    wait_until(lambda: seen().expected > before)
    change(lambda session, row: changes.pause(session, row, node.registry, ALICE))
    wait_until(lambda: seen().waiting >= 2)
    change(lambda session, row: changes.resume(session, row, node.registry, ALICE, CatchUp.LATEST))
    wait_until(lambda: seen().total(RunStatus.SUCCEEDED) >= 3)
    found = seen()
    assert found.total(RunStatus.SKIPPED) >= 1
    assert found.unexplained == 0


def test_a_summary_row_stands_for_its_fire_times_of_the_last_30_days_only(
    app: Flask, frozen: Any, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    frozen.move_to(NOON + timedelta(days=40))
    now = utc_now()
    values = {"range_from": NOON + HOUR, "range_count": 959, "kind": Kind.SUMMARY}
    reason = {"reason": Reason.BACKLOG}
    add_run(app, job_id, RunStatus.MISSED, now - HOUR, **values, **reason)
    add_run(app, job_id, RunStatus.SUCCEEDED, now)
    add_run(app, job_id, RunStatus.SUCCEEDED, None, fire_at=None, kind=Kind.MANUAL)
    with app.app_context(), transaction() as session:
        session.get_one(Job, job_id).next_run_at = now + HOUR
    found = account(app, job_id)
    assert found.expected == 720
    assert found.counts == {RunStatus.MISSED: 719, RunStatus.SUCCEEDED: 1}
    assert found.unexplained == 0


def test_a_lost_row_and_a_row_too_many_are_told(
    app: Flask, admin: Browser, frozen: Any, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    frozen.move_to(NOON + 3 * HOUR)
    add_run(app, job_id, RunStatus.SUCCEEDED, NOON + HOUR)
    add_run(app, job_id, RunStatus.SUCCEEDED, NOON + 2 * HOUR)
    with app.app_context(), transaction() as session:
        session.get_one(Job, job_id).next_run_at = NOON + 4 * HOUR
    assert account(app, job_id).unexplained == 1
    assert "1 of 3 fire times has no row" in text_of(admin.get(f"/jobs/{job_id}/ledger"))
    add_run(app, job_id, RunStatus.SUCCEEDED, NOON + 3 * HOUR)
    add_run(app, job_id, RunStatus.SUCCEEDED, NOON + 2.5 * HOUR)
    assert account(app, job_id).unexplained == -1
    assert "1 row stands for no fire time" in text_of(admin.get(f"/jobs/{job_id}/ledger"))


def test_what_passes_in_a_pause_waits(
    app: Flask, admin: Browser, frozen: Any, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    admin.post(f"/jobs/{job_id}/pause", data={"reason": "", "lasting": ""})
    frozen.move_to(NOON + 5 * HOUR)
    found = account(app, job_id)
    assert (found.expected, found.unexplained, found.waiting) == (0, 0, 5)
    page = text_of(admin.get(f"/jobs/{job_id}/ledger"))
    assert "5 more have passed and wait until the job is resumed" in page
    admin.post(f"/jobs/{job_id}/resume", data={"catch_up": "none"})
    found = account(app, job_id)
    assert (found.expected, found.total(RunStatus.SKIPPED), found.waiting) == (5, 5, 0)


def test_each_number_opens_its_runs(
    app: Flask, admin: Browser, frozen: Any, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    admin.post(f"/jobs/{job_id}/pause", data={"reason": "", "lasting": ""})
    frozen.move_to(NOON + 2 * HOUR)
    admin.post(f"/jobs/{job_id}/resume", data={"catch_up": "none"})
    page = text_of(admin.get(f"/jobs/{job_id}/ledger"))
    url = page.partition("<dt>Skipped</dt>")[2].partition('href="')[2].partition('"')[0]
    listed = text_of(admin.get(url))
    with app.app_context(), transaction() as session:
        ids = [run.id for run in session.query(Run).all()]
    assert len(ids) == 2
    for run_id in ids:
        assert f'id="run-{run_id}"' in listed


@pytest.mark.parametrize("versions", [True, False])
def test_a_job_that_never_was_due_has_an_empty_account(
    app: Flask, admin: Browser, make_job: MakeJob, versions: bool
) -> None:
    job_id = make_job()
    if not versions:
        with app.app_context(), transaction() as session:
            session.execute(delete(JobVersion))
    page = text_of(admin.get(f"/jobs/{job_id}/ledger"))
    assert ("No fire time has come yet" if versions else "cannot be counted") in page
