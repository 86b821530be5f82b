"""The values that pass between the ledger, the scheduler, the executors and the runner."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Any, NamedTuple, Protocol

from aegis_web.engine.output import Output
from aegis_web.engine.retries import NEVER, Retry
from aegis_web.runs.models import Lane, Reason, RunStatus


class JobFacts(NamedTuple):
    """What the engine needs to know of a job, as of one revision of it."""

    id: int
    revision: int
    key: str
    name: str
    service: str
    arguments: dict[str, Any]  # as stored: secrets encrypted
    timeout_seconds: int | None
    retry: Retry = NEVER


@dataclass(eq=False)
class Attempt:
    """One try at executing a run, owned by one node from its promotion to its finish."""

    run_id: int
    number: int
    node_id: int
    job: JobFacts
    fire_at: datetime | None
    requested_by: str | None
    lane: Lane
    arguments: dict[str, Any]  # the job's, or those of the manual request
    output: Output = field(default_factory=Output)
    stop: Event = field(default_factory=Event)
    stop_reason: Reason = Reason.STOPPED
    timed_out: bool = False
    begun_at: float | None = None  # monotonic seconds; None: not begun, or on the event loop

    def deadline_passed(self, elapsed_us: int) -> bool:
        """Whether an attempt that took `elapsed_us` has used up its timeout."""
        limit = self.job.timeout_seconds
        return limit is not None and elapsed_us >= limit * 1_000_000


class Outcome(NamedTuple):
    """How one attempt ended."""

    attempt: Attempt
    status: RunStatus
    started_us: int
    finished_us: int
    reason: Reason | None = None
    error: str | None = None  # one line
    traceback: str | None = None
    result: str | None = None  # JSON text
    result_note: str | None = None
    cpu_us: int | None = None
    peak_kb: int | None = None
    exit_code: int | None = None  # of a process of its own; -9: SIGKILL
    error_types: tuple[str, ...] = ()  # retries.names_of what was raised


class Executor(Protocol):
    """Where attempts are executed. Reports each exactly once through the callback it was given."""

    lane: Lane

    def room(self) -> int:
        """How many more attempts could start at once."""

    def start(self, attempts: Iterable[Attempt]) -> None:
        """Take the attempts and begin them as soon as possible, in their order."""

    def withdraw(self, seconds: float) -> list[Attempt]:
        """Give back the attempts that have waited here for `seconds` without being begun."""

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        """Ask a begun attempt to end; how soon it does is the executor's to say."""

    def shutdown(self) -> None:
        """Begin nothing more; threads that can end, end."""
