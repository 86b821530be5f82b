"""Jobs declared in code, in APScheduler's own words: stored once, never reset."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text

from aegis_web.engine import changes
from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.errors import Invalid
from aegis_web.jobs.models import CatchUp, Job, JobState, Origin
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode
from tests.support.clocks import wait_until

Declare = Callable[[LedgerScheduler], Any]

SNIPPETS: list[tuple[dict[str, Any], str]] = [
    (
        {"trigger": "cron", "hour": 9, "minute": 0, "id": "daily_report", "name": "Daily report"},
        "Every day at 09:00",
    ),
    ({"trigger": "cron", "hour": 6, "minute": 30}, "Every day at 06:30"),
    ({"trigger": "cron", "day_of_week": "mon-fri", "hour": 9}, "At 09:00, Monday to Friday"),
    (
        {"trigger": "cron", "day_of_week": "mon-fri", "hour": 9, "minute": 0, "id": "weekdays"},
        "At 09:00, Monday to Friday",
    ),
    ({"trigger": "cron", "day_of_week": "mon", "hour": 8}, "Every Monday at 08:00"),
    ({"trigger": "interval", "minutes": 30}, "Every 30 minutes"),
    ({"trigger": "interval", "hours": 4}, "Every 4 hours"),
    ({"trigger": "interval", "hours": 2, "id": "sync", "name": "Synchronise"}, "Every 2 hours"),
    ({"trigger": "interval", "days": 1}, "Every day"),
]


def start_with(make_node: MakeNode, declare: Declare) -> EngineNode:
    """A node that has started once with what `declare` declares, and has stopped."""
    node = make_node(start=False)
    declare(node.scheduler)
    node.scheduler.start(paused=True)
    node.scheduler.shutdown()
    return node


def facts(job: Job) -> dict[str, Any]:
    """A job's columns."""
    return {column.key: getattr(job, column.key) for column in Job.__table__.columns}


@pytest.mark.parametrize(("snippet", "words"), SNIPPETS, ids=lambda value: str(value)[:60])
def test_three_starts_leave_the_same_row(
    make_node: MakeNode, snippet: dict[str, Any], words: str
) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(functions.note, **snippet)

    rows = [[facts(job) for job in start_with(make_node, declare).jobs()] for _ in range(3)]
    assert len(rows[0]) == 1
    assert rows[0] == rows[1] == rows[2]
    job = rows[0][0]
    assert job["key"] == snippet.get("id", "functions.note")
    assert job["name"] == snippet.get("name", "Remembers that it was called")
    assert (job["origin"], job["state"]) == (Origin.CODE, JobState.ACTIVE)
    node = start_with(make_node, declare)
    assert changes.from_json(node.jobs()[0].trigger).words().startswith(words)


def test_a_changed_trigger_of_the_only_declaration_is_an_update(make_node: MakeNode) -> None:
    first = start_with(make_node, lambda s: s.add_job(functions.note, "interval", hours=4)).jobs()
    then = start_with(make_node, lambda s: s.add_job(functions.note, "cron", hour=7)).jobs()
    assert [job.id for job in first] == [job.id for job in then]
    assert changes.from_json(then[0].trigger).words() == "Every day at 07:00"


def test_a_second_declaration_of_a_function_adds_its_trigger_in_words(make_node: MakeNode) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(functions.note, "interval", hours=4)
        scheduler.add_job(functions.note, "cron", hour=7)

    for _ in range(3):
        node = start_with(make_node, declare)
    keys = ["functions.note", "functions.note (Every day at 07:00)"]
    assert [job.key for job in node.jobs()] == keys


def test_a_pause_survives_a_start(make_node: MakeNode) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(functions.note, "cron", hour=7, id="seven")

    node = start_with(make_node, declare)
    with node.session() as session, session.begin():
        job = session.get_one(Job, node.jobs()[0].id)
        changes.pause(session, job, node.registry, ALICE, "because")
    again = start_with(make_node, declare).jobs()[0]
    assert (again.state, again.pause_reason) == (JobState.PAUSED, "because")


def test_a_persons_change_survives_a_start(make_node: MakeNode) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(functions.note, "cron", hour=7, id="seven")

    node = start_with(make_node, declare)
    with node.session() as session, session.begin():
        job = session.get_one(Job, node.jobs()[0].id)
        changes.change(session, job, {"name": "Mine"}, node.registry, ALICE)
    assert start_with(make_node, declare).jobs()[0].name == "Mine"


