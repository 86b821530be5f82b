"""An executor of processes without a node, and what its processes are and say."""

import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, JobFacts, Outcome
from aegis_web.engine.executors.processes import ProcessExecutor
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.pulse import Pulse
from aegis_web.runs.models import Lane
from tests.engine import hostile
from tests.engine.children import VAULT, known_functions
from tests.support.clocks import wait_until

Function = Callable[..., object]


class Pool:
    """An executor of processes without a node, and what it reported."""

    def __init__(self, size: int = 2) -> None:
        self.registry = known_functions()
        self.outcomes: list[Outcome] = []
        self.pulse = Pulse()
        self.pulse.begin(1, monotonic(), utc_now_us())
        recipe = Recipe("tests.engine.children:runner", None)
        report = self.outcomes.append
        self.executor = ProcessExecutor(size, recipe, self.registry, VAULT, self.pulse, report)
        self.count = 0

    def attempt(self, function: Function, **arguments: object) -> Attempt:
        self.count += 1
        service = self.registry.add(function)
        facts = JobFacts(1, 1, "job", "job", service.name, arguments, None)
        return Attempt(self.count, 1, 1, facts, None, "alice", Lane.PROCESS, arguments)

    def start(self, function: Function, **arguments: object) -> Attempt:
        attempt = self.attempt(function, **arguments)
        self.executor.start([attempt])
        return attempt

    def run(self, function: Function, **arguments: object) -> Outcome:
        return self.outcome(self.start(function, **arguments))

    def outcome(self, attempt: Attempt) -> Outcome:
        """How it ended, once it has; the node beats meanwhile."""
        return self.wait(lambda: next((o for o in self.outcomes if o.attempt is attempt), None))

    def wait(self, condition: Callable[[], Any]) -> Any:
        def met() -> Any:
            self.pulse.beat(monotonic(), utc_now_us())
            return condition()

        return wait_until(met, 30)

    def children(self) -> list[int]:
        """The processes that the guardian has now."""
        return [pid for pid in descendants(os.getpid()) if parent_of(pid) == self.guardian()]

    def guardian(self) -> int | None:
        held = self.executor._crew.guardian
        return None if held is None else held._process.pid


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    parents = {int(p.name): parent_of(int(p.name)) for p in Path("/proc").glob("[0-9]*")}
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


EXITING = 0x4  # PF_EXITING of Linux: it executes nothing of its own any more


def alive(pid: int) -> bool:
    """Whether a process runs: neither gone, nor a zombie, nor on its way out in the kernel."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0] != "Z" and not int(fields[6]) & EXITING
    except (FileNotFoundError, ProcessLookupError):
        return False


def log_of(outcome: Outcome) -> list[str]:
    """The text of what a run said."""
    piece = outcome.attempt.output.take(everything=True)
    text = zlib.decompress(piece).decode() if piece else ""
    return [line.split("\t", 2)[2] for line in text.split("\n") if line]


def be_a_node(file: str) -> None:
    """In a process of its own: execute something that hears nothing and writes its number."""
    pool = Pool(1)
    pool.start(hostile.deaf_to_everything, file=file)
    while not threading.Event().wait(0.2):
        pool.pulse.beat(monotonic(), utc_now_us())
