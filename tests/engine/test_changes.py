"""What a job said when: each change is one version, and loses no fire time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from aegis_web.clock import utc_now
from aegis_web.engine import changes, settle
from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.jobs.models import Job, JobVersion
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.engine.test_declarations import start_with


def versions(node: EngineNode) -> list[JobVersion]:
    with node.session() as session:
        return list(session.scalars(select(JobVersion).order_by(JobVersion.number)))


def test_a_fire_time_that_comes_while_a_trigger_changes_gets_its_row(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(3600))
    due = job.next_run_at
    assert due is not None
    clock = iter([due - timedelta(seconds=1)])  # what was owed is settled just before,

    def now_of(_session: Any) -> datetime:
        return next(clock, due + timedelta(seconds=1))  # and all else happens just after

    monkeypatch.setattr(settle, "now_of", now_of)
    monkeypatch.setattr(changes, "now_of", now_of)
    with node.session() as session, session.begin():
        row = session.get_one(Job, job.id)
        changes.change(session, row, {"trigger": every(1800)}, node.registry, ALICE)
    assert node.runs() == []
    assert node.jobs()[0].next_run_at == due
    assert versions(node)[-1].from_at < due


def test_declarations_make_a_version_only_where_they_say_otherwise(make_node: MakeNode) -> None:
    def declare(hours: int) -> Any:
        def jobs(scheduler: LedgerScheduler) -> None:
            scheduler.add_job(functions.note, "interval", hours=hours, id="sync")

        return jobs

    for hours in (2, 2, 3):
        node = start_with(make_node, declare(hours))
    made = versions(node)
    assert [version.definition["trigger"]["every"] for version in made] == [2, 3]
    assert {version.made_by for version in made} == {"code"}


def test_a_fire_time_set_by_hand_stands_in_its_version(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "interval", hours=5, id="moved")
    at = utc_now() + timedelta(days=2)
    node.scheduler.modify_job("moved", next_run_time=at)
    assert [version.first_at for version in versions(node)] == [None, at]
