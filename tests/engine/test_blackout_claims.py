"""Blackout calendars at work: what they forbid is skipped at its fire time, the rest runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aegis_web.clock import utc_now
from aegis_web.engine import changes
from aegis_web.engine.blackouts import parse_blackouts
from aegis_web.jobs.models import Calendar, CatchUp, Job
from aegis_web.runs.models import Kind, Reason, Run, RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.engine.test_pauses import minutes_ago
from tests.support.clocks import wait_until


def period(start: datetime, until: datetime) -> dict[str, str]:
    """A stored period between two whole minutes, in UTC."""
    times = {"from": start, "until": until}
    return {"name": "Stocktaking"} | {
        key: time.replace(tzinfo=None).isoformat(timespec="minutes") for key, time in times.items()
    }


def add_calendar(node: EngineNode, *periods: dict[str, str], **values: Any) -> int:
    with node.session() as session, session.begin():
        row = {"name": f"calendar {utc_now()}", "zone": "UTC", **values}
        calendar = Calendar(periods=list(periods), **row)
        session.add(calendar)
        session.flush()
        return calendar.id


def dark(runs: list[Run]) -> list[datetime | None]:
    return sorted(run.fire_at for run in runs if run.reason == Reason.BLACKOUT and run.fire_at)


def test_a_fire_time_in_a_blackout_is_skipped(node: EngineNode) -> None:
    calendar = add_calendar(node, period(minutes_ago(10), minutes_ago(-60)))
    job = node.add(functions.note, calendar_id=calendar)
    at = utc_now()
    node.make_due(job, at)
    run = wait_until(lambda: node.runs(RunStatus.SKIPPED))[0]
    assert (run.fire_at, run.reason) == (at, Reason.BLACKOUT)
    assert functions.called == []


def test_the_first_fire_time_after_a_blackout_runs(make_node: MakeNode) -> None:
    node = make_node(start=False)
    calendar = add_calendar(node, period(minutes_ago(4), minutes_ago(1)))
    job = node.add(functions.note, every(60), catch_up="all", calendar_id=calendar)
    node.make_due(job, minutes_ago(5))
    node.scheduler.start()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) >= 3)
    assert dark(node.runs()) == [minutes_ago_at(node, n) for n in (1, 2, 3)]


def minutes_ago_at(node: EngineNode, place: int) -> datetime:
    """The fire time so many minutes after the job's first row."""
    first = min(run.fire_at for run in node.runs() if run.fire_at)
    return first + timedelta(minutes=place)


def test_the_latest_allowed_fire_time_is_caught_up(make_node: MakeNode) -> None:
    node = make_node(start=False)
    barred = minutes_ago(2)
    calendar = add_calendar(node, period(barred, barred + timedelta(hours=1)))
    job = node.add(functions.note, every(60), calendar_id=calendar)
    node.make_due(job, barred - timedelta(minutes=2))
    node.scheduler.start()
    run = wait_until(lambda: node.runs(RunStatus.SUCCEEDED))[0]
    assert run.fire_at == minutes_ago_at(node, 1)


def test_a_changed_calendar_counts_at_once(node: EngineNode) -> None:
    calendar = add_calendar(node)
    job = node.add(functions.note, calendar_id=calendar)
    node.make_due(job, utc_now())
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    with node.session() as session, session.begin():
        row = session.get_one(Calendar, calendar)
        row.periods = [period(minutes_ago(10), minutes_ago(-60))]
    node.make_due(job, utc_now())
    assert wait_until(lambda: node.runs(RunStatus.SKIPPED))[0].reason == Reason.BLACKOUT


def test_an_edit_in_a_blackout_settles_what_it_forbids(make_node: MakeNode) -> None:
    node = make_node(start=False)
    calendar = add_calendar(node, period(minutes_ago(10), minutes_ago(-60)))
    job = node.add(functions.note, every(60), calendar_id=calendar)
    node.make_due(job, minutes_ago(2))
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.change(session, row, {"trigger": every(7200)}, node.registry, ALICE)
    assert {run.reason for run in node.runs()} == {Reason.BLACKOUT}


@pytest.mark.parametrize(("catch_up", "most"), [(CatchUp.ALL, 5), (CatchUp.LATEST, 1)])
def test_after_a_pause_nothing_runs_that_was_forbidden(
    make_node: MakeNode, catch_up: CatchUp, most: int
) -> None:
    node = make_node(start=False)
    calendar = add_calendar(node, period(minutes_ago(4), minutes_ago(-60)))
    job = node.add(functions.note, every(60), calendar_id=calendar)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.pause(session, row, node.registry, ALICE)
        row.next_run_at = minutes_ago(8)
    with node.session() as session, session.begin():
        changes.resume(session, session.get_one(Job, job.id), node.registry, ALICE, catch_up)
    queued = [run.fire_at for run in node.runs(RunStatus.QUEUED)]
    assert 1 <= len(queued) <= most
    assert all(fire_at is not None and fire_at < minutes_ago(3) for fire_at in queued)
    assert {run.reason for run in node.runs(RunStatus.SKIPPED)} == {Reason.PAUSED}


def test_a_long_blackout_is_one_row_beyond_the_newest_thousand(make_node: MakeNode) -> None:
    node = make_node(start=False)
    calendar = add_calendar(node, period(minutes_ago(70), minutes_ago(-60)))
    node.make_due(node.add(functions.note, every(1), calendar_id=calendar), minutes_ago(60))
    node.scheduler.start()
    wait_until(lambda: len(node.runs()) > 1000, seconds=20)
    summary = next(run for run in node.runs() if run.kind == Kind.SUMMARY)
    assert (summary.status, summary.reason) == (RunStatus.SKIPPED, Reason.BLACKOUT)


def test_a_manual_run_is_not_forbidden(node: EngineNode) -> None:
    calendar = add_calendar(node, period(minutes_ago(10), minutes_ago(-60)))
    run_id = node.request(node.add(functions.note, calendar_id=calendar))
    assert node.settled(run_id).status == RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    "broken", [{"zone": "Mars/Base"}, {"periods": [{"name": "x", "from": "?", "until": "?"}]}]
)
def test_a_calendar_that_cannot_be_read_stops_nobody(
    node: EngineNode, caplog: pytest.LogCaptureFixture, broken: dict[str, Any]
) -> None:
    parse_blackouts.cache_clear()
    calendar = add_calendar(node, period(datetime(2026, 1, 1, tzinfo=UTC), minutes_ago(1)))
    with node.session() as session, session.begin():
        for name, value in broken.items():
            setattr(session.get_one(Calendar, calendar), name, value)
    node.make_due(node.add(functions.note, calendar_id=calendar), utc_now())
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert "cannot be read" in caplog.text
