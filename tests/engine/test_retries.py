"""Attempts: another one follows where the job's policy says so, and the run stays one run."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from aegis_web.clock import utc_now
from aegis_web.engine import changes, ledger
from aegis_web.jobs.models import Job
from aegis_web.runs.models import (
    FormerAttempt,
    Reason,
    Run,
    RunCount,
    RunDetails,
    RunStatus,
)
from tests.engine import functions, hostile
from tests.engine.conftest import ALICE, EngineNode, MakeNode
from tests.engine.test_execution import ask_to_stop, details, log_of
from tests.support.clocks import wait_until

AT_ONCE: dict[str, Any] = {"retries": 2, "retry_delay_seconds": 0}


def formers(node: EngineNode, run_id: int) -> list[FormerAttempt]:
    """The former attempts of a run, oldest first."""
    query = select(FormerAttempt).where(FormerAttempt.run_id == run_id)
    with node.session() as session:
        return list(session.scalars(query.order_by(FormerAttempt.number)))


def counted(node: EngineNode) -> dict[RunStatus, int]:
    """How many runs were counted as settled, by status."""
    with node.session() as session:
        return {RunStatus(row.status): row.count for row in session.scalars(select(RunCount))}


def test_a_run_that_fails_at_first_succeeds_in_a_later_attempt(node: EngineNode) -> None:
    job = node.add(functions.fail_at_first, arguments={"times": 2}, **AT_ONCE)
    run = node.settled(node.request(job))
    assert (run.status, run.attempt, run.error) == (RunStatus.SUCCEEDED, 3, None)
    first, second = formers(node, run.id)
    assert (first.number, second.number) == (1, 2)
    for former in (first, second):
        assert (former.status, former.node_id) == (RunStatus.FAILED, run.node_id)
        assert former.error == "ConnectionResetError: the line was cut"
        assert "Traceback" in (former.traceback or "")
    times = [first.started_at, first.finished_at, second.started_at, run.started_at]
    assert times == sorted(times, key=lambda time: time or utc_now())
    assert details(node, run.id).traceback is None
    assert len(node.runs()) == 1


def test_only_the_last_attempt_is_counted(node: EngineNode) -> None:
    node.settled(node.request(node.add(functions.fail, **AT_ONCE)))
    assert counted(node) == {RunStatus.FAILED: 1}


def test_a_run_that_always_fails_ends_after_its_last_attempt(node: EngineNode) -> None:
    run = node.settled(node.request(node.add(functions.fail, **AT_ONCE)))
    assert (run.status, run.attempt) == (RunStatus.FAILED, 3)
    assert "the invoice has no number" in (run.error or "")
    assert [former.number for former in formers(node, run.id)] == [1, 2]


def test_the_log_keeps_all_attempts_in_their_order(node: EngineNode) -> None:
    job = node.add(functions.fail_at_first, arguments={"times": 2}, **AT_ONCE)
    run = node.settled(node.request(job))
    lines = [line.split("\t")[2] for line in log_of(node, run.id)]
    assert lines == ["try 1", "attempt 2 begins", "try 2", "attempt 3 begins", "try 3"]


def test_another_attempt_waits_for_its_time(node: EngineNode) -> None:
    job = node.add(functions.fail_at_first, retries=1, retry_delay_seconds=3600)
    node.request(job)
    waiting = wait_until(lambda: [run for run in node.runs(RunStatus.QUEUED) if run.attempt == 2])
    wait = waiting[0].not_before - utc_now()
    assert timedelta(minutes=53) < wait < timedelta(minutes=67)
    assert (waiting[0].node_id, waiting[0].started_at, waiting[0].finished_at) == (None,) * 3
    assert functions.called == ["tried"]


def test_errors_of_other_kinds_are_not_tried_again(node: EngineNode) -> None:
    options = {**AT_ONCE, "retry_errors": ("OSError",)}
    other = node.settled(node.request(node.add(functions.fail, **options)))
    assert (other.status, other.attempt) == (RunStatus.FAILED, 1)
    kind = node.settled(node.request(node.add(functions.fail_at_first, **options)))
    assert (kind.status, kind.attempt) == (RunStatus.SUCCEEDED, 2)


def test_each_attempt_has_the_whole_timeout(node: EngineNode) -> None:
    job = node.add(functions.wait_at_first, timeout_seconds=1, **AT_ONCE)
    run = node.settled(node.request(job))
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert [former.status for former in formers(node, run.id)] == [RunStatus.TIMED_OUT]


def test_an_async_run_is_tried_again_too(node: EngineNode) -> None:
    job = node.add(functions.wait_forever, timeout_seconds=1, retries=1, retry_delay_seconds=0)
    run = node.settled(node.request(job))
    assert (run.status, run.attempt) == (RunStatus.TIMED_OUT, 2)


def test_a_stopped_run_is_not_tried_again(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.wait_for_release, **AT_ONCE))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    ask_to_stop(node, run_id)
    run = node.settled(run_id)
    assert (run.status, run.reason, run.attempt) == (RunStatus.CANCELLED, Reason.STOPPED, 1)


def test_a_run_of_a_deleted_job_is_not_tried_again(node: EngineNode) -> None:
    job = node.add(functions.fail_when_released, **AT_ONCE)
    run_id = node.request(job)
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    with node.session() as session, session.begin():
        changes.delete(session, session.get_one(Job, job.id), node.registry, ALICE)
    functions.release.set()
    run = node.settled(run_id)
    assert (run.status, run.attempt) == (RunStatus.FAILED, 1)


def test_a_waiting_attempt_counts_as_an_open_run(node: EngineNode) -> None:
    job = node.add(functions.fail_at_first, retries=1, retry_delay_seconds=3600)
    node.make_due(job, utc_now())
    wait_until(lambda: [run for run in node.runs(RunStatus.QUEUED) if run.attempt == 2])
    node.make_due(job, utc_now())
    assert wait_until(lambda: node.runs(RunStatus.SKIPPED))[0].reason == Reason.OVERLAP


def lost_run(node: EngineNode, job: Job, attempt: int = 1) -> tuple[int, int]:
    """A run that a node had promoted that then fell silent: the run's and the node's numbers."""
    run_id = node.request(job)
    with node.engine.begin() as connection:
        dead = ledger.register_node(connection, "gone:1", "0")
        ledger.promote(connection, [run_id], dead, ledger.now_us(connection))
    with node.session() as session, session.begin():
        session.get_one(Run, run_id).attempt = attempt
    return run_id, dead


def test_a_run_whose_process_died_stays_lost(make_node: MakeNode) -> None:
    node = make_node(start=False)
    run_id, _ = lost_run(node, node.add(functions.safe_to_repeat, **AT_ONCE))
    node.scheduler.start()
    run = node.settled(run_id)
    assert (run.status, run.reason, run.attempt) == (RunStatus.LOST, Reason.PROCESS_DIED, 1)


def test_a_run_that_may_be_repeated_is_run_again_after_its_process_died(
    make_node: MakeNode,
) -> None:
    node = make_node(start=False)
    run_id, dead = lost_run(node, node.add(functions.safe_to_repeat, on_lost="rerun"))
    functions.release.set()
    node.scheduler.start()
    run = node.settled(run_id)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    former = formers(node, run_id)[0]
    assert (former.status, former.reason) == (RunStatus.LOST, Reason.PROCESS_DIED)
    assert former.node_id == dead
    assert counted(node) == {RunStatus.SUCCEEDED: 1}


def test_a_run_that_kills_its_process_each_time_is_given_up(make_node: MakeNode) -> None:
    node = make_node(start=False)
    run_id, _ = lost_run(node, node.add(functions.safe_to_repeat, on_lost="rerun"), attempt=3)
    node.scheduler.start()
    assert node.settled(run_id).status == RunStatus.LOST


def test_a_function_that_may_not_be_repeated_is_never_run_again(make_node: MakeNode) -> None:
    node = make_node(start=False)
    run_id, _ = lost_run(node, node.add(functions.note, on_lost="rerun"))
    node.scheduler.start()
    assert node.settled(run_id).status == RunStatus.LOST


@pytest.mark.parametrize(
    "policy",
    [
        {"on_lost": "rerun", "retry_errors": ["ValueError"], "retry_delay_seconds": 0},
        {"retries": 1, "retry_delay_seconds": 0},
    ],
)
def test_a_run_whose_own_process_ended_is_tried_again(
    node: EngineNode, policy: dict[str, Any]
) -> None:
    run_id = node.request(node.add(hostile.leave_at_first, **policy))
    run = wait_until(lambda: ended(node, run_id), seconds=30)
    assert run is not None
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    former = formers(node, run.id)[0]
    assert (former.status, former.exit_code) == (RunStatus.FAILED, 3)


def ended(node: EngineNode, run_id: int) -> Run | None:
    """The run, if it has ended."""
    with node.session() as session:
        run = session.get_one(Run, run_id)
    return run if run.status >= RunStatus.SUCCEEDED else None


@pytest.mark.parametrize("give_up_after", [0.0, 10.0])
def test_a_run_that_a_shutdown_ended_is_run_again(
    make_node: MakeNode, give_up_after: float
) -> None:
    node = make_node()
    run_id = node.request(node.add(functions.safe_to_repeat, on_lost="rerun"))
    wait_until(lambda: functions.called)
    node.scheduler.shutdown(stop_after=0.0, give_up_after=give_up_after)
    assert [run.id for run in node.runs(RunStatus.QUEUED)] == [run_id]
    assert [former.reason for former in formers(node, run_id)] == [Reason.SHUTDOWN]


def test_how_a_run_ended_after_it_was_called_lost_is_kept(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.speak_and_wait))
    wait_until(lambda: log_of(node, run_id))
    with node.engine.begin() as connection:
        now = ledger.now_us(connection)
        ledger.lose_runs(connection, node.scheduler.node.pulse.node_id, now, Reason.PROCESS_DIED)
    functions.release.set()
    assert wait_until(lambda: late(node, run_id)) == RunStatus.SUCCEEDED
    run = node.settled(run_id)
    assert (run.status, run.reason) == (RunStatus.LOST, Reason.PROCESS_DIED)
    assert details(node, run_id).late_at is not None
    assert [line.split("\t")[2] for line in log_of(node, run_id)] == ["begun", "ended"]
    assert counted(node) == {RunStatus.LOST: 1}


def late(node: EngineNode, run_id: int) -> int | None:
    with node.session() as session:
        found = session.get(RunDetails, run_id)
    return None if found is None else found.late_status


def test_a_former_attempt_that_ends_after_all_says_so(node: EngineNode) -> None:
    inner = node.scheduler.node
    run_id = node.request(node.add(functions.fail_when_released, on_lost="rerun"))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    with node.engine.begin() as connection:
        now = ledger.now_us(connection)
        rows = ledger.running_of(connection, inner.pulse.node_id)
        former = ledger.Former(
            run_id=run_id,
            job_id=rows[0].job_id,
            number=1,
            node_id=inner.pulse.node_id,
            status=RunStatus.LOST,
            reason=Reason.PROCESS_DIED,
            started_us=now,
            finished_us=now,
            not_before_us=now + 3_600_000_000,
        )
        assert ledger.queue_again(connection, [former]) == {run_id}
    functions.release.set()
    told = wait_until(lambda: formers(node, run_id)[0].error)
    assert told == (
        "After it had been called lost it ended as failed: ValueError: it was told to fail"
    )
    assert late(node, run_id) is None
    assert node.runs(RunStatus.QUEUED)[0].attempt == 2
