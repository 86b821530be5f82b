"""Pauses that end by themselves."""

from datetime import datetime, timedelta

import pytest

from aegis_web.clock import utc_now
from aegis_web.engine import changes
from aegis_web.errors import Invalid
from aegis_web.jobs.models import CatchUp, Job, JobState
from aegis_web.runs.models import Reason, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.support.clocks import wait_until


def pause(node: EngineNode, job: Job, until: datetime | None = None) -> None:
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.pause(session, row, node.registry, ALICE, "deploy", until)
    node.scheduler.wakeup()


def paused_long_ago(node: EngineNode, job: Job, cursor: datetime, until: datetime) -> None:
    """As if the job had been paused before `cursor` until an instant that has passed."""
    pause(node, job)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        row.next_run_at, row.pause_until = cursor, until
    node.scheduler.wakeup()


def stored(node: EngineNode, job: Job) -> Job:
    with node.session() as session:
        return session.get_one(Job, job.id)


def minutes_ago(minutes: int) -> datetime:
    """A fire time of `every(60)` that lies so far back."""
    return utc_now().replace(second=0, microsecond=0) - timedelta(minutes=minutes)


def test_a_pause_ends_at_its_time_without_a_hand(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    pause(node, job, utc_now() + timedelta(seconds=1))
    assert stored(node, job).pause_until is not None
    wait_until(lambda: stored(node, job).state == JobState.ACTIVE)
    row = stored(node, job)
    assert (row.pause_until, row.pause_reason) == (None, "")


@pytest.mark.parametrize(
    ("catch_up", "ran"), [(CatchUp.NONE, 0), (CatchUp.LATEST, 1), (CatchUp.ALL, 4)]
)
def test_what_passed_in_a_pause_that_ended_is_caught_up_as_the_job_says(
    make_node: MakeNode, catch_up: CatchUp, ran: int
) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), catch_up=catch_up)
    cursor, until = minutes_ago(5), minutes_ago(1)
    paused_long_ago(node, job, cursor, until)
    node.scheduler.start()
    wait_until(lambda: stored(node, job).state == JobState.ACTIVE)
    wait_until(lambda: any(run.fire_at == until for run in node.runs()))
    inside = [run for run in node.runs() if run.fire_at and run.fire_at < until]
    assert [run.fire_at for run in inside] == [cursor + timedelta(minutes=n) for n in range(4)]
    skipped = [run for run in inside if run.status == RunStatus.SKIPPED]
    assert len(inside) - len(skipped) == ran
    assert {run.reason for run in skipped} <= {Reason.PAUSED}


def test_the_fire_time_at_the_end_of_a_pause_is_not_part_of_it(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), catch_up=CatchUp.LATEST, overlap="run")
    paused_long_ago(node, job, minutes_ago(1), minutes_ago(1))
    node.scheduler.start()
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert not [run for run in node.runs() if run.reason == Reason.PAUSED]


def test_a_pause_cannot_end_before_it_begins(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    with pytest.raises(Invalid) as refused:
        pause(node, job, utc_now() - timedelta(seconds=1))
    assert "later" in refused.value.errors["until"]
    assert stored(node, job).state == JobState.ACTIVE


def test_two_nodes_resume_a_job_once(make_node: MakeNode) -> None:
    nodes = [make_node(start=False) for _ in range(2)]
    jobs = [nodes[0].add(functions.note, every(60), catch_up=CatchUp.ALL) for _ in range(20)]
    for job in jobs:
        paused_long_ago(nodes[0], job, minutes_ago(3), minutes_ago(1))
    for node in nodes:
        node.scheduler.start()
    wait_until(lambda: all(row.state == JobState.ACTIVE for row in nodes[0].jobs()))
    runs = nodes[0].runs()
    assert len({(run.job_id, run.fire_at) for run in runs}) == len(runs)
    assert {row.revision for row in nodes[0].jobs()} == {3}
