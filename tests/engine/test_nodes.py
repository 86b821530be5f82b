"""Several processes on one database: who may claim, who is dead, what becomes of its runs."""

import zlib
from collections.abc import Sequence
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import select

from aegis_web.clock import utc_now
from aegis_web.engine import ledger
from aegis_web.engine.attempt import Attempt, JobFacts
from aegis_web.runs.models import Lane, Reason, RunDetails, RunLog, RunStatus
from aegis_web.system.models import Node
from tests.engine import functions
from tests.engine.conftest import EngineNode, MakeNode, every
from tests.support.clocks import wait_until


def test_two_nodes_start_no_fire_time_twice(make_node: MakeNode) -> None:
    nodes = [make_node(), make_node()]
    for number in range(20):
        nodes[0].add(functions.note, every(1), key=f"each-{number}")
    wait_until(lambda: len(nodes[0].runs(RunStatus.SUCCEEDED)) >= 60)
    for node in nodes:
        node.scheduler.shutdown()
    runs = nodes[0].runs()
    assert len({(run.job_id, run.fire_at) for run in runs}) == len(runs)
    started = [run for run in runs if run.status == RunStatus.SUCCEEDED]
    assert len(functions.called) == len(started)


def test_another_nodes_new_job_is_seen_within_half_a_second(make_node: MakeNode) -> None:
    writer, runner = make_node(start=False), make_node()
    job = writer.add(functions.note)
    runner.make_due(job, utc_now())
    wait_until(lambda: runner.runs(RunStatus.SUCCEEDED), seconds=5)


def test_the_running_runs_of_a_dead_node_are_lost(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note)
    run_id = node.request(job)
    with node.engine.begin() as connection:
        dead = ledger.register_node(connection, "gone:1", "0")
        ledger.promote(connection, [run_id], dead, ledger.now_us(connection))
    node.scheduler.start()
    run = node.settled(run_id)
    assert (run.status, run.reason) == (RunStatus.LOST, Reason.PROCESS_DIED)
    with node.session() as session:
        assert session.get_one(Node, dead).end == "died"


def test_a_node_that_has_just_begun_judges_nobody(make_node: MakeNode) -> None:
    node = make_node(start=False)
    with node.engine.begin() as connection:
        silent = ledger.register_node(connection, "silent:1", "0")
        ledger.beat(connection, silent, 1)
    node.scheduler.start()
    node.settled(node.request(node.add(functions.note)))
    with node.session() as session:
        assert session.get_one(Node, silent).ended_at is None


def test_a_node_that_was_declared_dead_begins_a_new_life(node: EngineNode) -> None:
    first = node.scheduler.node.pulse.node_id
    with node.engine.begin() as connection:
        ledger.end_node(connection, first, ledger.now_us(connection), "died")
    wait_until(lambda: node.scheduler.node.pulse.node_id != first)
    run = node.settled(node.request(node.add(functions.note)))
    assert run.node_id == node.scheduler.node.pulse.node_id


