"""What becomes of a fire time that comes while the job still runs, and of full queues."""

from datetime import timedelta

import pytest

from aegis_web.clock import utc_now
from aegis_web.engine import ledger
from aegis_web.engine.gauge import Gauge
from aegis_web.jobs.models import Job, Overlap
from aegis_web.runs.models import Reason, Run, RunStatus
from tests.engine import functions
from tests.engine.conftest import EngineNode, MakeNode, every
from tests.engine.test_retries import counted, formers
from tests.support.clocks import wait_until


def fire(node: EngineNode, job: Job, times: int = 1) -> list[Run]:
    """The rows of that many fire times, one after the other; the newest last."""
    for _ in range(times):
        before = len(mine(node, job))
        node.make_due(job, utc_now())
        wait_until(lambda before=before: len(mine(node, job)) > before)
    return mine(node, job)


def mine(node: EngineNode, job: Job) -> list[Run]:
    return [run for run in node.runs() if run.job_id == job.id]


def running(node: EngineNode, job: Job) -> Run:
    """The run of `job` that runs, once there is one."""
    return wait_until(  # type: ignore[return-value]
        lambda: next((run for run in mine(node, job) if run.status == RunStatus.RUNNING), None)
    )


def words(runs: list[Run]) -> list[tuple[str, str | None]]:
    return [(RunStatus(run.status).name, run.reason) for run in runs]


def test_one_may_wait_and_a_second_is_skipped(node: EngineNode) -> None:
    job = node.add(functions.wait_for_release, overlap=Overlap.QUEUE_ONE)
    fire(node, job)
    running(node, job)
    runs = fire(node, job, times=3)
    assert words(runs) == [
        ("RUNNING", None),
        ("QUEUED", None),
        ("SKIPPED", Reason.OVERLAP),
        ("SKIPPED", Reason.OVERLAP),
    ]
    functions.release.set()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 2)


def test_all_may_wait(node: EngineNode) -> None:
    job = node.add(functions.wait_for_release, overlap=Overlap.QUEUE)
    fire(node, job)
    running(node, job)
    assert words(fire(node, job, times=3))[1:] == [("QUEUED", None)] * 3
    functions.release.set()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 4)


def test_the_new_run_takes_the_place_of_the_old_one(node: EngineNode) -> None:
    job = node.add(functions.wait_for_release, overlap=Overlap.REPLACE)
    fire(node, job)
    old = running(node, job)
    new = fire(node, job)[-1]
    ended = node.settled(old.id)
    assert (ended.status, ended.reason) == (RunStatus.CANCELLED, Reason.REPLACED)
    assert running(node, job).id == new.id
    functions.release.set()
    done = node.settled(new.id)
    assert done.status == RunStatus.SUCCEEDED
    assert done.started_at >= ended.finished_at  # type: ignore[operator]  # of the same clock


def test_the_new_run_takes_the_place_of_waiting_ones(make_node: MakeNode) -> None:
    node = make_node(threads=1)
    node.request(node.add(functions.wait_for_release, key="long"))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    job = node.add(functions.note, key="short", overlap=Overlap.REPLACE)
    runs = fire(node, job, times=3)
    assert words(runs) == [("CANCELLED", Reason.REPLACED)] * 2 + [("QUEUED", None)]
    assert counted(node) == {RunStatus.CANCELLED: 2}


def test_a_replaced_run_is_not_tried_again(node: EngineNode) -> None:
    job = node.add(functions.fail_when_released, overlap=Overlap.REPLACE, retries=3)
    fire(node, job)
    old = running(node, job)
    fire(node, job)
    assert node.settled(old.id).attempt == 1
    assert formers(node, old.id) == []


def test_a_replaced_run_that_nobody_has_begun_is_cancelled(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, overlap=Overlap.REPLACE)
    run_id = node.request(job)
    with node.engine.begin() as connection:
        me = ledger.register_node(connection, "me:1", "0")
        ledger.promote(connection, [run_id], me, 1)
        ledger.replace_runs(connection, [job.id], 2)
        ledger.reclaim_strays(connection, me, [], 3)
    run = node.runs()[0]
    assert (run.status, run.reason) == (RunStatus.CANCELLED, Reason.REPLACED)
    assert counted(node) == {RunStatus.CANCELLED: 1}


def test_a_full_queue_of_a_job_skips_what_comes(node: EngineNode) -> None:
    job = node.add(functions.wait_for_release, overlap=Overlap.QUEUE, queue_limit=2)
    fire(node, job)
    running(node, job)
    runs = fire(node, job, times=4)
    assert words(runs)[1:] == [("QUEUED", None)] * 2 + [("SKIPPED", Reason.QUEUE_FULL)] * 2


def test_the_queue_of_all_jobs_has_a_limit_too(make_node: MakeNode) -> None:
    node = make_node(start=False, queue_limit=5)
    at = utc_now()
    for number in range(8):
        node.make_due(node.add(functions.note, key=str(number)), at)
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 5)
    assert words(node.runs(RunStatus.SKIPPED)) == [("SKIPPED", Reason.QUEUE_FULL)] * 3


def test_the_limit_counts_what_waits_already(make_node: MakeNode) -> None:
    node = make_node(threads=1, queue_limit=2)
    node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    jobs = [node.add(functions.note, key=str(number)) for number in range(4)]
    assert words(fire(node, jobs[0]) + fire(node, jobs[1])) == [("QUEUED", None)] * 2
    assert words(fire(node, jobs[2])) == [("SKIPPED", Reason.QUEUE_FULL)]
    functions.release.set()
    wait_until(lambda: not node.runs(RunStatus.QUEUED))
    assert words(fire(node, jobs[3])) != [("SKIPPED", Reason.QUEUE_FULL)]


def test_a_queue_far_from_its_limit_is_not_counted_each_time(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, counts = make_node(start=False), []
    real = ledger.queued_runs
    monkeypatch.setattr(ledger, "queued_runs", lambda *args: counts.append(1) or real(*args))
    gauge = Gauge(100_000)
    with node.engine.begin() as connection:
        for _ in range(10):
            assert gauge.room(connection) > 90_000
            gauge.add(100)
        assert len(counts) == 1
        gauge.add(98_000)
        assert gauge.room(connection) == 100_000
    assert len(counts) == 2


def test_a_backlog_fills_a_queue_no_further_than_its_limit(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), catch_up="all", queue_limit=3)
    node.make_due(job, utc_now().replace(second=0, microsecond=0) - timedelta(minutes=9))
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 3)
    full = [run for run in node.runs(RunStatus.SKIPPED) if run.reason == Reason.QUEUE_FULL]
    assert len(full) >= 7
