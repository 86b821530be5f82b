"""Every single database call of a node fails once, and nothing is lost or done twice by it."""

from collections.abc import Callable, Iterator
from threading import current_thread

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from aegis_web.clock import utc_now
from aegis_web.runs.models import RunStatus
from tests.engine import functions
from tests.engine.conftest import EngineNode
from tests.support.clocks import wait_until

LOOP = "APScheduler"  # the name of the thread that turns


class Saboteur:
    """Lets call number `fails_at` of the node's thread fail: a statement, a commit, an answer."""

    def __init__(self, node: EngineNode, how: str) -> None:
        self.calls, self.fails_at = 0, 0
        if how == "statement":
            for engine in (node.engine, node.reader):
                event.listen(engine, "before_cursor_execute", lambda *_: self.call())
        elif how == "commit":
            event.listen(node.engine, "commit", lambda _: self.call())
        else:
            event.listen(node.engine, "commit", self.commit_and_call)

    def commit_and_call(self, connection: object) -> None:
        """Commit indeed, before the answer is lost."""
        if current_thread().name == LOOP and self.calls + 1 == self.fails_at:
            connection.connection.commit()  # type: ignore[attr-defined]
        self.call()

    def call(self) -> None:
        if current_thread().name != LOOP:
            return
        self.calls += 1
        if self.calls == self.fails_at:
            raise OperationalError("a call", None, Exception("sabotage"))

    def arm(self, number: int) -> None:
        self.calls, self.fails_at = 0, number


@pytest.fixture
def node(database_url: str) -> Iterator[EngineNode]:
    """A running node, once on SQLite and once on PostgreSQL."""
    functions.called.clear()
    node = EngineNode(database_url)
    node.scheduler.start()
    yield node
    node.close()


def errand(node: EngineNode) -> Callable[[], None]:
    """One round of work: a fire time and a manual run, until both have ended."""
    due, asked = node.add(functions.note), node.add(functions.note_async)

    def work() -> None:
        before = len(node.runs(RunStatus.SUCCEEDED))
        node.make_due(due, utc_now())
        node.request(asked)
        wait_until(lambda: len(node.runs(RunStatus.SUCCEEDED)) == before + 2, 30)
        wait_until(lambda: not node.scheduler.node.busy(), 30)

    return work


@pytest.mark.parametrize(
    "how",
    [
        "statement",
        pytest.param("answer", marks=pytest.mark.long),
        pytest.param("commit", marks=pytest.mark.long),
    ],
)
def test_every_call_fails_once(how: str, node: EngineNode) -> None:
    saboteur, work = Saboteur(node, how), errand(node)
    saboteur.arm(0)
    work()
    most = saboteur.calls + 5
    for number in range(1, most + 1):
        saboteur.arm(number)
        work()
        wait_until(lambda number=number: saboteur.calls >= number, 30)
    runs = node.runs()
    assert len(runs) == 2 * (most + 1)
    assert {run.status for run in runs} == {RunStatus.SUCCEEDED}
    assert len(functions.called) == len(runs)
    assert counted(node) == len(runs)


def counted(node: EngineNode) -> int:
    """What the hourly counts say of all runs."""
    with node.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT sum(count) FROM run_counts").scalar_one())