def test_a_finish_counts_only_for_its_owner(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    with node.engine.begin() as connection:
        now = ledger.now_us(connection)
        ledger.lose_runs(connection, node.scheduler.node.pulse.node_id, now, Reason.PROCESS_DIED)
    functions.release.set()
    wait_until(lambda: not node.scheduler.node.busy())
    assert node.settled(run_id).status == RunStatus.LOST


def test_a_stop_waits_for_what_runs(make_node: MakeNode) -> None:
    node = make_node()
    run_id = node.request(node.add(functions.pause_for, arguments={"length": "PT0.5S"}))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    node.scheduler.shutdown()
    assert node.settled(run_id).status == RunStatus.SUCCEEDED
    with node.session() as session:
        assert session.get_one(Node, node.scheduler.node.pulse.node_id).end == "stopped"


def test_a_stop_waits_for_what_is_being_handed_over(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node()
    inner, promoted = node.scheduler.node, Event()
    real = inner._hand_over

    def hand_over(attempts: Sequence[Attempt]) -> None:
        if attempts:
            promoted.set()
            wait_until(lambda: inner.draining)
        real(attempts)
        wait_until(lambda: all(attempt.begun_at for attempt in attempts))  # else it is queued again

    monkeypatch.setattr(inner, "_hand_over", hand_over)
    run_id = node.request(node.add(functions.pause_for, arguments={"length": "PT0.5S"}))
    promoted.wait(10)
    node.scheduler.shutdown()
    assert node.settled(run_id).status == RunStatus.SUCCEEDED


def test_a_stop_claims_nothing_more(make_node: MakeNode) -> None:
    node = make_node(threads=1)
    node.request(node.add(functions.wait_for_release))
    waiting = node.request(node.add(functions.note))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    node.scheduler.begin_shutdown()
    functions.release.set()
    node.scheduler.shutdown()
    assert [run.id for run in node.runs(RunStatus.QUEUED)] == [waiting]
    assert node.runs(RunStatus.QUEUED)[0].node_id is None


def test_a_stop_asks_runs_to_end_and_then_gives_up(make_node: MakeNode) -> None:
    node = make_node()
    asked = node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    node.scheduler.shutdown(stop_after=0.0)
    run = node.settled(asked)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, Reason.SHUTDOWN)


def test_what_does_not_end_is_settled_as_lost(make_node: MakeNode) -> None:
    node = make_node()
    deaf = node.request(node.add(functions.deaf))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    node.scheduler.shutdown(stop_after=0.0, give_up_after=0.1)
    run = node.settled(deaf)
    assert (run.status, run.reason) == (RunStatus.LOST, Reason.SHUTDOWN)


def test_a_beat_from_before_the_clock_was_set_back_keeps_nobody_alive(make_node: MakeNode) -> None:
    node = make_node(start=False)
    with node.engine.begin() as connection:
        other = ledger.register_node(connection, "other:1", "0")
        now = ledger.now_us(connection)
        ledger.beat(connection, other, now + 3_600_000_000)
        assert ledger.bury_dead_nodes(connection, 0, now, 4_000_000) == [other]


@pytest.mark.parametrize("silence", [timedelta(seconds=3), timedelta(seconds=30)])
def test_only_a_node_silent_for_four_seconds_is_dead(
    make_node: MakeNode, silence: timedelta
) -> None:
    node = make_node(start=False)
    with node.engine.begin() as connection:
        other = ledger.register_node(connection, "other:1", "0")
        now = ledger.now_us(connection)
        ledger.beat(connection, other, now - int(silence.total_seconds() * 1e6))
        dead = ledger.bury_dead_nodes(connection, 0, now, 4_000_000)
    assert dead == ([other] if silence > timedelta(seconds=4) else [])


def test_only_an_attempt_that_the_ledger_knows_adds_to_a_log(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note)
    run_id = node.request(job)
    facts = JobFacts(job.id, 1, "a", "a", "a", {}, None)

    def say(number: int, owner: int) -> None:
        attempt = Attempt(run_id, number, owner, facts, None, None, Lane.THREAD, {})
        attempt.output.sequence = number
        attempt.output.line("out", f"attempt {number} of {owner}")
        attempt.output.progress = (number, None, f"attempt {number} of {owner}")
        with node.engine.begin() as connection:
            ledger.store_output(connection, attempt, ledger.now_us(connection))

    with node.engine.begin() as connection:
        now = ledger.now_us(connection)
        mine = ledger.register_node(connection, "mine:1", "0")
        ledger.promote(connection, [run_id], mine, now)
        former = ledger.Former(run_id, job.id, 1, mine, RunStatus.FAILED, None, now, now, now)
        ledger.queue_again(connection, [former])
        ledger.promote(connection, [run_id], mine, now)
    for number, owner in ((1, mine), (2, mine), (1, mine + 1), (2, mine + 1), (3, mine)):
        say(number, owner)

    with node.session() as session:
        logs = session.scalars(select(RunLog).order_by(RunLog.sequence)).all()
        details = session.get_one(RunDetails, run_id)
    said = [zlib.decompress(log.lines).decode().rpartition("\t")[2].strip() for log in logs]
    assert [line.splitlines()[-1] for line in said] == [
        f"attempt {number} of {mine}" for number in (1, 2)
    ]
    assert (details.progress_done, details.progress_message) == (2, f"attempt 2 of {mine}")
