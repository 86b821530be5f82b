"""The backup of another installation: all of it comes, nothing mixed, and there is a way back."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from aegis_web.backups.merging import REPLACED
from aegis_web.backups.models import SAFETY
from aegis_web.backups.uploads import take_in
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.config_values import sqlite_url
from aegis_web.database import WRITE, Model
from aegis_web.engine import ledger
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.registry import service
from aegis_web.runs.models import FormerAttempt, Reason, RunDetails, RunLog, RunStatus
from aegis_web.system.models import Node
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
    run_of,
    settle_until,
    unexplained,
)
from tests.backups.test_restore_meanwhile import WAITING
from tests.engine.conftest import EngineNode
from tests.support.applications import MakeApp
from tests.support.clocks import wait_until
from tests.support.databases import Postgres, serial

__all__ = ["app"]  # on SQLite and PostgreSQL

OF_A_RESTORE = {"state", "pause_reason", "pause_until", "revision"}  # of each job it brings back
LAST_BEAT = datetime.fromisoformat("2026-03-10T12:00:00+00:00")
release = Event()


@pytest.fixture
def other(
    app: Flask,
    make_app: MakeApp,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    """Another installation on the same kind of database, with nothing in common."""
    folder = tmp_path_factory.mktemp("other")
    places = {"AEGIS_DATA_DIR": str(folder), "AEGIS_BACKUP_DIR": str(folder / "backups")}
    if str(app.config["SQLALCHEMY_DATABASE_URI"]).startswith("sqlite"):
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "aegis.db")
        yield make_app(DATABASE_URL=sqlite_url(folder / "aegis.db"), **places)
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"other_{next(serial)}"
    yield make_app(
        DATABASE_URL=server.create(name, request.getfixturevalue("pg_template")), **places
    )
    server.drop(name)


def backup_of(other: Flask, app: Flask) -> int:
    """A backup of `other` that `app` has taken in."""
    with other.app_context():
        backed_up(other)
    settings: Settings = other.extensions["aegis.settings"]
    file = Path(settings.backup_dir) / stored(other)[-1].file_name
    with app.app_context(), file.open("rb") as source:
        return take_in(source, ALICE, made_at=None).id


def add_node(app: Flask, name: str, beat_at: datetime = LAST_BEAT) -> int:
    with app.app_context(), transaction() as session:
        node = Node(name=name, version="1", started_at=beat_at - timedelta(days=1), beat_at=beat_at)
        session.add(node)
        session.flush()
        return node.id


def live_for_a_while(app: Flask, name: str, runs: int) -> None:
    """A job with a history of every kind."""
    job_id = add_job(app, name)
    settle_until(app, job_id, 0)
    node_id = add_node(app, f"{name}:1")
    for number in range(runs):
        status = RunStatus.FAILED if number % 2 else RunStatus.SUCCEEDED
        run_id = add_run(app, job_id, status, node_id=node_id, attempt=2, finished_at=utc_now())
        with app.app_context(), transaction() as session:
            session.add(
                RunLog(run_id=run_id, sequence=0, lines=name.encode(), written_at=utc_now())
            )
            session.add(FormerAttempt(run_id=run_id, number=1, status=3, node_id=node_id))
    with app.app_context(), transaction() as session:
        done = [(job_id, RunStatus.SUCCEEDED, runs)]
        ledger.count(session.connection(), ledger.now_us(session.connection()), done)


def history_of(app: Flask) -> dict[str, list[dict[str, Any]]]:
    """All rows that a restore replaces, with the names of nodes in place of their numbers."""
    found = {}
    with app.app_context():
        nodes = dict(db.session.execute(select(Node.id, Node.name)).all())
        for name in REPLACED:
            rows = db.session.execute(select(Model.metadata.tables[name])).mappings().all()
            found[name] = sorted(
                (
                    {
                        key: nodes.get(value) if key == "node_id" else value
                        for key, value in row.items()
                        if name != "jobs" or key not in OF_A_RESTORE
                    }
                    for row in rows
                ),
                key=repr,
            )
        db.session.close()
    return found


def test_the_way_back_from_it_leaves_nothing_of_it(app: Flask, other: Flask) -> None:
    live_for_a_while(app, "ours", 3)
    live_for_a_while(other, "theirs", 9)
    live_for_a_while(other, "theirs too", 9)
    before, theirs = history_of(app), history_of(other)
    backup_id = backup_of(other, app)

    done = bring_back(app, backup_id)

    assert done.merged_runs == 0
    assert history_of(app) == theirs
    safety = stored(app)[-1]
    assert safety.origin == SAFETY
    bring_back(app, safety.id)
    assert history_of(app) == before
    assert list(jobs_of(app)) == ["ours"]


def test_what_ran_when_it_was_made_ended_with_its_nodes_last_beat(app: Flask, other: Flask) -> None:
    job_id = add_job(other, "theirs")
    node_id = add_node(other, "their host:1")
    began = LAST_BEAT - timedelta(minutes=3)
    run_id = add_run(other, job_id, RunStatus.RUNNING, node_id=node_id, started_at=began)
    add_job(app, "ours")
    for name in ("our host:1", "our host:2"):
        add_node(app, name, utc_now())

    bring_back(app, backup_of(other, app))

    run = run_of(app, run_id)
    assert (run.status, run.reason) == (RunStatus.LOST, Reason.RESTORED)
    assert (run.started_at, run.finished_at) == (began, LAST_BEAT)
    with app.app_context():
        node = db.session.get(Node, run.node_id)
        assert (node.name, node.ended_at, node.end) == ("their host:1", LAST_BEAT, "died")
        db.session.close()


@service(runs_in="thread")
def speak_late() -> str:
    """Says something once the test lets it go."""
    release.wait(30)
    print("late words")
    return "late result"


def test_what_a_process_has_in_hand_reaches_no_run_of_it(
    app: Flask, other: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    release.clear()
    run_id = add_run(
        other,
        add_job(other, "theirs"),
        RunStatus.RUNNING,
        node_id=add_node(other, "their host:1"),
        started_at=LAST_BEAT,
    )
    backup_id = backup_of(other, app)
    node = EngineNode(str(app.config["SQLALCHEMY_DATABASE_URI"]))
    try:
        node.scheduler.start()
        first = node.scheduler.node.pulse.node_id
        assert node.request(node.add(speak_late)) == run_id
        assert wait_until(lambda: node.runs(RunStatus.RUNNING))[0].node_id == first

        bring_back(app, backup_id)

        wait_until(lambda: node.scheduler.node.pulse.node_id != first)
        numbers = {run.node_id for run in node.runs() if run.node_id}
        assert numbers.isdisjoint({first, node.scheduler.node.pulse.node_id})
        release.set()
        wait_until(lambda: f"run {run_id} ended after it had been settled" in caplog.text)
    finally:
        release.set()
        node.close()
    run = run_of(app, run_id)
    assert (run.status, run.finished_at) == (RunStatus.LOST, LAST_BEAT)
    with app.app_context():
        assert db.session.scalars(select(RunLog)).all() == []
        assert db.session.get(RunDetails, run_id).late_status is None
        assert db.session.get(Node, run.node_id).name == "their host:1"
        db.session.close()


def test_what_a_process_has_in_hand_goes_on_where_it_is_of_this_history(app: Flask) -> None:
    release.clear()
    node = EngineNode(str(app.config["SQLALCHEMY_DATABASE_URI"]))
    try:
        run_id = node.request(node.add(speak_late))
        node.scheduler.start()
        wait_until(lambda: node.runs(RunStatus.RUNNING))
        first = node.scheduler.node.pulse.node_id
        bring_back(app, backed_up(app))
        release.set()
        assert node.settled(run_id).status == RunStatus.SUCCEEDED
        assert node.scheduler.node.pulse.node_id == first
    finally:
        release.set()
        node.close()
    with app.app_context():
        assert db.session.get(RunDetails, run_id).result == '"late result"'
        db.session.close()


def test_a_copy_of_this_installation_that_went_its_own_way_is_another(
    app: Flask, other: Flask
) -> None:
    job_id = add_job(app, "kept", hours=9)
    settle_until(app, job_id, 6)
    bring_back(other, backup_of(app, other))  # nobody has an account there: all of it comes
    with other.app_context(), transaction() as session:  # as if that had been three hours ago
        job = session.get_one(Job, job_id)
        job.next_run_at = from_json(job.trigger).next_after(utc_now() - timedelta(hours=3))
    theirs = add_run(other, job_id, RunStatus.FAILED, finished_at=utc_now())
    settle_until(app, job_id, 1.5)
    assert theirs in ids_of(app)  # and there it is another run

    done = bring_back(other, backup_of(app, other))

    assert done.merged_runs == 0
    assert run_of(other, theirs).status == RunStatus.SKIPPED
    assert unexplained(other) == {"kept": 0}


@pytest.mark.parametrize("machine", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_process_that_starts_meanwhile_gets_a_number_of_its_own(app: Flask, other: Flask) -> None:
    live_for_a_while(other, "theirs", 1)
    backup_id = backup_of(other, app)
    numbers: list[int] = []
    with app.app_context():
        engine = db.engines[WRITE]

        def register() -> None:
            with engine.begin() as connection:
                numbers.append(ledger.register_node(connection, "new:1", "1"))

        starting = Thread(target=register)

        def notice(connection: Any, _: object, statement: str, *__: object) -> None:
            if statement.startswith("INSERT INTO nodes") and "scratch" in statement:
                starting.start()
                with db.engines[None].connect() as looking:
                    looking.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                    looking.execute(select(Node)).all()  # as who asks whether all is well
                    wait_until(lambda: numbers or looking.exec_driver_sql(WAITING).scalar())

        event.listen(engine, "before_cursor_execute", notice)
        bring_back(app, backup_id)
        starting.join()
        found = db.session.execute(select(Node.id, Node.name).order_by(Node.id)).all()
        db.session.close()
    assert [name for _, name in found][-2:] == ["theirs:1", "new:1"]
    assert numbers == [found[-1].id]
