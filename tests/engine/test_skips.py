"""Skipping any of the next fire times, each for itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from aegis_web.clock import utc_now
from aegis_web.engine import changes, skips
from aegis_web.engine.triggers import (
    DateTrigger,
    IntervalTrigger,
    coming,
    from_json,
    zone_named,
)
from aegis_web.errors import Conflict
from aegis_web.jobs.models import CatchUp, Job, JobSkip, JobState
from aegis_web.runs.models import Reason, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.support.clocks import wait_until


def skip(node: EngineNode, job: Job, *instants: datetime) -> None:
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        for instant in instants:
            skips.skip(session, row, node.registry, ALICE, instant)


def unskip(node: EngineNode, job: Job, instant: datetime) -> None:
    with node.session() as session, session.begin():
        skips.unskip(session, session.get_one(Job, job.id), node.registry, ALICE, instant)


def skipped(node: EngineNode) -> list[datetime]:
    """What is to be skipped, of all jobs."""
    with node.session() as session:
        return list(session.scalars(select(JobSkip.fire_at).order_by(JobSkip.fire_at)))


def next_of(job: Job, n: int = skips.WITHIN) -> list[datetime]:
    return coming(from_json(job.trigger), job.next_run_at, utc_now(), n)


def put(node: EngineNode, job: Job, cursor: datetime, instants: Iterable[datetime]) -> None:
    """As if these had been asked for before the cursor came to stand in the past."""
    with node.session() as session, session.begin():
        session.get_one(Job, job.id).next_run_at = cursor
        for instant in instants:
            session.add(JobSkip(job_id=job.id, fire_at=instant, skipped_by="bob"))


def outcome(node: EngineNode) -> list[tuple[RunStatus, Reason | None]]:
    runs = sorted(node.runs(), key=lambda run: run.fire_at or utc_now())
    return [(RunStatus(run.status), run.reason) for run in runs]


def test_those_that_are_to_be_skipped_are_and_the_others_run(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(1), catch_up=CatchUp.ALL, overlap="run")
    other = node.add(functions.note, every(1), catch_up=CatchUp.ALL, overlap="run")
    second, fourth = next_of(job)[3], next_of(job)[5]
    skip(node, job, fourth, second)
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SKIPPED)) == 2 and not skipped(node))
    found = [(run.job_id, run.fire_at, run.reason) for run in node.runs(RunStatus.SKIPPED)]
    wanted = [(job.id, at, Reason.SKIPPED_ONCE) for at in (second, fourth)]
    assert found == wanted
    wait_until(lambda: any(run.fire_at == fourth for run in node.runs(RunStatus.SUCCEEDED)))
    assert {run.job_id for run in node.runs(RunStatus.SUCCEEDED)} == {job.id, other.id}


@pytest.mark.parametrize(
    ("catch_up", "statuses"), [(CatchUp.LATEST, "MQSS"), (CatchUp.ALL, "QQSS")]
)
def test_of_a_backlog_the_latest_that_may_run_is_caught_up(
    make_node: MakeNode, catch_up: CatchUp, statuses: str
) -> None:
    node = make_node(start=False)
    newest = utc_now() - timedelta(minutes=30)
    trigger = IntervalTrigger(1, "hours", newest - timedelta(days=1), zone_named("UTC"))
    job = node.add(functions.note, trigger, catch_up=catch_up)
    cursor, *later = [newest - timedelta(hours=n) for n in (3, 2, 1, 0, -1)]
    put(node, job, cursor, later[1:])
    with node.session() as session, session.begin():  # settles what is due, as a claim would
        row = session.get_one(Job, job.id)
        changes.change(session, row, {"owner": "x"}, node.registry, ALICE)
    assert "".join(status.name[0] for status, _ in outcome(node)) == statuses
    assert skipped(node) == later[-1:]


def test_a_job_that_shares_its_rules_with_a_herd_is_judged_for_itself(make_node: MakeNode) -> None:
    node = make_node(start=False)
    cursor = utc_now().replace(microsecond=0) - timedelta(seconds=1)
    never = every(7 * 24 * 3600)
    jobs = [node.add(functions.note, never) for _ in range(5)]
    for job in jobs:
        put(node, job, cursor, [cursor] if job is jobs[2] else [])
    for job in jobs[3:]:
        put(node, job, cursor, [cursor + timedelta(microseconds=1)])  # none of its fire times
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 4)
    assert [run.job_id for run in node.runs(RunStatus.SKIPPED)] == [jobs[2].id]


def test_a_pause_and_its_end_keep_what_is_still_to_come(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    third = next_of(job)[2]
    skip(node, job, third)
    for change in (changes.pause, changes.resume):
        with node.session() as session, session.begin():
            change(session, session.get_one(Job, job.id), node.registry, ALICE)  # type: ignore[operator]
        assert skipped(node) == [third]


def test_a_new_trigger_keeps_those_that_it_names_too(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    times = next_of(job)
    odd = [at for at in times if at.hour % 2][:2]
    even = [at for at in times if at.hour % 2 == 0][:2]
    skip(node, job, *odd, *even)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        values = {"trigger": every(7200)}
        assert changes.change(session, row, values, node.registry, ALICE) == odd
    assert skipped(node) == even


@pytest.mark.parametrize("how", ["delete", "move"])
def test_nothing_is_left_of_a_job_that_is_gone_or_has_moved_on(node: EngineNode, how: str) -> None:
    job = node.add(functions.note, every(3600))
    first, second = next_of(job)[:2]
    skip(node, job, first, second)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        if how == "delete":
            changes.delete(session, row, node.registry, ALICE)
        else:
            changes.move_cursor(session, row, node.registry, second, ALICE)
    assert skipped(node) == ([] if how == "delete" else [second])


def test_only_the_next_ten_of_an_active_job_and_each_once(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    times = next_of(job, 11)
    skip(node, job, times[9])
    for instant, words in (
        (times[9], "already"),
        (times[10], "none of the next 10"),
        (times[0] + timedelta(seconds=1), "none of the next 10"),
        (times[0] - timedelta(hours=1), "none of the next 10"),
    ):
        with pytest.raises(Conflict, match=words):
            skip(node, job, instant)
    unskip(node, job, times[9])
    with pytest.raises(Conflict, match="not to be skipped"):
        unskip(node, job, times[9])
    with node.session() as session, session.begin():
        changes.pause(session, session.get_one(Job, job.id), node.registry, ALICE)
    with pytest.raises(Conflict, match="not active"):
        skip(node, job, times[0])


def test_a_skipped_date_is_finished(make_node: MakeNode) -> None:
    node = make_node(start=False)
    at = utc_now() + timedelta(seconds=1)
    job = node.add(functions.note, DateTrigger(at, zone_named("UTC")))
    skip(node, job, at)
    node.scheduler.start()

    def finished() -> bool:
        with node.session() as session:
            return session.get_one(Job, job.id).state == JobState.FINISHED

    wait_until(finished)
    assert outcome(node) == [(RunStatus.SKIPPED, Reason.SKIPPED_ONCE)]
    assert skipped(node) == []
