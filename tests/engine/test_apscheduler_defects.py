"""What APScheduler 3.11 does wrong, by name, and does not do here.

Its defects of time are in test_apscheduler_defects_time.py. Those of process pools wait for one.
"""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import text

from aegis_web.clock import utc_now
from aegis_web.engine import changes, ledger
from aegis_web.errors import AegisError
from aegis_web.jobs.models import CatchUp, Job
from aegis_web.runs.models import RunDetails, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import ROOT


def test_unrestorable_job_is_deleted(make_node: MakeNode) -> None:
    node = make_node(start=False)
    node.add(functions.note, every(3600))
    del node.registry.functions["functions.note"]
    node.scheduler.start()
    assert len(node.scheduler.get_jobs()) == 1
    with pytest.raises(AegisError, match="not there any more"):
        node.scheduler.get_jobs()[0].func()
    assert len(node.jobs()) == 1


def test_unknown_executor_deletes_job(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "date", id="odd", executor="no such executor")
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert len(node.jobs()) == 1


def test_store_error_kills_scheduler_thread(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = ledger.advance, iter([OSError("database is locked")])

    def advance(*args: object) -> None:
        for failure in failures:
            raise failure
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "advance", advance)
    node.add(functions.note, every(1))
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert next(failures, None) is None


def test_concurrent_remove_kills_scheduler_thread(node: EngineNode) -> None:
    job, other = node.add(functions.note, every(1)), node.add(functions.nothing, every(1))
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    with node.session() as session, session.begin():
        changes.delete(session, session.get_one(Job, job.id), node.registry, ALICE)
    last = max(run.id for run in node.runs())
    wait_until(lambda: [r for r in node.runs() if r.id > last and r.job_id == other.id])


def test_async_function_reported_success_but_never_ran(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.note_async)))
    assert (run.status, functions.called) == (RunStatus.SUCCEEDED, ["async"])


def test_unpicklable_result_emits_no_event(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.odd_result)))
    assert run.status == RunStatus.SUCCEEDED
    with node.session() as session:
        assert "was not kept" in (session.get_one(RunDetails, run.id).result_note or "")


def test_misfire_default_one_second_drops_herd(make_node: MakeNode) -> None:
    node = make_node(start=False, threads=4)
    due = utc_now()
    for number in range(12):
        job = node.add(functions.pause_for, key=str(number), arguments={"length": "PT0.5S"})
        node.make_due(job, due)
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 12)


def test_coalesced_runs_leave_no_trace(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600))
    node.make_due(job, job.next_run_at - timedelta(hours=5))  # type: ignore[operator]
    node.scheduler.start()
    wait_until(lambda: len(node.runs()) == 5)


def test_max_instances_skip_advances(node: EngineNode) -> None:
    node.add(functions.wait_for_release, every(1))
    assert wait_until(lambda: node.runs(RunStatus.SKIPPED))


def test_other_process_add_not_noticed(make_node: MakeNode) -> None:
    writer, runner = make_node(start=False), make_node()
    writer.add(functions.note, every(1))
    wait_until(lambda: runner.runs(RunStatus.SUCCEEDED), seconds=5)


def test_shutdown_wait_deadlocks_with_job_using_scheduler(node: EngineNode) -> None:
    functions.ask = node.scheduler.get_jobs
    node.request(node.add(functions.ask_until_released))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    stopping = Thread(target=node.scheduler.shutdown)
    stopping.start()
    functions.release.set()
    stopping.join(10)
    assert not stopping.is_alive()


def test_coalesce_false_runs_serially_in_one_task(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600), catch_up=CatchUp.ALL)
    node.make_due(job, job.next_run_at - timedelta(hours=3))  # type: ignore[operator]
    node.scheduler.start()
    runs = wait_until(lambda: (r := node.runs(RunStatus.SUCCEEDED)) and len(r) == 3 and r)
    assert len({run.finished_at for run in runs}) == 3  # type: ignore[union-attr]


def test_replace_existing_restart_starves_interval(make_node: MakeNode) -> None:
    cursors = []
    for _ in range(3):
        node = make_node(start=False)
        node.scheduler.add_job(
            functions.note, "interval", hours=4, id="often", replace_existing=True
        )
        node.scheduler.start(paused=True)
        cursors.append(node.jobs()[0].next_run_at)
        node.scheduler.shutdown()
    assert len(set(cursors)) == 1


def test_create_table_race(empty_pg_url: str, data_dir: Path) -> None:
    command = (sys.executable, "-m", "flask", "--app", "app", "db", "upgrade")
    env = process_environment(data_dir, DATABASE_URL=empty_pg_url)
    releases = [
        subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [release.communicate(timeout=60)[1] for release in releases]
    assert [release.returncode for release in releases] == [0, 0, 0], errors


def test_lock_held_during_herd(node: EngineNode) -> None:
    due = utc_now()
    for number in range(50):
        node.make_due(node.add(functions.nothing, key=str(number)), due)
    while not node.runs(RunStatus.SUCCEEDED):
        assert node.scheduler.get_job("1") is not None


def test_kill9_loses_queued_runs(make_node: MakeNode) -> None:
    """Another process's queued runs belong to nobody: whoever lives takes them."""
    gone, alive = make_node(start=False), make_node(start=False)
    run_id = gone.request(gone.add(functions.note))
    alive.scheduler.start()
    assert alive.settled(run_id).status == RunStatus.SUCCEEDED


def test_flask_api_remote_code_execution_and_blocking(app: Flask) -> None:
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/scheduler")]


def test_pickled_job_state_is_a_code_execution_vector(node: EngineNode) -> None:
    with node.engine.connect() as connection:
        kinds = {
            type(value) for row in connection.execute(text("SELECT * FROM jobs")) for value in row
        }
    assert bytes not in kinds
