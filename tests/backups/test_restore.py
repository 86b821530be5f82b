"""The way back: jobs and history as they were, newer runs kept, each fire time with its row."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from aegis_web.audit.models import Actor, AuditEntry
from aegis_web.backups import merging
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Unusable
from aegis_web.backups.gaps import REASON
from aegis_web.backups.models import SAFETY, Backup
from aegis_web.backups.restoring import Restored, alone, restore
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.database import Model
from aegis_web.engine import changes
from aegis_web.engine.settle import settle
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Conflict
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job, JobState, JobVersion
from aegis_web.ledger.queries import account_of
from aegis_web.runs.models import Kind, Reason, Run, RunCount, RunDetails, RunStatus
from tests.backups.conftest import stored
from tests.support.applications import MakeApp, make_admin

ALICE = Actor("alice@example.org", 1)


@pytest.fixture
def app(machine: Flask) -> Flask:
    with machine.app_context():
        make_admin()
    return machine


def add_job(app: Flask, name: str, cron: str = "", hours: int = 6, **facts: object) -> int:
    """A job that is there for some hours and whose fire times wait for their rows.

    Without `cron` it is due each hour, half an hour away from now: none passes during a test.
    """
    cron = cron or f"{(utc_now().minute + 30) % 60} * * * *"
    new = changes.NewJob(
        key=name,
        name=name,
        service="check_ledger",
        trigger=from_json({"kind": "cron", "expression": cron, "zone": "UTC"}),
    )
    with app.app_context(), transaction() as session:
        job = changes.add(session, new, ALICE)
        born = utc_now() - timedelta(hours=hours)
        version = session.scalars(select(JobVersion).filter_by(job_id=job.id)).one()
        version.from_at = job.created_at = born
        job.next_run_at = from_json(job.trigger).next_after(born)
        for key, value in facts.items():
            setattr(job, key, value)
        return job.id


def settle_until(app: Flask, job_id: int, hours_ago: float) -> None:
    """Give the job's fire times up to then their rows, as an engine would."""
    registry = app.extensions["aegis.registry"]
    with app.app_context(), transaction() as session:
        job = session.get_one(Job, job_id)
        until = utc_now() - timedelta(hours=hours_ago)
        settle(session, job, registry, passed=Reason.PAUSED, before=until)


def add_run(app: Flask, job_id: int, status: RunStatus, **facts: object) -> int:
    with app.app_context(), transaction() as session:
        run = Run(job_id=job_id, kind=Kind.MANUAL, status=status, queued_at=utc_now(), **facts)
        session.add(run)
        session.flush()
        session.add(RunDetails(run_id=run.id, result=f'"{run.id}"'))
        return run.id


def backed_up(app: Flask) -> int:
    with app.app_context():
        return back_up(ALICE).id


def bring_back(app: Flask, backup_id: int) -> Restored:
    with app.app_context():
        return restore(backup_id, ALICE)


def jobs_of(app: Flask) -> dict[str, Job]:
    with app.app_context():
        found = {job.name: job for job in db.session.scalars(select(Job)).all()}
        db.session.close()
    return found


def run_of(app: Flask, run_id: int) -> Run:
    with app.app_context():
        run: Run = db.session.get(Run, run_id)
        db.session.close()
    return run


def unexplained(app: Flask) -> dict[str, int]:
    """The fire times without a row (or rows without a fire time) of each live job."""
    with app.app_context():
        found = {
            job.name: account_of(job)
            for job in db.session.scalars(select(Job).where(Job.deleted_at.is_(None))).all()
        }
        db.session.close()
    return {name: account.unexplained for name, account in found.items() if account}


