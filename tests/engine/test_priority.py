"""Who goes first when there is not room for all, and when a job's time has not come or is over."""

from dataclasses import replace
from datetime import timedelta

from aegis_web.clock import utc_now
from aegis_web.jobs.models import JobState, Priority
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import MakeNode, every
from tests.support.clocks import wait_until


def test_the_higher_priority_starts_first_then_the_older_run(make_node: MakeNode) -> None:
    node = make_node(threads=1)
    node.request(node.add(functions.wait_for_release))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    for number, priority in enumerate(
        [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.LOW, Priority.HIGH]
    ):
        text = f"{number} {priority.name}"
        job = node.add(functions.note, key=text, priority=priority, arguments={"text": text})
        node.make_due(job, utc_now())
        wait_until(lambda number=number: len(node.runs(RunStatus.QUEUED)) == number + 1)
    functions.release.set()
    wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == 6)
    assert functions.called == ["2 HIGH", "4 HIGH", "1 NORMAL", "0 LOW", "3 LOW"]


def test_nothing_fires_before_the_start_or_after_the_end_of_a_trigger(make_node: MakeNode) -> None:
    node = make_node(start=False)
    now = utc_now().replace(microsecond=0)
    limits = {
        "starts_at": now + timedelta(seconds=3),
        "ends_at": now + timedelta(seconds=5),
    }
    node.add(functions.note, replace(every(1), **limits), overlap="run")  # type: ignore[arg-type]
    node.scheduler.start()
    wait_until(lambda: node.jobs()[0].state == JobState.FINISHED, seconds=20)
    fired = sorted(run.fire_at for run in node.runs() if run.fire_at)
    assert fired == [now + timedelta(seconds=n) for n in (3, 4, 5)]