def test_a_vanished_declaration_is_kept_and_marked(make_node: MakeNode) -> None:
    start_with(make_node, lambda s: s.add_job(functions.note, "cron", hour=7))
    job = start_with(make_node, lambda _: None).jobs()[0]
    assert not job.declared
    assert job.deleted_at is None
    back = start_with(make_node, lambda s: s.add_job(functions.note, "cron", hour=7)).jobs()[0]
    assert back.declared


def test_two_declarations_with_one_id_are_refused(make_node: MakeNode) -> None:
    node = make_node(start=False)
    node.scheduler.add_job(functions.note, "cron", hour=7, id="same")
    with pytest.raises(Invalid, match="same"):
        node.scheduler.add_job(functions.fail, "cron", hour=8, id="same")


def test_arguments_are_checked_where_they_are_declared(make_node: MakeNode) -> None:
    node = make_node(start=False)
    with pytest.raises(Invalid, match="text"):
        node.scheduler.add_job(functions.note, "cron", hour=7, kwargs={"text": ["no", "text"]})


def test_options_of_apscheduler_become_policies(make_node: MakeNode) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(
            functions.note, "cron", hour=7, misfire_grace_time=60, max_instances=3, jitter=30
        )

    job = start_with(make_node, declare).jobs()[0]
    assert (job.grace_seconds, job.max_running, job.jitter_seconds) == (60, 3, 30)
    assert job.catch_up == CatchUp.NONE


def test_the_decorator_declares_too(make_node: MakeNode) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.scheduled_job("interval", id="decorated", hours=1)(functions.note)

    assert [job.key for job in start_with(make_node, declare).jobs()] == ["decorated"]


def test_apschedulers_methods_work_through_the_ledger(node: EngineNode) -> None:
    scheduler = node.scheduler
    added = scheduler.add_job(functions.note, "interval", hours=1, id="own", args=["from code"])
    assert added.id == "own"
    assert [job.id for job in scheduler.get_jobs()] == ["own"]
    scheduler.pause_job("own")
    assert scheduler.get_job("own").next_run_time is None
    assert node.jobs()[0].state == JobState.PAUSED
    scheduler.resume_job("own")
    assert node.jobs()[0].state == JobState.ACTIVE
    scheduler.modify_job("own", name="Renamed", max_instances=2)
    assert (node.jobs()[0].name, node.jobs()[0].max_running) == ("Renamed", 2)
    scheduler.reschedule_job("own", trigger="cron", hour=5)
    assert changes.from_json(node.jobs()[0].trigger).words() == "Every day at 05:00"
    node.settled(scheduler.store.request_run("own"))
    assert functions.called == ["from code"]
    scheduler.remove_job("own")
    assert scheduler.get_jobs() == []


def test_listeners_hear_of_a_job_and_its_run(node: EngineNode) -> None:
    heard: list[str] = []
    node.scheduler.add_listener(lambda event: heard.append(type(event).__name__))
    node.scheduler.add_job(functions.note, "date", id="once")
    wait_until(lambda: len(heard) == 3)
    assert sorted(heard) == ["JobEvent", "JobExecutionEvent", "JobSubmissionEvent"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_start_whose_locks_cross_those_of_another_process_is_tried_again(
    make_node: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    def declare(scheduler: LedgerScheduler) -> None:
        for key in ("first", "second"):
            scheduler.add_job(functions.note, "interval", hours=1, id=key)

    start_with(make_node, declare)
    node = make_node(start=False)
    declare(node.scheduler)

    def start_waits() -> bool:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with node.session() as session:
            return bool(session.scalar(waiting))

    with ThreadPoolExecutor(1) as starting, node.session() as other, other.begin():
        # The start is to be the victim.
        other.execute(text("SET LOCAL deadlock_timeout = '1min'"))
        for key in ("second", "first"):
            other.execute(select(Job).where(Job.key == key).with_for_update())
            if key == "second":
                started = starting.submit(node.scheduler.start)
                wait_until(start_waits)
        other.commit()
        started.result(timeout=10)
    assert "the start is tried again" in caplog.text
    assert [job.declared for job in node.jobs()] == [True, True]