def test_everything_comes_back_and_what_is_newer_stays(app: Flask) -> None:
    kept, edited, deleted = (add_job(app, name) for name in ("kept", "edited", "deleted"))
    for job_id in (kept, edited, deleted):
        settle_until(app, job_id, 4)
    old = add_run(app, kept, RunStatus.SUCCEEDED, finished_at=utc_now())
    open_run = add_run(app, kept, RunStatus.RUNNING, started_at=utc_now())
    said = jobs_of(app)["edited"].trigger
    backup_id = backed_up(app)

    registry = app.extensions["aegis.registry"]
    with app.app_context(), transaction() as session:
        session.get_one(Run, open_run).status = RunStatus.FAILED
        job = session.get_one(Job, edited)
        changes.change(
            session,
            job,
            {"trigger": from_json({"kind": "cron", "expression": "*/20 * * * *", "zone": "UTC"})},
            registry,
            ALICE,
        )
        changes.delete(session, session.get_one(Job, deleted), registry, ALICE)
        session.execute(text("DELETE FROM run_details WHERE run_id = :id"), {"id": old})
    newer = add_job(app, "newer", hours=1)
    settle_until(app, newer, 0)
    settle_until(app, kept, 2)
    running = add_run(app, newer, RunStatus.RUNNING, started_at=utc_now())
    waiting = add_run(app, kept, RunStatus.QUEUED)
    before = ids_of(app)

    done = bring_back(app, backup_id)

    jobs = jobs_of(app)
    assert {name: job.deleted_at is None for name, job in jobs.items()} == {
        "kept": True,
        "edited": True,
        "deleted": True,
        "newer": False,
    }
    assert jobs["edited"].trigger == said
    for name in ("kept", "edited", "deleted"):
        assert (jobs[name].state, jobs[name].pause_reason) == (JobState.PAUSED, REASON)
        assert jobs[name].next_run_at > utc_now()
    assert unexplained(app) == {"kept": 0, "edited": 0, "deleted": 0}
    assert before <= ids_of(app)
    assert run_of(app, open_run).status == RunStatus.FAILED
    assert run_of(app, running).status == RunStatus.RUNNING
    assert (run_of(app, waiting).status, run_of(app, waiting).reason) == (
        RunStatus.MISSED,
        Reason.RESTORED,
    )
    with app.app_context():
        assert db.session.get(RunDetails, old).result == f'"{old}"'
        assert db.session.get(RunDetails, running).result == f'"{running}"'
        gap = db.session.scalar(
            select(Run).where(Run.job_id == kept, Run.kind == Kind.SUMMARY).order_by(Run.id.desc())
        )
        missed = db.session.scalar(
            select(RunCount.count).where(
                RunCount.job_id == kept, RunCount.status == int(RunStatus.MISSED)
            )
        )
        audit = db.session.scalar(select(AuditEntry).filter_by(action="backup.restore"))
        accounts = db.session.execute(text("SELECT count(*) FROM accounts")).scalar_one()
        assert db.session.execute(text("SELECT count(*) FROM sessions")).scalar_one() == 0
        db.session.close()
    assert (gap.status, gap.reason, gap.range_count) == (RunStatus.MISSED, Reason.RESTORED, 2)
    assert missed == 3  # the two of the gap, and the one that waited
    assert (audit.actor, audit.after["paused_jobs"]) == (ALICE.name, 3)
    assert accounts == 1
    assert done.paused_jobs == 3
    assert [row.origin for row in stored(app)] == ["made", SAFETY]
    assert stored(app)[1].proven_at is not None

    again = add_run(app, kept, RunStatus.SUCCEEDED)
    assert again > max(before)
    bring_back(app, stored(app)[1].id)  # and forward again, to the safety backup
    assert jobs_of(app)["edited"].trigger["expression"] == "*/20 * * * *"
    assert set(unexplained(app)) == {"kept", "edited", "newer"}
    assert set(unexplained(app).values()) == {0}
    assert again in ids_of(app)


def ids_of(app: Flask) -> set[int]:
    with app.app_context():
        found = set(db.session.scalars(select(Run.id)))
        db.session.close()
    return found


def test_each_table_has_its_place_in_a_restore(app: Flask) -> None:
    places = (*merging.REPLACED, *merging.EMPTIED, *merging.KEPT, *merging.OWN)
    assert sorted(places) == sorted(Model.metadata.tables)


def test_an_error_in_the_middle_changes_nothing(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add_job(app, "kept")
    settle_until(app, job_id, 4)
    backup_id = backed_up(app)
    add_job(app, "newer")
    before = (sorted(jobs_of(app)), ids_of(app))

    def fail(*_: object) -> None:
        raise RuntimeError("midway")

    monkeypatch.setattr("aegis_web.backups.restoring.settle_jobs", fail)
    with pytest.raises(RuntimeError, match="midway"):
        bring_back(app, backup_id)
    assert (sorted(jobs_of(app)), ids_of(app)) == before
    assert all(job.state == JobState.ACTIVE for job in jobs_of(app).values())


def test_two_at_once_are_refused(app: Flask) -> None:
    backup_id = backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    with (
        app.app_context(),
        alone(settings.backup_dir),
        pytest.raises(Conflict, match="Another restore is at work"),
    ):
        restore(backup_id, ALICE)
    assert len(stored(app)) == 1
    assert bring_back(app, backup_id).merged_runs == 0


def test_a_damaged_one_changes_nothing(app: Flask) -> None:
    backup_id = backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    file = settings.backup_dir / stored(app)[0].file_name
    file.write_bytes(file.read_bytes()[:-9])
    add_job(app, "newer")
    with pytest.raises(Unusable):
        bring_back(app, backup_id)
    assert list(jobs_of(app)) == ["newer"]


def test_one_of_another_kind_of_database_is_refused(app: Flask) -> None:
    backup_id = backed_up(app)
    with app.app_context(), transaction() as session:
        backup = session.get_one(Backup, backup_id)
        on_sqlite = backup.database.startswith("SQLite")
        backup.database = "PostgreSQL 16.4" if on_sqlite else "SQLite 3.45.1"
    with pytest.raises(Unusable, match="flask database copy"):
        bring_back(app, backup_id)
    assert len(stored(app)) == 1


@pytest.mark.postgresql
def test_one_that_waits_too_long_is_given_up(
    make_app: MakeApp, pg_url: str, postgres_client: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(DATABASE_URL=pg_url)
    with app.app_context():
        make_admin()
    backup_id = backed_up(app)
    add_job(app, "newer")
    monkeypatch.setattr(merging, "LOCK_SECONDS", 1)
    with app.app_context(), db.engines[None].begin() as reader:
        reader.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        reader.execute(text("LOCK TABLE jobs IN ACCESS SHARE MODE"))  # as a long query does
        with pytest.raises(Conflict, match="everything is as it was"):
            restore(backup_id, ALICE)
    assert list(jobs_of(app)) == ["newer"]
