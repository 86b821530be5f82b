"""Fifty people press Run now at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from aegis_web.engine import changes
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import ALICE, EngineNode
from tests.support.clocks import wait_until

PEOPLE = 50


@pytest.mark.parametrize("same", [False, True], ids=["each with a key", "all with one key"])
def test_fifty_requests_at_once_run_once_each(same: bool, database_url: str) -> None:
    """A request that was sent twice (one key) is one run; others queue, none is refused."""
    functions.called.clear()
    nodes = [EngineNode(database_url) for _ in range(2)]
    job = nodes[0].add(functions.note)
    for node in nodes:
        node.scheduler.start()
    gate = Barrier(PEOPLE)

    def press(number: int) -> int:
        """What the page's action does: lock the job, look for the request, queue a run."""
        node, key = nodes[number % 2], "one" if same else str(number)
        gate.wait()
        with node.session() as session, session.begin():
            locked = changes.lock(session, job.id)
            assert locked is not None
            run_id = changes.request_run(session, locked, node.registry, ALICE, key)
        node.scheduler.wakeup()
        return run_id

    try:
        with ThreadPoolExecutor(PEOPLE) as people:
            asked = set(people.map(press, range(PEOPLE)))
        assert len(asked) == (1 if same else PEOPLE)
        wait_until(lambda: len(nodes[0].runs(RunStatus.SUCCEEDED)) == len(asked), 60)
        assert {run.id for run in nodes[0].runs()} == asked
        assert len(functions.called) == len(asked)
    finally:
        for node in nodes:
            node.close()
