"""A turn whose commit happened although it looked as if it had failed, and other poison."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import event

from aegis_web.clock import utc_now
from aegis_web.engine import claim, ledger
from aegis_web.engine.attempt import Attempt, JobFacts
from aegis_web.engine.executors.loop import LoopExecutor
from aegis_web.engine.pulse import Pulse
from aegis_web.jobs.models import Job, JobState
from aegis_web.runs.models import Lane, Reason, RunDetails, RunStatus
from tests.engine import functions
from tests.engine.conftest import EngineNode, MakeNode, every
from tests.engine.test_execution import log_of
from tests.engine.test_pauses import minutes_ago, paused_long_ago
from tests.engine.test_retries import counted, formers, lost_run
from tests.support.clocks import wait_until


def lose_answer_when(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch, when: Callable[[], bool]
) -> list[str]:
    """Let one commit of a turn succeed and look as if it had failed, once `when` is true."""
    lost: list[str] = []
    real = node.scheduler.node._committed

    def committed(done: Any) -> None:
        if not lost and when():
            lost.append("the answer")
            raise OSError("the connection was lost in COMMIT")
        real(done)

    monkeypatch.setattr(node.scheduler.node, "_committed", committed)
    return lost


def test_output_whose_commit_looked_failed_is_stored_once(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = node.scheduler.node
    lost = lose_answer_when(node, monkeypatch, lambda: bool(inner._said))
    run = node.settled(node.request(node.add(functions.speak)))
    assert run.status == RunStatus.SUCCEEDED
    wait_until(lambda: not inner.busy())
    assert lost
    assert [line.split("\t")[2] for line in log_of(node, run.id)] == ["printed", "logged"]


def test_runs_promoted_by_a_commit_that_looked_failed_run_once(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose_answer_when(node, monkeypatch, lambda: bool(node.runs(RunStatus.RUNNING)))
    node.settled(node.request(node.add(functions.note)))
    assert lost
    assert functions.called == ["called"]


def test_a_finish_whose_commit_looked_failed_is_counted_once(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose_answer_when(node, monkeypatch, lambda: bool(node.runs(RunStatus.SUCCEEDED)))
    run = node.settled(node.request(node.add(functions.note)))
    wait_until(lambda: not node.scheduler.node.busy())
    assert lost
    assert counted(node) == {RunStatus.SUCCEEDED: 1}
    with node.session() as session:
        kept = session.get(RunDetails, run.id)
    assert kept is None or kept.late_status is None


def test_another_attempt_whose_commit_looked_failed_is_one_attempt(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queued_again() -> bool:
        return any(run.attempt == 2 for run in node.runs(RunStatus.QUEUED, RunStatus.RUNNING))

    lost = lose_answer_when(node, monkeypatch, queued_again)
    job = node.add(functions.fail_at_first, retries=5, retry_delay_seconds=0)
    run = node.settled(node.request(job))
    wait_until(lambda: not node.scheduler.node.busy())
    assert lost
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert functions.called == ["tried", "tried"]
    assert len(formers(node, run.id)) == 1
    assert counted(node) == {RunStatus.SUCCEEDED: 1}


def test_a_burial_whose_commit_looked_failed_loses_a_run_once(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(start=False)
    marked, _ = lost_run(node, node.add(functions.note))
    again, _ = lost_run(node, node.add(functions.safe_to_repeat, on_lost="rerun"))
    functions.release.set()
    lost = lose_answer_when(node, monkeypatch, lambda: bool(node.runs(RunStatus.LOST)))
    node.scheduler.start()
    wait_until(lambda: len(counted(node)) == 2, seconds=30)
    assert node.settled(marked).status == RunStatus.LOST
    assert node.settled(again).attempt == 2
    assert lost
    assert counted(node) == {RunStatus.LOST: 1, RunStatus.SUCCEEDED: 1}
    assert len(formers(node, again)) == 1


def test_a_claim_whose_commit_looked_failed_is_made_once(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose_answer_when(node, monkeypatch, lambda: bool(node.runs()))
    at = utc_now()
    node.make_due(node.add(functions.note), at)
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert lost
    assert [run.fire_at for run in node.runs()] == [at]
    assert functions.called == ["called"]


def test_a_resume_whose_commit_looked_failed_settles_once(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), catch_up="none")
    paused_long_ago(node, job, minutes_ago(3), minutes_ago(1))

    def active() -> bool:
        return node.jobs()[0].state == JobState.ACTIVE

    lost = lose_answer_when(node, monkeypatch, active)
    node.scheduler.start()
    wait_until(lambda: lost and active())
    paused = [run.fire_at for run in node.runs() if run.reason == Reason.PAUSED]
    assert len(paused) == len(set(paused)) == 2
    assert counted(node)[RunStatus.SKIPPED] >= 2


def test_an_executor_that_fails_at_the_hand_over_leaves_no_run_open(
    node: EngineNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = LoopExecutor.start, iter([RuntimeError("no loop")])

    def start(self: LoopExecutor, attempts: Any) -> None:
        for failure in failures:
            raise failure
        real(self, attempts)

    monkeypatch.setattr(LoopExecutor, "start", start)
    run = node.settled(node.request(node.add(functions.note_async)))
    assert run.status == RunStatus.SUCCEEDED


def test_a_job_whose_trigger_cannot_be_read_stops_no_other(
    make_node: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    node = make_node(start=False)
    bad, good = node.add(functions.note, every(1), key="bad"), node.add(functions.nothing, every(1))
    with node.session() as session, session.begin():
        row = session.get_one(Job, bad.id)
        row.trigger = {**row.trigger, "zone": "Mars/Base"}
    node.scheduler.start()
    wait_until(lambda: [run for run in node.runs(RunStatus.SUCCEEDED) if run.job_id == good.id])
    assert "Mars/Base" in (node.jobs()[0].problem or "")
    assert node.jobs()[0].next_run_at == bad.next_run_at
    assert len(node.scheduler.get_jobs()) == 2


def test_the_cache_keeps_what_it_was_asked_for(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "CACHED_JOBS", 2)
    node = make_node(start=False)
    jobs = [node.add(functions.note, key=str(number)) for number in range(5)]
    cache = claim.JobCache(node.registry)
    with node.engine.begin() as connection:
        for _ in range(2):
            for some in (jobs[:3], jobs[2:], jobs):
                got = cache.get(connection, [(job.id, job.revision) for job in some])
                assert set(got) == {job.id for job in some}
    assert len(cache._jobs) == 2


def test_runs_of_two_lives_are_given_back_by_their_owners(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note)
    runs = [node.request(job), node.request(job)]
    facts = JobFacts(job.id, 1, "a", "a", "a", {}, None)
    attempts = []
    with node.engine.begin() as connection:
        for run_id in runs:
            owner = ledger.register_node(connection, "me:1", "0")
            ledger.promote(connection, [run_id], owner, 1)
            attempts.append(Attempt(run_id, 1, owner, facts, None, None, Lane.THREAD, {}))
        ledger.give_back(connection, attempts, 1)
    assert len(node.runs(RunStatus.QUEUED)) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_node_that_beats_while_it_is_being_judged_lives(make_node: MakeNode) -> None:
    node = make_node(start=False)
    with node.engine.begin() as connection:
        other = ledger.register_node(connection, "other:1", "0")
        now = ledger.now_us(connection)
        ledger.beat(connection, other, now - 10_000_000)

    beaten: list[bool] = []

    def beat_first(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("UPDATE nodes SET ended_at") and not beaten:
            beaten.append(True)
            with node.reader.begin() as theirs:
                ledger.beat(theirs, other, now)

    event.listen(node.engine, "before_cursor_execute", beat_first)
    with node.engine.begin() as connection:
        assert ledger.bury_dead_nodes(connection, 0, now, 4_000_000) == []
    assert beaten


def test_a_node_that_waited_long_for_its_turn_judges_nobody_in_it() -> None:
    pulse = Pulse()
    pulse.begin(1, 0.0, 0)
    pulse._trusted_since = monotonic() - 100
    pulse._beat, pulse._beat_us = monotonic() - 2.5, 10_000_000
    assert not pulse.may_judge(12_500_000)
    pulse._beat = monotonic() - 1.5
    assert pulse.may_judge(11_500_000)


@pytest.mark.parametrize("step", [-86_400, -3, 3, 86_400])
def test_a_node_that_sees_the_clock_set_judges_nobody_by_old_beats(step: int) -> None:
    pulse = Pulse()
    pulse.begin(1, monotonic() - 100, 0)
    pulse.beat(monotonic() - 100, 0)
    pulse._trusted_since = monotonic() - 100
    pulse._beat, pulse._beat_us = monotonic() - 1, 10_000_000
    later = 11_000_000 + step * 1_000_000
    assert not pulse.may_judge(later)
    pulse.beat(monotonic(), later)
    assert not pulse.may_judge(later)
