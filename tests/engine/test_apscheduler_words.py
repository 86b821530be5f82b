"""APScheduler's own words while the scheduler runs and before: they do what they say there."""

import sys
from datetime import datetime, timedelta
from types import ModuleType

import pytest
from apscheduler.triggers.interval import IntervalTrigger as ApsInterval

from aegis_web.clock import utc_now
from aegis_web.engine import changes
from aegis_web.engine.triggers import DateTrigger, zone_named
from aegis_web.jobs.models import CatchUp, Job, JobState, Origin
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode, MakeNode, every
from tests.engine.test_declarations import facts, start_with
from tests.support.clocks import wait_until


def test_each_job_without_id_and_trigger_runs_once(node: EngineNode) -> None:
    for text in ("a", "b", "c"):
        node.scheduler.add_job(functions.note, args=[text])
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 3)
    assert sorted(map(str, functions.called)) == ["a", "b", "c"]


def test_two_different_jobs_without_id_are_two(node: EngineNode) -> None:
    for text in ("a", "b", "a"):
        node.scheduler.add_job(functions.note, "interval", hours=1, args=[text])
    assert [job.arguments for job in node.jobs()] == [{"text": "a"}, {"text": "b"}]


def test_a_new_job_knows_its_next_run_time(node: EngineNode) -> None:
    job = node.scheduler.add_job(functions.note, "interval", hours=1)
    assert job.next_run_time == node.jobs()[0].next_run_at
    job.remove()
    assert node.scheduler.get_jobs() == []


def test_a_first_run_time_of_its_own_is_kept(make_node: MakeNode) -> None:
    node = make_node(start=False)
    soon = datetime.now().astimezone()
    node.scheduler.add_job(functions.note, "interval", hours=4, next_run_time=soon)
    node.scheduler.start()
    run = wait_until(lambda: node.runs(RunStatus.SUCCEEDED))[0]
    assert run.fire_at == soon
    assert len(node.runs()) == 1


def test_a_run_time_set_by_hand_gets_its_row_whatever_follows(make_node: MakeNode) -> None:
    node = make_node(start=False)
    job = node.add(functions.note, every(60), key="own")
    by_hand = utc_now().replace(microsecond=1) - timedelta(minutes=5)
    node.make_due(job, by_hand)
    node.scheduler.start()
    wait_until(lambda: node.runs(RunStatus.SUCCEEDED))
    assert by_hand in [run.fire_at for run in node.runs()]


def test_a_date_moved_earlier_fires_once(node: EngineNode) -> None:
    at = utc_now() + timedelta(seconds=1)
    node.add(functions.note, DateTrigger(at, zone_named("UTC")), key="once")
    node.scheduler.modify_job("once", next_run_time=utc_now())
    wait_until(lambda: node.jobs()[0].state == JobState.FINISHED)
    assert len(node.runs()) == 1


def test_a_finished_job_can_be_given_a_run_time(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "date", id="once")
    wait_until(lambda: node.jobs()[0].state == JobState.FINISHED)
    node.scheduler.modify_job("once", next_run_time=utc_now())
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 2)
    node.scheduler.reschedule_job("once", trigger="date")
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 3)


def test_arguments_can_be_modified_by_place(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "interval", hours=1, id="own", args=["old"])
    node.scheduler.modify_job("own", args=["new"])
    assert node.jobs()[0].arguments == {"text": "new"}


def test_coalesce_can_be_switched_on_again(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "interval", hours=1, id="own", coalesce=False)
    assert node.jobs()[0].catch_up == CatchUp.ALL
    node.scheduler.modify_job("own", coalesce=True)
    assert node.jobs()[0].catch_up == CatchUp.LATEST


def test_the_decorator_works_where_a_module_defines_its_function(make_node: MakeNode) -> None:
    node = make_node(start=False)
    module = ModuleType("tests_decorated")
    vars(module)["scheduler"] = node.scheduler
    sys.modules[module.__name__] = module
    code = '@scheduler.scheduled_job("interval", hours=1)\ndef tidy() -> None:\n    "Tidies."\n'
    exec(code, vars(module))
    del sys.modules[module.__name__]
    node.scheduler.start()
    assert [job.key for job in node.jobs()] == ["tests_decorated.tidy"]


@pytest.mark.parametrize("trigger", ["date", "instance"])
def test_a_start_taken_from_the_clock_is_taken_once(make_node: MakeNode, trigger: str) -> None:
    rows = []
    for _ in range(3):
        made = "date" if trigger == "date" else ApsInterval(hours=4)
        node = start_with(make_node, lambda s, made=made: s.add_job(functions.note, made, id="x"))
        rows.append([facts(job) for job in node.jobs()])
    assert rows[0] == rows[1] == rows[2]


def test_an_option_that_the_code_drops_is_dropped(make_node: MakeNode) -> None:
    options = {"misfire_grace_time": 60, "max_instances": 3, "jitter": 30}
    start_with(make_node, lambda s: s.add_job(functions.note, "cron", hour=7, **options))
    node = start_with(make_node, lambda s: s.add_job(functions.note, "cron", hour=7))
    job = node.jobs()[0]
    assert (job.grace_seconds, job.max_running, job.jitter_seconds) == (None, 1, 0)
    assert job.catch_up == CatchUp.LATEST


def test_a_persons_job_with_the_id_of_a_new_declaration_forbids_no_start(
    make_node: MakeNode,
) -> None:
    node = make_node(start=False)
    theirs = node.add(functions.note, key="sync")
    node.scheduler.add_job(functions.note, "interval", hours=2, id="sync")
    node.scheduler.start(paused=True)
    jobs = {job.key: job for job in node.jobs()}
    assert jobs["sync"].origin == Origin.CODE
    assert {job.id for job in jobs.values()} > {theirs.id}


def test_all_jobs_can_be_removed(node: EngineNode) -> None:
    for number in range(3):
        node.scheduler.add_job(functions.note, "interval", hours=1, id=str(number))
    node.scheduler.remove_all_jobs()
    assert node.scheduler.get_jobs() == []


def test_a_pause_by_a_person_is_seen_by_apschedulers_words(node: EngineNode) -> None:
    node.scheduler.add_job(functions.note, "interval", hours=1, id="own")
    with node.session() as session, session.begin():
        job = session.get_one(Job, node.jobs()[0].id)
        changes.pause(session, job, node.registry, ALICE)
    assert node.scheduler.get_job("own").next_run_time is None
    node.scheduler.get_job("own").resume()
    assert node.jobs()[0].state == JobState.ACTIVE


def test_a_stopped_scheduler_says_that_it_cannot_start_again(make_node: MakeNode) -> None:
    node = make_node()
    node.scheduler.shutdown()
    with pytest.raises(Exception, match="make a new one"):
        node.scheduler.start()
