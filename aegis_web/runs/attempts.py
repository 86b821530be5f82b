"""The attempts of one run: those that another one followed, and an end that came too late."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from aegis_web.engine.pool.words import signal_name
from aegis_web.extensions import db
from aegis_web.language import _
from aegis_web.runs.log import inert
from aegis_web.runs.models import (
    FormerAttempt,
    Reason,
    Run,
    RunDetails,
    RunStatus,
    sentence_of,
)


@dataclass(frozen=True)
class Cost:
    """What an attempt cost and how its process ended; None: not measured, or no process."""

    cpu_seconds: float | None
    peak_bytes: int | None  # of resident memory
    exit_code: int | None  # -9: killed by signal 9

    @property
    def ended(self) -> str | None:
        """How the process of its own ended, where it ended with the run."""
        if self.exit_code is None:
            return None
        if self.exit_code < 0:
            return signal_name(-self.exit_code)
        return _("exit code %(code)s", code=self.exit_code)


@dataclass(frozen=True)
class AttemptRow:
    """One attempt of a run that had several."""

    number: int
    status: str  # the word: "timed_out"
    sentence: str | None  # why it was lost or cancelled
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None  # how long it took; None: it never began, or still goes
    error: str | None  # one line
    traceback: str | None
    cost: Cost


@dataclass(frozen=True)
class LateEnd:
    """How a run ended after it had been called lost."""

    status: str
    at: datetime | None
    error: str | None


def attempts_of(run: Run, details: RunDetails) -> tuple[AttemptRow, ...]:
    """All attempts of a run that had several, the newest first. One query, or none."""
    if run.attempt < 2:
        return ()
    former = select(FormerAttempt).where(FormerAttempt.run_id == run.id)
    former = former.order_by(FormerAttempt.number.desc())
    newest = attempt_row(run, run.attempt, details.traceback)
    rows = db.session.scalars(former)
    return (newest, *(attempt_row(row, row.number, row.traceback) for row in rows))


def attempt_row(attempt: Run | FormerAttempt, number: int, traceback: str | None) -> AttemptRow:
    """One attempt as a value."""
    began, ended = attempt.started_at, attempt.finished_at
    return AttemptRow(
        number=number,
        status=RunStatus(attempt.status).name.lower(),
        sentence=None
        if attempt.reason is None
        else reason_sentence(attempt.status, attempt.reason),
        started_at=began,
        finished_at=ended,
        seconds=None if began is None or ended is None else (ended - began).total_seconds(),
        error=None if attempt.error is None else inert(attempt.error),
        traceback=None if traceback is None else inert(traceback),
        cost=cost_of(attempt),
    )


def cost_of(attempt: Run | FormerAttempt) -> Cost:
    """What was measured of an attempt."""
    return Cost(
        cpu_seconds=None if attempt.cpu_us is None else attempt.cpu_us / 1_000_000,
        peak_bytes=None if attempt.peak_kb is None else attempt.peak_kb * 1024,
        exit_code=attempt.exit_code,
    )


def late_end(details: RunDetails) -> LateEnd | None:
    """How a run ended that nobody waited for any more."""
    if details.late_status is None:
        return None
    error = None if details.late_error is None else inert(details.late_error)
    return LateEnd(RunStatus(details.late_status).name.lower(), details.late_at, error)


def reason_sentence(status: int, reason: str) -> str:
    """The reason of a run, or attempt, of that status for people."""
    return _(sentence_of(status, Reason(reason))) if reason in set(Reason) else reason
