"""Processes that stand still for longer than others wait, and then go on."""

import os
import random
import signal
from contextlib import suppress

import pytest

from tests.faults.checker import SUCCEEDED
from tests.faults.child import POINTS
from tests.faults.conftest import Cluster, NodeProcess, Note
from tests.faults.gil import HELD_SECONDS, TIMES
from tests.faults.test_kills import aftermath
from tests.support.clocks import wait_until

DIED = "SELECT count(*) FROM nodes WHERE \"end\" = 'died'"
LOST = "SELECT job_id, fire_at, node_id, reason, finished_at FROM runs WHERE status = 6"


def stopped(node: NodeProcess) -> bool:
    return node.state() == "stopped"


def test_a_node_stopped_past_its_death_begins_a_new_life(cluster: Cluster, note: Note) -> None:
    """It was handed runs and stood still before it began them: they are not its own any more."""
    cluster.start()
    stalled = cluster.start(AT="committed-promotion:2:SIGSTOP")
    wait_until(lambda: stopped(stalled), 30)
    wait_until(lambda: cluster.read(DIED)[0][0], 30)
    stalled.send(signal.SIGCONT)
    wait_until(lambda: "declared dead" in stalled.output(), 30)
    aftermath(cluster)
    found = cluster.judge()
    assert found.rows["lost"]
    note(found, 1)


@pytest.mark.long
@pytest.mark.parametrize("how", sorted(POINTS.keys() - {"prune"}))
def test_stalled_at(how: str, cluster: Cluster, note: Note) -> None:
    """Inside a transaction too: SQLite's lock is held meanwhile, PostgreSQL ends the session."""
    cluster.start()
    for number in (1, 2, 3):
        stalled = cluster.start(AT=f"{how}:{number}:SIGSTOP")
        wait_until(lambda stalled=stalled: stopped(stalled), 60)
        cluster.passes(8)
        stalled.send(signal.SIGCONT)
        cluster.goes_on(seconds=60)
    aftermath(cluster)
    note(cluster.judge(), 3)


@pytest.mark.long
def test_random_stalls(cluster: Cluster, note: Note) -> None:
    """Of nodes, and of the processes that execute their runs."""
    chance = random.Random(3)
    for _ in range(3):
        cluster.start()
    for _ in range(20):
        cluster.goes_on(seconds=60)
        stalled = chance.choice([pid for node in cluster.nodes for pid in node.family()])
        with suppress(ProcessLookupError):  # a child that was idle may go at any moment
            os.kill(stalled, signal.SIGSTOP)
            cluster.passes(chance.uniform(0.5, 9))
            os.kill(stalled, signal.SIGCONT)
    aftermath(cluster)
    note(cluster.judge(), 20)


@pytest.mark.parametrize(
    "how",
    [1, pytest.param(10, marks=pytest.mark.long), pytest.param(60, marks=pytest.mark.long)],
)
def test_database_locked_for_seconds(how: int, cluster: Cluster, note: Note) -> None:
    """Nobody can beat, so nobody is dead; what runs meanwhile goes on."""
    for _ in range(2):
        cluster.start()
    cluster.goes_on()
    wait_until(lambda: cluster.read("SELECT count(*) FROM nodes")[0][0] == 2, 30)
    with cluster.locked():
        cluster.passes(how)
    aftermath(cluster)
    found = cluster.judge()
    assert cluster.read(DIED)[0][0] == 0
    assert not found.rows["lost"], cluster.read(LOST)
    note(found, 1)


@pytest.mark.long
def test_a_function_that_holds_the_interpreters_lock_harms_no_beat(
    cluster: Cluster, note: Note
) -> None:
    """It runs in a process of its own: its node beats on, and others do not call it dead."""
    cluster.env["AEGIS_SERVICES"] = "tests.faults.gil"
    cluster.times = TIMES
    for _ in range(2):
        cluster.start()
    cluster.goes_on(HELD_SECONDS + 2, seconds=60)
    aftermath(cluster)
    found = cluster.judge()
    assert cluster.read(DIED)[0][0] == 0
    held = "SELECT r.status FROM runs r JOIN jobs j ON j.id = r.job_id WHERE j.key = 'hold'"
    assert [row.status for row in cluster.read(held)] == [SUCCEEDED]
    note(found, 1)
