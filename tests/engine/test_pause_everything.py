"""While everything is paused nothing begins; afterwards each passed fire time has its row."""

from datetime import datetime, timedelta

import pytest

from aegis_web.clock import utc_now
from aegis_web.engine import changes, pauses
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs.models import CatchUp, Job, Pause
from aegis_web.runs.models import Kind, Reason, Run, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.engine.test_pauses import minutes_ago
from tests.support.clocks import wait_until


def pause(node: EngineNode, until: datetime | None = None) -> None:
    with node.session() as session, session.begin():
        pauses.pause_everything(session, ALICE, "the data centre moves", until)
    node.scheduler.wakeup()


def resume(node: EngineNode, catch_up: CatchUp = CatchUp.NONE) -> None:
    with node.session() as session, session.begin():
        pauses.resume_everything(session, ALICE, catch_up)
    node.scheduler.wakeup()


def paused_between(
    node: EngineNode, from_at: datetime, until_at: datetime | None, catch_up: str = ""
) -> None:
    with node.session() as session, session.begin():
        values = {"reason": "", "paused_by": "alice", "catch_up": catch_up}
        session.add(Pause(from_at=from_at, until_at=until_at, **values))


def shown(runs: list[Run]) -> list[tuple[datetime | None, bool]]:
    """Fire times, and whether the pause kept them from running; oldest first."""
    rows = [(run.fire_at, run.reason == Reason.PAUSED) for run in runs]
    return sorted(rows, key=lambda row: row[0] or utc_now())


def test_nothing_is_claimed_or_promoted_while_everything_is_paused(make_node: MakeNode) -> None:
    nodes = [make_node(start=False) for _ in range(2)]
    job = nodes[0].add(functions.note, every(1), overlap="run")
    queued = nodes[0].request(job)
    pause(nodes[0])
    for node in nodes:
        node.scheduler.start()
    pulses = [node.scheduler.node.pulse for node in nodes]
    newest = max(pulse._beat for pulse in pulses)
    wait_until(lambda: all(pulse._beat > newest + 2 for pulse in pulses))
    assert [run.id for run in nodes[0].runs()] == [queued]
    assert functions.called == []
    resume(nodes[0])
    wait_until(lambda: len(nodes[0].runs(RunStatus.SUCCEEDED)) >= 2)
    assert [run for run in nodes[0].runs(RunStatus.SKIPPED) if run.reason == Reason.PAUSED]


def test_what_runs_goes_on(node: EngineNode) -> None:
    run_id = node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    pause(node)
    functions.release.set()
    assert node.settled(run_id).status == RunStatus.SUCCEEDED


def test_nobody_can_ask_for_a_run_meanwhile(node: EngineNode) -> None:
    job = node.add(functions.note)
    first = node.request(job, request_key="before")
    pause(node)
    with pytest.raises(Conflict, match=r"paused by alice@example.org \(the data centre moves\)"):
        node.request(job)
    assert node.request(job, request_key="before") == first


@pytest.mark.parametrize(
    ("catch_up", "ran"), [(CatchUp.NONE, 0), (CatchUp.LATEST, 1), (CatchUp.ALL, 3)]
)
def test_a_resume_says_which_of_the_passed_fire_times_run(
    make_node: MakeNode, catch_up: CatchUp, ran: int
) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), overlap="run", catch_up=CatchUp.ALL)
    cursor = minutes_ago(6)
    node.make_due(job, cursor)
    paused_between(node, minutes_ago(5), minutes_ago(2), catch_up)
    node.scheduler.start()
    wait_until(lambda: len(node.runs()) >= 6)
    expected = [(cursor + timedelta(minutes=n), 1 <= n <= 3 - ran) for n in range(6)]
    assert shown(node.runs())[:6] == expected


def test_a_pause_that_ends_by_itself_catches_up_as_each_job_says(make_node: MakeNode) -> None:
    node = make_node(start=False)
    wanted = {"none": 0, "latest": 1, "all": 3}
    jobs = {}
    for catch_up in wanted:
        jobs[catch_up] = node.add(functions.note, every(60), overlap="run", catch_up=catch_up)
        node.make_due(jobs[catch_up], minutes_ago(5))
    paused_between(node, minutes_ago(5), minutes_ago(2))
    node.scheduler.start()
    wait_until(lambda: len(node.runs()) >= 15)
    for catch_up, ran in wanted.items():
        mine = [run for run in node.runs() if run.job_id == jobs[catch_up].id]
        assert sum(run.reason == Reason.PAUSED for run in mine) == 3 - ran


def test_a_pause_ends_at_its_time_without_a_hand(node: EngineNode) -> None:
    node.add(functions.note, every(1))
    pause(node, utc_now() + timedelta(seconds=2))
    begun = len(node.runs())
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) > begun + 1)
    with node.session() as session:
        assert pauses.open_pause(session) is None


def test_a_long_pause_is_one_row_beyond_the_newest_thousand(make_node: MakeNode) -> None:
    node = make_node(start=False)
    node.make_due(node.add(functions.note, every(1)), minutes_ago(60))
    paused_between(node, minutes_ago(61), utc_now() + timedelta(seconds=2), "none")
    node.scheduler.start()
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED), seconds=20)
    summary = next(run for run in node.runs() if run.kind == Kind.SUMMARY)
    assert (summary.status, summary.reason) == (RunStatus.SKIPPED, Reason.PAUSED)
    assert summary.range_count is not None
    assert summary.range_count > 2000


def test_a_job_changed_meanwhile_settles_what_passed_as_paused(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60))
    node.make_due(job, minutes_ago(3))
    paused_between(node, minutes_ago(4), None)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.change(session, row, {"trigger": every(7200)}, node.registry, ALICE)
    assert len(node.runs()) >= 4
    assert {run.reason for run in node.runs()} == {Reason.PAUSED}


def test_how_much_has_passed_is_known(make_node: MakeNode) -> None:
    node = make_node(start=False)
    for _ in range(2):
        node.make_due(node.add(functions.note, every(60)), minutes_ago(9))
    node.add(functions.note)
    paused_between(node, minutes_ago(3), None)
    with node.session() as session:
        pause = pauses.open_pause(session)
        assert pause is not None
        assert pauses.passed_count(session, pause) in (8, 10)  # a minute may end meanwhile


def test_everything_is_paused_and_resumed_once(node: EngineNode) -> None:
    with pytest.raises(Conflict, match="Nothing is paused"):
        resume(node)
    with pytest.raises(Invalid, match="later"):
        pause(node, utc_now() - timedelta(seconds=1))
    pause(node)
    with pytest.raises(Conflict, match="already, by alice"):
        pause(node)
    resume(node)
    with node.session() as session:
        assert pauses.open_pause(session) is None
