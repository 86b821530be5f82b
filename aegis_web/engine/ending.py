"""How attempts end in the ledger: for good, or followed by another one."""

import random
from collections.abc import Sequence

from sqlalchemy import Connection

from aegis_web.engine import ledger
from aegis_web.engine.attempt import Outcome
from aegis_web.engine.claim import JobCache
from aegis_web.runs.models import Reason, RunStatus

LOST_DELAY_US = 1_000_000  # by then the children of a dead process have ended themselves


def finish(connection: Connection, outcomes: Sequence[Outcome], now: int) -> set[int]:
    """Store how attempts ended; the runs that were still theirs, as numbers.

    Where the job's policy wants another attempt, the run waits for it. A run that is missing from
    the answer had been taken from its node before; what came of it is kept beside its row.
    """
    again = [former(outcome, now) for outcome in outcomes if followed(outcome)]
    queued = ledger.queue_again(connection, again) if again else set()
    final = [o for o in outcomes if o.attempt.run_id not in queued] if queued else outcomes
    done = ledger.finish(connection, final, now)
    if len(done) < len(final):
        late = [outcome for outcome in final if outcome.attempt.run_id not in done]
        ledger.keep_late(connection, late)
    return done | queued


def followed(outcome: Outcome) -> bool:
    """Whether the job's policy wants another attempt after this one."""
    if outcome.status is RunStatus.SUCCEEDED:
        return False
    attempt = outcome.attempt
    return attempt.job.retry.again(
        outcome.status, attempt.number, outcome.error_types, outcome.reason
    )


def former(outcome: Outcome, now: int) -> ledger.Former:
    """The facts of an attempt that another one follows."""
    attempt = outcome.attempt
    wait = attempt.job.retry.delay_us(attempt.number, random.random())  # noqa: S311
    if outcome.reason is Reason.SHUTDOWN:
        wait = LOST_DELAY_US
    return ledger.Former(
        run_id=attempt.run_id,
        job_id=attempt.job.id,
        number=attempt.number,
        node_id=attempt.node_id,
        status=outcome.status,
        reason=outcome.reason,
        started_us=outcome.started_us,
        finished_us=outcome.finished_us,
        not_before_us=now + wait,
        error=outcome.error,
        traceback=outcome.traceback,
        cpu_us=outcome.cpu_us,
        peak_kb=outcome.peak_kb,
        exit_code=outcome.exit_code,
    )


def lose(connection: Connection, cache: JobCache, node_id: int, now: int, reason: Reason) -> None:
    """Settle what a node was running: queued again where the job's policy says so, else lost."""
    rows = ledger.running_of(connection, node_id)
    if not rows:
        return
    jobs = cache.get(connection, {(row.job_id, row.revision) for row in rows})
    again = [
        ledger.Former(
            run_id=row.id,
            job_id=row.job_id,
            number=row.attempt,
            node_id=node_id,
            status=RunStatus.LOST,
            reason=reason,
            started_us=row.started_at,
            finished_us=now,
            not_before_us=now + LOST_DELAY_US,
        )
        for row in rows
        if jobs[row.job_id].facts.retry.again(RunStatus.LOST, row.attempt)
    ]
    if again:
        ledger.queue_again(connection, again)
    ledger.lose_runs(connection, node_id, now, reason)
