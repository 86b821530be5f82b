"""kill -9 of any process at any moment, and at each point where it would hurt most."""

import os
import random
import signal

import pytest

from tests.faults.child import POINTS
from tests.faults.conftest import Cluster, Note

KILLS = int(os.environ.get("KILLS", "1000"))  # of the long version, on each database
NODES = 3


def storm(cluster: Cluster, kills: int, seed: int) -> int:
    """Kill processes at random moments, and start others in their place; how many were killed."""
    chance = random.Random(seed)
    for _ in range(NODES):
        cluster.start()
    cluster.goes_on(seconds=60)
    for _ in range(kills):
        victims = [pid for node in cluster.living() for pid in node.family()]
        pause = chance.expovariate(4.0)
        cluster.goes_on(runs=1 + int(pause * 8), seconds=60)
        try:
            os.kill(chance.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            continue
        while len(cluster.living()) < NODES:
            cluster.start()
    return kills


def aftermath(cluster: Cluster) -> None:
    """What a cluster does once it is left alone: goes on, settles everything, stops well."""
    cluster.goes_on(20, seconds=60)
    cluster.settles(60)
    cluster.stop()


@pytest.mark.essential
def test_random_kills(cluster: Cluster, note: Note) -> None:
    kills = storm(cluster, 8, seed=1)
    aftermath(cluster)
    note(cluster.judge(), kills)


@pytest.mark.long
def test_very_many_random_kills(cluster: Cluster, note: Note) -> None:
    kills = storm(cluster, KILLS, seed=2)
    aftermath(cluster)
    note(cluster.judge(), kills)


@pytest.mark.long
def test_death_at_each_point(cluster: Cluster, note: Note) -> None:
    points = sorted(POINTS.keys() - {"prune"})
    cluster.start()
    for point in points:
        assert cluster.start(AT=f"{point}:2").ends() == -signal.SIGKILL, point
    aftermath(cluster)
    note(cluster.judge(), len(points))


@pytest.mark.long
@pytest.mark.parametrize("how", sorted(POINTS.keys() - {"prune"}))
def test_many_deaths_at(how: str, cluster: Cluster, note: Note) -> None:
    cluster.start()
    for number in range(1, 21):
        assert cluster.start(AT=f"{how}:{number}").ends() == -signal.SIGKILL
    aftermath(cluster)
    note(cluster.judge(), 20)


@pytest.mark.long
def test_death_while_pruning(cluster: Cluster, note: Note) -> None:
    cluster.start()
    cluster.goes_on()
    age(cluster, 1200)
    old = "SELECT count(*) FROM runs WHERE fire_at < 1000000000000000"
    for number in (1, 2):
        assert cluster.start(PRUNE="1", AT=f"prune:{number}").ends() == -signal.SIGKILL
        assert cluster.read(old)[0][0] > 0
    assert cluster.start(PRUNE="1").ends() == 0
    assert cluster.read(old)[0][0] == 1  # the last run of a job always stays
    aftermath(cluster)
    note(cluster.judge(), 2)


def age(cluster: Cluster, number: int) -> None:
    """Give the first job so many runs of 2001."""
    rows = ", ".join(f"(1, {990_000_000_000_000 + n}, 0, 2, 0, 1, 1, 1, 1)" for n in range(number))
    columns = "job_id, fire_at, kind, status, lane, priority, attempt, queued_at, finished_at"
    cluster.write(f"INSERT INTO runs ({columns}) VALUES {rows}")
