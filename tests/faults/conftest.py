"""Clusters of real nodes that are made to fail, and the table of what was seen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text

from tests.faults.checker import Judgement, judge, read, testimony
from tests.faults.witness import TIMES
from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import ROOT, Program

SETTLE_SECONDS = 30  # within which everything open must have settled by itself
FORESEEN = (0, -signal.SIGKILL, os.EX_CONFIG)  # stopped, killed, refused to start in words
BEATING = (
    "SELECT count(*) FROM nodes WHERE ended_at IS NULL"
    " AND beat_at > (SELECT max(beat_at) FROM nodes) - 5000000"
)


class Nursery:
    """Starts node processes quickly; see `nursery.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def bear(self, env: dict[str, str], log: Path) -> int:
        """The process id of a new node."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"env": env, "log": str(log)}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The nursery of this test process."""
    nursery = Nursery()
    yield nursery
    nursery.close()


class NodeProcess:
    """One node of a cluster."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self.status = Path(f"{log}.status")

    def gone(self) -> bool:
        return self.status.exists()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if not self.gone():
            os.kill(self.pid, number)

    def ends(self, seconds: float = 30) -> int:
        """Its exit status, negative for a signal, once it has ended."""
        wait_until(self.gone, seconds)
        return int(wait_until(self.status.read_text))

    def running(self) -> bool:
        """Whether it has said that it turns."""
        return "is running" in self.output()

    def state(self) -> str:
        """What the operating system says of it: "running", "sleeping", "stopped"."""
        return str(psutil.Process(self.pid).status())

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def family(self) -> list[int]:
        """Its process id and those of its children."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [self.pid, *(child.pid for child in children)]


class FreshNode(NodeProcess):
    """A node that is a program of its own from the start, as a preloaded library needs it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        command = (sys.executable, "-m", "tests.faults.child")
        self.program = Program(command, env, log)
        super().__init__(self.program.process.pid, log)

    def gone(self) -> bool:
        return self.program.gone()

    def ends(self, seconds: float = 30) -> int:
        return self.program.ends(seconds)


class Cluster:
    """Nodes on one database, and what their jobs testified."""

    def __init__(self, nursery: Nursery, url: str, data_dir: Path, folder: Path) -> None:
        self.nursery, self.url, self.folder = nursery, url, folder
        self.witness = folder / "witness"
        self.env = process_environment(
            data_dir,
            DATABASE_URL=url,
            AEGIS_SERVICES="tests.faults.witness",
            WITNESS=str(self.witness),
        )
        self.times = TIMES
        self.nodes: list[NodeProcess] = []

    def start(self, **env: str) -> NodeProcess:
        """A new node; it needs a moment until it turns."""
        env, log = {**self.env, **env}, self.folder / f"node-{len(self.nodes)}.log"
        fresh = "LD_PRELOAD" in env
        node = FreshNode(env, log) if fresh else NodeProcess(self.nursery.bear(env, log), log)
        self.nodes.append(node)
        return node

    def living(self) -> list[NodeProcess]:
        return [node for node in self.nodes if not node.gone()]

    def begun(self) -> int:
        """How many runs have said that they began."""
        return sum(said.word == "begin" for said in testimony(self.witness))

    def goes_on(self, runs: int = 10, seconds: float = SETTLE_SECONDS) -> None:
        """Return when so many more runs have begun."""
        enough = self.begun() + runs
        wait_until(lambda: self.begun() >= enough, seconds)

    def read(self, query: str, **values: Any) -> list[Any]:
        return read(self.url, query, **values)

    def write(self, *statements: str) -> None:
        """Run SQL of the test's own, in one transaction."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    @staticmethod
    def passes(seconds: float) -> None:
        """Return when so much time has passed: the length of a fault, not a guess at a wait."""
        time.sleep(seconds)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody else from writing."""
        engine = create_engine(self.url)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("LOCK TABLE nodes, jobs, runs IN ACCESS EXCLUSIVE MODE")
            yield
            connection.exec_driver_sql("ROLLBACK")
        engine.dispose()

    def settles(self, seconds: float = SETTLE_SECONDS) -> None:
        """Return when every run that is open now has ended."""
        rows = self.read("SELECT id FROM runs WHERE status < 2")
        newest = max((row.id for row in rows), default=0)
        query = "SELECT count(*) FROM runs WHERE status < 2 AND id <= :newest"
        wait_until(lambda: not self.read(query, newest=newest)[0][0], seconds)

    def stop(self) -> None:
        """End all nodes as a platform does; each must end well."""
        nodes = self.living()
        wait_until(lambda: all(node.running() for node in nodes), SETTLE_SECONDS)
        wait_until(lambda: self.read(BEATING)[0][0] == len(nodes), SETTLE_SECONDS)
        for node in self.nodes:  # none has ended but by the hand of a test
            assert node in nodes or node.ends() in FORESEEN, node.output()
        for node in nodes:
            node.send(signal.SIGTERM)
        for node in nodes:
            assert node.ends(40) == 0, node.output()

    def judge(self, *, clock_was_set: bool = False) -> Judgement:
        return judge(self.url, self.witness, self.times, clock_was_set)

    def kill(self) -> None:
        for node in self.living():
            os.killpg(node.pid, signal.SIGKILL)


MakeCluster = Callable[..., Cluster]


@pytest.fixture
def cluster(
    nursery: Nursery, database_url: str, data_dir: Path, tmp_path: Path
) -> Iterator[Cluster]:
    """A cluster without nodes, once on SQLite and once on PostgreSQL."""
    cluster = Cluster(nursery, database_url, data_dir, tmp_path)
    yield cluster
    cluster.kill()


Note = Callable[..., None]


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Puts a line into the table at the end; fails for violations."""
    began = time.monotonic()

    def write(found: Judgement, faults: int) -> None:
        database = "PostgreSQL" if "postgresql" in request.node.name else "SQLite"
        title = request.node.originalname.removeprefix("test_").replace("_", " ")
        if "how" in request.fixturenames:
            title += f" {request.getfixturevalue('how')}"
        row = {
            "what": title,
            "database": database,
            "faults": faults,
            "fire times": found.fire_times,
            "begun": found.begun,
            "lost": found.rows["lost"],
            "violations": len(found.violations),
            "seconds": round(time.monotonic() - began),
        }
        request.node.user_properties.append(("faults", row))
        assert not found.violations, "\n".join(found.violations[:20])

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one table of all that was noted."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "faults" and report.when == "call"
    ]
    if not rows:
        return
    terminalreporter.section("faults")
    names = list(rows[0])
    wide = {name: max(len(str(row[name])) for row in [*rows, {name: name}]) for name in names}
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [f"{row[n]!s:{'<' if n == 'what' else '>'}{wide[n]}}" for n in names]
        terminalreporter.line("  ".join(cells))
