"""What a running service function may know about its run, without a change to its signature.

For instance:

    from aegis_web.context import current_run

    def sync_invoices(since: date) -> int:
        run = current_run()
        for done, page in enumerate(pages, start=1):
            if run.stop_requested():
                break
            run.progress(done, len(pages), f"page {page}")
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from aegis_web.errors import AegisError

Progress = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class RunContext:
    """One attempt of one run, as its function sees it."""

    run_id: int
    job_id: int
    job_name: str
    fire_time: datetime | None  # UTC; the idempotency key of a scheduled run; None: manual
    attempt: int  # 1 for the first
    requested_by: str | None  # who asked for a manual run; None: the trigger
    report: Progress = field(repr=False)
    stop: Event = field(repr=False)  # set when the run is asked to end

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Show on the run's page that `done` of `total` is done. Cheap; call it often."""
        self.report(done, total, message)

    def stop_requested(self) -> bool:
        """Whether somebody pressed Stop, or the process is about to end."""
        return self.stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds`, or until a stop is requested; whether it is. Blocks its thread."""
        return self.stop.wait(seconds)


running: ContextVar[RunContext] = ContextVar("running")


def current_run() -> RunContext:
    """The run that this code is part of.

    Raises: AegisError outside a run (in a shell, in a test, in a thread the function started).
    """
    try:
        return running.get()
    except LookupError:
        raise AegisError("there is no current run: this code is not being run by a job") from None
