"""What others do while a restore is at work: it is in the result once, or nothing has changed."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

import pytest
from flask import Flask
from sqlalchemy import Connection, event, insert, select, text

from aegis_web.accounts.models import Account
from aegis_web.backups.copies import Watch
from aegis_web.backups.models import SAFETY
from aegis_web.backups.restoring import LOCK_NUMBER, restore
from aegis_web.clock import to_us, utc_now
from aegis_web.database import WRITE
from aegis_web.engine.claim import JobCache, claim
from aegis_web.engine.gauge import Gauge
from aegis_web.errors import Conflict
from aegis_web.extensions import db
from aegis_web.jobs.models import JobState
from aegis_web.runs.models import Kind, Run, RunStatus
from tests.backups.conftest import stored
from tests.backups.test_restore import (
    ALICE,
    add_job,
    add_run,
    app,
    backed_up,
    bring_back,
    ids_of,
    jobs_of,
    unexplained,
)
from tests.support.applications import EMAIL, make_admin
from tests.support.clocks import wait_until

__all__ = ["app"]  # on SQLite and PostgreSQL

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"


def right_before(act: Callable[[], object]) -> Watch:
    """A watch that acts once all is read and checked, before the restore asks for its lock."""

    def report(done: float, total: float | None, message: str) -> None:
        if message == "rows replaced":
            act()

    return Watch(report=report, asked_to_stop=lambda: False)


def test_a_claim_while_it_waits_for_its_lock_is_there_once(app: Flask) -> None:
    job_id = add_job(app, "kept", hours=6)
    backup_id = backed_up(app)
    asked, committers = Event(), []

    def begin_a_claim() -> None:
        engine = db.engines[WRITE]
        connection = engine.connect()
        work = connection.begin()
        cache = JobCache(app.extensions["aegis.registry"])
        behind = to_us(utc_now() - timedelta(hours=2))
        assert claim(connection, cache, Gauge(1000), behind, 50, []) == 1

        def notice(_: Connection, __: object, statement: str, *___: object) -> None:
            if statement.startswith(("LOCK TABLE", "BEGIN IMMEDIATE")):
                asked.set()

        def commit() -> None:
            asked.wait(10)
            if engine.dialect.name == "postgresql":
                wait_until(lambda: connection.exec_driver_sql(WAITING).scalar())
            work.commit()
            connection.close()

        event.listen(engine, "before_cursor_execute", notice)
        committers.append(Thread(target=commit))
        committers[0].start()

    with app.app_context():
        restore(backup_id, ALICE, right_before(begin_a_claim))
        committers[0].join()
        assert asked.is_set()
        runs = db.session.scalars(select(Run).filter_by(job_id=job_id).order_by(Run.id)).all()
        db.session.close()
    *claimed, gap = runs
    assert len(claimed) == 4
    assert all(run.kind == Kind.SCHEDULED for run in claimed)
    assert (gap.kind, gap.range_count) == (Kind.SUMMARY, 2)
    assert gap.range_from - max(run.fire_at for run in claimed) == timedelta(hours=1)
    assert unexplained(app) == {"kept": 0}
    assert jobs_of(app)["kept"].next_run_at > utc_now()


def test_whoever_sets_it_up_meanwhile_is_not_overwritten(machine: Flask) -> None:
    add_job(machine, "kept")
    backup_id = backed_up(machine)
    add_job(machine, "newer")
    with machine.app_context(), pytest.raises(Conflict, match="made an account meanwhile"):
        restore(backup_id, ALICE, right_before(make_admin))
    assert sorted(jobs_of(machine)) == ["kept", "newer"]
    assert all(job.state == JobState.ACTIVE for job in jobs_of(machine).values())
    with machine.app_context():
        assert db.session.scalars(select(Account.email)).all() == [EMAIL]
        db.session.close()
    assert len(stored(machine)) == 1


def test_history_without_accounts_is_kept_safe_too(machine: Flask) -> None:
    job_id = add_job(machine, "kept")
    backup_id = backed_up(machine)
    run_id = add_run(machine, job_id, RunStatus.SUCCEEDED, finished_at=utc_now())

    done = bring_back(machine, backup_id)

    _, safety = stored(machine)
    assert (safety.origin, safety.file_name) == (SAFETY, done.safety)
    assert safety.proven_at is not None
    bring_back(machine, safety.id)
    with machine.app_context():
        assert db.session.get(Run, run_id).status == RunStatus.SUCCEEDED
        db.session.close()


def test_a_machine_without_anything_needs_no_safety(machine: Flask) -> None:
    backup_id = backed_up(machine)
    assert bring_back(machine, backup_id).safety is None
    assert len(stored(machine)) == 1


@pytest.mark.parametrize("machine", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_run_that_is_committed_after_one_of_a_higher_number_stays(app: Flask) -> None:
    job_id = add_job(app, "kept")
    with app.app_context(), db.engines[WRITE].begin() as late:
        late.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        values = {"job_id": job_id, "kind": Kind.MANUAL, "status": RunStatus.SUCCEEDED}
        first = late.execute(insert(Run).values(**values, queued_at=utc_now()).returning(Run.id))
        number = first.scalar_one()
        assert add_run(app, job_id, RunStatus.SUCCEEDED) > number
        backup_id = backed_up(app)

    assert bring_back(app, backup_id).merged_runs == 1

    assert number in ids_of(app)


@pytest.mark.parametrize("machine", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_lost_connection_that_only_held_the_lock_fails_no_restore(app: Flask) -> None:
    add_job(app, "kept")
    backup_id = backed_up(app)
    add_job(app, "newer")
    ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = :number"

    def end_it() -> None:
        with db.engines[WRITE].connect() as connection:
            ended = connection.scalars(text(ends), {"number": LOCK_NUMBER}).all()
        assert ended == [True]

    with app.app_context():
        assert restore(backup_id, ALICE, right_before(end_it)).jobs == 1
    assert jobs_of(app)["newer"].deleted_at is not None
