"""Concurrency groups: several jobs share a limit of runs at once, on all nodes together."""

from collections.abc import Callable
from threading import Event, Thread

from aegis_web.engine import ledger
from aegis_web.jobs.models import Group
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import EngineNode, MakeNode
from tests.support.clocks import wait_until


def make_group(node: EngineNode, name: str, limit: int) -> None:
    with node.session() as session, session.begin():
        session.add(Group(name=name, max_running=limit))


def most_at_once(node: EngineNode, until: Callable[[], object]) -> int:
    """The most runs seen to run at once, until something is true."""
    most = 0

    def watched() -> object:
        nonlocal most
        most = max(most, len(node.runs(RunStatus.RUNNING)))
        return until()

    wait_until(watched, seconds=30)
    return most


def test_jobs_of_a_group_share_its_limit(node: EngineNode) -> None:
    make_group(node, "mail", 2)
    jobs = [node.add(functions.wait_for_release, group_name="mail") for _ in range(4)]
    free = node.add(functions.note)
    for job in jobs:
        node.request(job)
    wait_until(lambda: len(node.runs(RunStatus.RUNNING)) == 2)
    node.settled(node.request(free))
    assert len(node.runs(RunStatus.RUNNING)) == 2
    functions.release.set()
    assert most_at_once(node, lambda: len(node.runs(RunStatus.SUCCEEDED)) == 5) <= 2


def test_a_higher_limit_counts_at_once(node: EngineNode) -> None:
    make_group(node, "mail", 1)
    for _ in range(3):
        node.request(node.add(functions.wait_for_release, group_name="mail"))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    with node.session() as session, session.begin():
        session.get_one(Group, "mail").max_running = 3
    node.scheduler.wakeup()
    wait_until(lambda: len(node.runs(RunStatus.RUNNING)) == 3)


def test_runs_of_a_full_group_keep_nobody_waiting(make_node: MakeNode) -> None:
    node = make_node(threads=2)
    make_group(node, "mail", 1)
    for _ in range(60):
        node.request(node.add(functions.wait_for_release, group_name="mail"))
    wait_until(lambda: node.runs(RunStatus.RUNNING))
    assert node.settled(node.request(node.add(functions.note))).status == RunStatus.SUCCEEDED


def test_two_nodes_together_keep_to_the_limit(make_node: MakeNode) -> None:
    nodes = [make_node(start=False, threads=8) for _ in range(2)]
    make_group(nodes[0], "mail", 3)
    for _ in range(30):
        nodes[0].request(
            nodes[0].add(functions.pause_for, group_name="mail", arguments={"length": "PT0.05S"})
        )
    for node in nodes:
        node.scheduler.start()
    done = most_at_once(nodes[0], lambda: len(nodes[0].runs(RunStatus.SUCCEEDED)) == 30)
    assert done <= 3


def test_nobody_promotes_runs_of_a_group_that_another_node_holds(make_node: MakeNode) -> None:
    node = make_node(start=False)
    make_group(node, "mail", 1)
    found: list[dict[str, int]] = []
    begun, go_on = Event(), Event()

    def hold() -> None:
        with node.engine.begin() as connection:
            found.append(ledger.group_rooms(connection, ["mail", "nobody's"]))
            begun.set()
            go_on.wait(5)

    holder = Thread(target=hold)
    holder.start()
    begun.wait(5)
    if node.engine.dialect.name == "postgresql":
        with node.engine.begin() as connection:
            assert ledger.group_rooms(connection, ["mail"]) == {}
    go_on.set()
    holder.join()
    assert found == [{"mail": 1}]
