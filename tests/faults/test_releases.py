"""Two releases of a program at once, and releases in which a job's function is not there."""

import signal

import pytest

from tests.faults.conftest import Cluster, Note
from tests.faults.releases import TIMES
from tests.faults.test_kills import aftermath
from tests.support.clocks import wait_until

BROKEN = "SELECT count(*) FROM runs WHERE reason = 'broken'"


pytestmark = pytest.mark.long


@pytest.fixture
def programs(cluster: Cluster) -> Cluster:
    """A cluster of nodes that are told their release when they start."""
    cluster.env["AEGIS_SERVICES"] = "tests.faults.releases"
    cluster.times = TIMES
    return cluster


def test_two_releases_at_once(programs: Cluster, note: Note) -> None:
    """As in a rolling deploy, and then back again."""
    old = programs.start(RELEASE="one")
    programs.goes_on(4)
    new = programs.start(RELEASE="two")
    wait_until(new.running, 30)
    programs.goes_on(12)
    old.send(signal.SIGTERM)
    assert old.ends() == 0
    programs.goes_on(6)
    again = programs.start(RELEASE="one")
    wait_until(again.running, 30)
    new.send(signal.SIGTERM)
    aftermath(programs)
    note(programs.judge(), 3)


@pytest.mark.parametrize("how", ["gone", "raises"])
def test_function_away_while_due(how: str, programs: Cluster, note: Note) -> None:
    """Each fire time says why nothing ran; the release after that goes on by itself."""
    node = programs.start(RELEASE="one")
    programs.goes_on(4)
    node.send(signal.SIGTERM)
    assert node.ends() == 0
    node = programs.start(RELEASE=how)
    wait_until(lambda: programs.read(BROKEN)[0][0] >= 4, 30)
    assert not node.gone()
    node.send(signal.SIGTERM)
    assert node.ends() == 0
    programs.start(RELEASE="one")
    aftermath(programs)
    note(programs.judge(), 1)


def test_function_renamed_while_due(programs: Cluster, note: Note) -> None:
    """A declaration with the same id takes the job along to the new name."""
    node = programs.start(RELEASE="one")
    programs.goes_on(4)
    node.send(signal.SIGKILL)
    programs.start(RELEASE="renamed")
    aftermath(programs)
    assert programs.read("SELECT DISTINCT service FROM jobs WHERE key = 'first'")[0][0].endswith(
        "labour"
    )
    note(programs.judge(), 1)
