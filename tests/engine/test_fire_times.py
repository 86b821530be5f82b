"""Every fire time gets exactly one row that says what became of it."""

from collections import Counter
from datetime import UTC, timedelta

import pytest
from sqlalchemy import select

from aegis_web.clock import from_us, utc_now
from aegis_web.engine import changes, ledger
from aegis_web.engine.settle import now_of
from aegis_web.engine.triggers import DateTrigger, zone_named
from aegis_web.jobs.models import CatchUp, Job, JobState, Overlap
from aegis_web.runs.models import Kind, Reason, Run, RunCount, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.support.clocks import wait_until


def test_a_due_job_runs_once_for_its_fire_time(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    due = from_us(0).replace(year=utc_now().year) + timedelta(hours=1)
    last = max(job.next_run_at - timedelta(hours=1), due)  # type: ignore[operator]
    node.make_due(job, last)
    run = wait_until(lambda: node.runs(RunStatus.SUCCEEDED))[0]
    assert run.fire_at == last
    assert [r.fire_at for r in node.runs()] == [last]
    assert node.jobs()[0].next_run_at == last + timedelta(hours=1)


def test_the_row_is_committed_before_the_function_starts(make_node: MakeNode) -> None:
    node = make_node(threads=1)
    node.add(functions.wait_for_release, every(1))
    run = wait_until(lambda: node.runs(RunStatus.RUNNING))[0]
    assert run.node_id == node.scheduler.node.pulse.node_id


def test_a_date_runs_once_and_the_job_is_finished(node: EngineNode) -> None:
    at = utc_now() + timedelta(milliseconds=200)
    node.add(functions.note, DateTrigger(at, zone_named("UTC")))
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    job = node.jobs()[0]
    assert (job.state, job.next_run_at) == (JobState.FINISHED, None)


def test_only_the_latest_passed_fire_time_is_caught_up(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600))
    node.make_due(job, job.next_run_at - timedelta(hours=5))  # type: ignore[operator]
    node.scheduler.start()
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    *passed, latest = node.runs()
    assert [(r.status, r.reason) for r in passed] == 4 * [(RunStatus.MISSED, Reason.SUPERSEDED)]
    assert latest.status == RunStatus.SUCCEEDED


def test_all_passed_fire_times_are_caught_up_where_the_job_says_so(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600), catch_up=CatchUp.ALL)
    node.make_due(job, job.next_run_at - timedelta(hours=5))  # type: ignore[operator]
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 5)
    assert len(functions.called) == 5


def test_nothing_late_runs_where_the_job_says_so(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600), catch_up=CatchUp.NONE, grace_seconds=0)
    node.make_due(job, job.next_run_at - timedelta(hours=3))  # type: ignore[operator]
    node.scheduler.start()
    runs = wait_until(node.runs)
    assert [r.reason for r in runs] == [Reason.SUPERSEDED, Reason.SUPERSEDED, Reason.TOO_LATE]
    assert {r.status for r in runs} == {RunStatus.MISSED}


def test_a_long_backlog_is_a_thousand_rows_and_one_summary(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.nothing, every(1))
    first = (utc_now() - timedelta(days=7)).replace(microsecond=0)
    node.make_due(job, first)
    node.scheduler.start(paused=True)
    node.scheduler.resume()
    wait_until(lambda: node.runs())
    with node.session() as session:
        rows = session.scalars(select(Run).where(Run.job_id == job.id)).all()
    summary = next(run for run in rows if run.kind == Kind.SUMMARY)
    newest = [run for run in rows if run.fire_at > summary.fire_at]  # type: ignore[operator]
    assert summary.range_from == first
    assert (summary.status, summary.reason) == (RunStatus.MISSED, Reason.BACKLOG)
    span = summary.fire_at - first  # type: ignore[operator]
    assert summary.range_count == span.total_seconds() + 1
    assert min(r.fire_at for r in newest) == summary.fire_at + timedelta(seconds=1)  # type: ignore[operator,type-var]
    assert len({run.fire_at for run in newest}) == len(newest) >= 1000


def test_an_overlap_is_skipped_with_a_row(node: EngineNode) -> None:
    node.add(functions.wait_for_release, every(1))
    skipped = wait_until(lambda: node.runs(RunStatus.SKIPPED))
    assert skipped[0].reason == Reason.OVERLAP
    assert len(node.runs(RunStatus.RUNNING)) == 1


def test_an_overlap_waits_where_the_job_says_so(node: EngineNode) -> None:
    node.add(functions.wait_for_release, every(1), overlap=Overlap.QUEUE)
    wait_until(lambda: node.runs(RunStatus.QUEUED))
    assert len(node.runs(RunStatus.RUNNING)) == 1
    functions.release.set()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) >= 2)


