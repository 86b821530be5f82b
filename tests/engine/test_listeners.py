"""APScheduler's events reach the listeners that users bring: after the commit, in order."""

from datetime import timedelta
from threading import Event
from typing import Any

from apscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
)
from sqlalchemy import Connection, event

from aegis_web.clock import utc_now
from aegis_web.engine import ledger
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import EngineNode, MakeNode, every
from tests.support.clocks import wait_until

OF_RUNS = (
    EVENT_JOB_SUBMITTED
    | EVENT_JOB_EXECUTED
    | EVENT_JOB_ERROR
    | EVENT_JOB_MISSED
    | EVENT_JOB_MAX_INSTANCES
)


def listen(node: EngineNode) -> list[Any]:
    """The events about runs, as they come."""
    heard: list[Any] = []
    node.scheduler.add_listener(heard.append, OF_RUNS)
    return heard


def codes(heard: list[Any]) -> list[int]:
    return [event.code for event in heard]


def test_a_run_is_submitted_before_it_is_executed(node: EngineNode) -> None:
    heard = listen(node)
    node.add(functions.speak, every(1), key="own")
    wait_until(lambda: len(heard) >= 6)
    by_time: dict[Any, list[int]] = {}
    for each in heard:
        began = each.code == EVENT_JOB_SUBMITTED
        time = each.scheduled_run_times[0] if began else each.scheduled_run_time
        by_time.setdefault(time, []).append(each.code)
    whole = [told for told in by_time.values() if len(told) == 2]
    assert whole
    assert all(told == [EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED] for told in whole)
    assert heard[1].retval["job"] == heard[1].job_id == "own"


def test_a_failure_is_an_error_with_its_text(node: EngineNode) -> None:
    heard = listen(node)
    node.request(node.add(functions.fail))
    wait_until(lambda: len(heard) == 2)
    assert heard[1].code == EVENT_JOB_ERROR
    assert heard[1].exception == "ValueError: the invoice has no number"
    assert "Traceback" in heard[1].traceback


def test_a_fire_time_that_came_too_late_is_missed(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, catch_up="none", grace_seconds=1)
    late = utc_now() - timedelta(hours=2)
    node.make_due(job, late)
    heard = listen(node)
    node.scheduler.start()
    wait_until(lambda: heard)
    assert codes(heard) == [EVENT_JOB_MISSED]
    assert (heard[0].job_id, heard[0].scheduled_run_time) == (job.key, late)


def test_an_overlap_is_told_as_too_many_instances(node: EngineNode) -> None:
    job = node.add(functions.wait_for_release)
    node.request(job)
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    heard: list[Any] = []
    node.scheduler.add_listener(heard.append, EVENT_JOB_MAX_INSTANCES)
    node.make_due(job, utc_now())
    wait_until(lambda: heard)
    assert len(heard) == 1
    assert heard[0].scheduled_run_times == [node.runs(RunStatus.SKIPPED)[0].fire_at]


def test_a_job_that_is_added_is_told_once_it_is_stored(node: EngineNode) -> None:
    stored: list[object] = []
    node.scheduler.add_listener(
        lambda told: stored.append(node.scheduler.get_job(told.job_id)), EVENT_JOB_ADDED
    )
    added = node.scheduler.add_job(functions.note, "interval", hours=1, id="own")
    assert stored == [added]


def test_a_listener_that_raises_harms_nothing(node: EngineNode) -> None:
    def angry(event: JobEvent) -> None:
        raise SystemExit("not me")

    node.scheduler.add_listener(angry, EVENT_ALL)
    heard = listen(node)
    for _ in range(2):
        node.settled(node.request(node.add(functions.note)))
    wait_until(lambda: len(heard) == 4)


def test_a_slow_listener_holds_up_no_run(node: EngineNode) -> None:
    go_on, heard = Event(), listen(node)
    node.scheduler.add_listener(lambda event: go_on.wait(30), EVENT_JOB_SUBMITTED)
    for _ in range(3):
        node.settled(node.request(node.add(functions.note)))
    assert len(heard) <= 1
    go_on.set()
    wait_until(lambda: len(heard) == 6)


def test_a_listener_may_stop_the_scheduler(node: EngineNode) -> None:
    ended = Event()

    def stop(_event: object) -> None:
        node.scheduler.shutdown()
        ended.set()

    node.scheduler.add_listener(stop, EVENT_JOB_EXECUTED)
    node.settled(node.request(node.add(functions.note)))
    wait_until(ended.is_set)
    assert not node.scheduler.running


def test_what_ends_at_the_very_end_is_told(node: EngineNode) -> None:
    heard = listen(node)
    node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    node.scheduler.shutdown(stop_after=0.0)
    wait_until(lambda: len(heard) == 2)
    assert codes(heard) == [EVENT_JOB_SUBMITTED, EVENT_JOB_ERROR]
    assert heard[1].exception == "The process was shut down before the run had ended."


def test_nothing_is_told_of_a_turn_that_was_rolled_back(make_node: MakeNode) -> None:
    node = make_node(start=False)
    heard = listen(node)
    failed: list[list[Any]] = []
    jobs = [node.add(functions.note, key=str(number)) for number in range(3)]
    for job in jobs:
        node.request(job)

    def fail_once(connection: Connection) -> None:
        if not failed and ledger.running_counts(connection, [job.id for job in jobs]):
            failed.append(list(heard))
            raise OSError("the disk is full")

    event.listen(node.engine, "commit", fail_once)
    node.scheduler.start()
    wait_until(lambda: len(heard) == 6)
    assert failed == [[]]
    assert len(functions.called) == 3