def test_an_overlap_runs_beside_where_the_job_says_so(node: EngineNode) -> None:
    node.add(functions.wait_for_release, every(1), overlap=Overlap.RUN)
    wait_until(lambda: len(node.runs(RunStatus.RUNNING)) == 2)


def test_a_job_whose_function_is_gone_is_kept_and_says_so(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(1))
    del node.registry.functions["functions.note"]
    node.scheduler.start()
    run = wait_until(node.runs)[0]
    assert (run.status, run.reason) == (RunStatus.MISSED, Reason.BROKEN)
    assert "functions.note" in (node.jobs()[0].problem or "")
    assert node.jobs()[0].id == job.id


def test_a_job_whose_arguments_no_longer_fit_is_broken(make_node: MakeNode) -> None:
    node = make_node(start=False)
    node.add(functions.note, every(3600), arguments={"gone": 1})
    node.scheduler.start()
    assert "gone" in (node.jobs()[0].problem or "")


def test_a_pause_stops_the_cursor_and_resume_settles_what_passed(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600))
    first = job.next_run_at
    assert first is not None
    with node.session() as session, session.begin():
        changes.pause(session, session.get_one(Job, job.id), node.registry, ALICE, "deploy")
        session.get_one(Job, job.id).next_run_at = first - timedelta(hours=3)
    with node.session() as session, session.begin():
        paused = session.get_one(Job, job.id)
        changes.resume(session, paused, node.registry, ALICE, CatchUp.LATEST)
    run = wait_until(lambda: node.runs(RunStatus.SUCCEEDED))[0]
    assert run.fire_at == first - timedelta(hours=1)
    skipped = node.runs(RunStatus.SKIPPED)
    assert [r.reason for r in skipped] == [Reason.PAUSED, Reason.PAUSED]
    assert node.jobs()[0].next_run_at == first


def test_a_paused_job_fires_nothing(node: EngineNode) -> None:
    job = node.add(functions.note, every(1), paused=True)
    other = node.add(functions.nothing, every(1))
    wait_until(lambda: len([r for r in node.runs() if r.job_id == other.id]) >= 2)
    assert not [r for r in node.runs() if r.job_id == job.id]


def test_deleting_a_paused_job_settles_what_it_still_owed(node: EngineNode) -> None:
    job = node.add(functions.note, every(3600), paused=True)
    node.make_due(job, job.next_run_at - timedelta(hours=2))  # type: ignore[operator]
    with node.session() as session, session.begin():
        changes.delete(session, session.get_one(Job, job.id), node.registry, ALICE)
    assert [(r.status, r.reason) for r in node.runs()] == 2 * [(RunStatus.SKIPPED, Reason.PAUSED)]
    node.add(functions.note, key=job.key)  # its name is free


def test_a_new_trigger_settles_what_the_old_one_owed(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600))
    old = job.next_run_at - timedelta(hours=1)  # type: ignore[operator]
    node.make_due(job, old)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.change(session, row, {"trigger": every(7200)}, node.registry, ALICE)
    assert [(r.fire_at, r.status) for r in node.runs()] == [(old, RunStatus.QUEUED)]


def test_a_fire_time_that_has_its_row_keeps_it(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600))
    fire_at = job.next_run_at - timedelta(hours=1)  # type: ignore[operator]
    node.make_due(job, fire_at)
    node.scheduler.start()
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    node.make_due(job, fire_at)
    wait_until(lambda: node.jobs()[0].next_run_at != fire_at)
    assert len(node.runs()) == 1


def test_counts_are_kept_as_runs_are_settled(node: EngineNode) -> None:
    good, bad = node.add(functions.note), node.add(functions.fail)
    for job in (good, good, bad):
        node.settled(node.request(job))
    with node.session() as session:
        counts = Counter(
            {(c.job_id, RunStatus(c.status)): c.count for c in session.scalars(select(RunCount))}
        )
    assert counts == {(good.id, RunStatus.SUCCEEDED): 2, (bad.id, RunStatus.FAILED): 1}


def test_jitter_delays_a_run_and_not_its_fire_time(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600), jitter_seconds=600)
    node.make_due(job, utc_now().replace(minute=0, second=0, microsecond=0))
    node.scheduler.start()
    run = wait_until(node.runs)[0]
    assert run.fire_at <= run.not_before <= run.fire_at + timedelta(seconds=600)  # type: ignore[operator]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_failing_turn_is_tried_again(node: EngineNode, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([OSError("the disk is full"), OSError("still")])
    real = ledger.beat

    def beat(*args: object) -> bool:
        for failure in failures:
            raise failure
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "beat", beat)
    run = node.settled(node.request(node.add(functions.note)))
    assert run.status == RunStatus.SUCCEEDED
    assert next(failures, None) is None


def test_now_is_an_aware_instant(node: EngineNode) -> None:
    with node.session() as session:
        now = now_of(session)
    assert now.tzinfo is UTC
    assert abs(now - utc_now()) < timedelta(minutes=1)
