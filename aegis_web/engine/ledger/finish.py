"""How attempts ended: statuses, results, output, counts."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.ledger.sql import dialect_of, execute
from aegis_web.engine.output import Progress
from aegis_web.runs.models import TELLING, RunStatus

HOUR_US = 3_600_000_000
TOLD = ", ".join(str(int(status)) for status in TELLING)


def finish(connection: Connection, outcomes: Sequence[Outcome], now: int) -> set[int]:
    """Store how attempts ended for good; the runs that were still theirs, as numbers."""
    if not outcomes:
        return set()
    update = f"""
        WITH v AS ({
        dialect_of(connection).rows(
            "id bigint, attempt int, node bigint, status int, reason text, "
            "started bigint, finished bigint, error text, cpu bigint, peak int, code int"
        )
    })
        UPDATE runs SET status = v.status, reason = v.reason, started_at = v.started,
               finished_at = v.finished, error = v.error, cpu_us = v.cpu, peak_kb = v.peak,
               exit_code = v.code
        FROM v WHERE runs.id = v.id AND runs.attempt = v.attempt AND runs.node_id = v.node
               AND +runs.status = 1  -- the plus: find rows by id, not by an index on status
        RETURNING runs.id
    """
    rows = [
        [
            o.attempt.run_id,
            o.attempt.number,
            o.attempt.node_id,
            int(o.status),
            o.reason,
            o.started_us,
            o.finished_us,
            o.error,
            o.cpu_us,
            o.peak_kb,
            o.exit_code,
        ]
        for o in outcomes
    ]
    done = set(execute(connection, update, rows).scalars().all())
    kept = [o for o in outcomes if o.attempt.run_id in done]
    store_details(connection, kept)
    count(connection, now, ((o.attempt.job.id, o.status, 1) for o in kept))
    return done


def store_details(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Keep what attempts returned or raised; one row only where there is something to keep."""
    rows = [
        [o.attempt.run_id, o.result, o.result_note, o.traceback]
        for o in outcomes
        if o.result is not None or o.result_note or o.traceback
    ]
    if not rows:
        return
    upsert = f"""
        INSERT INTO run_details (run_id, result, result_note, traceback)
        SELECT id, result, note, trace FROM ({
        dialect_of(connection).rows("id bigint, result text, note text, trace text")
    }) AS v WHERE true
        ON CONFLICT (run_id) DO UPDATE SET result = excluded.result,
            result_note = excluded.result_note, traceback = excluded.traceback
    """
    execute(connection, upsert, rows)


def keep_late(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Keep how attempts ended that had been called lost, beside what the ledger said then."""
    values = dialect_of(connection).rows(
        "id bigint, attempt int, node bigint, status int, finished bigint, error text, note text"
    )
    upsert = f"""
        INSERT INTO run_details (run_id, late_status, late_at, late_error)
        SELECT v.id, v.status, v.finished, v.error FROM ({values}) AS v
        JOIN runs r ON r.id = v.id AND r.attempt = v.attempt AND r.node_id = v.node
        WHERE r.status = 6
        ON CONFLICT (run_id) DO UPDATE SET late_status = excluded.late_status,
            late_at = excluded.late_at, late_error = excluded.late_error
        RETURNING run_id
    """
    mark = f"""
        WITH v AS ({values}) UPDATE attempts SET error = v.note
        FROM v WHERE attempts.run_id = v.id AND attempts.number = v.attempt
            AND attempts.node_id = v.node AND attempts.status = 6 AND attempts.error IS NULL
    """
    rows = [
        [
            o.attempt.run_id,
            o.attempt.number,
            o.attempt.node_id,
            int(o.status),
            o.finished_us,
            o.error,
            late_words(o),
        ]
        for o in outcomes
    ]
    late = {row.run_id for row in execute(connection, upsert, rows)}
    store_details(connection, [o for o in outcomes if o.attempt.run_id in late])
    execute(connection, mark, rows)


def late_words(outcome: Outcome) -> str:
    """How an attempt ended after it had been called lost, in one line."""
    words = outcome.status.name.lower().replace("_", " ")
    text = f"After it had been called lost it ended as {words}"
    return f"{text}: {outcome.error}" if outcome.error else f"{text}."


def store_output(
    connection: Connection, attempt: Attempt, now: int, *, everything: bool = False
) -> Progress | None:
    """Append what an attempt has said since the last piece; the progress that was stored.

    Nothing is kept of an attempt that the ledger does not know: its run is another one since a
    backup was restored, or it was deleted.
    """
    progress = attempt.output.progress
    lines = attempt.output.take(everything=everything)
    owner = (attempt.run_id, attempt.number, attempt.node_id)
    is_newest = "EXISTS (SELECT 1 FROM runs WHERE id = ? AND attempt = ? AND node_id = ?)"
    if lines is not None:
        insert = f"""
            INSERT INTO run_logs (run_id, sequence, lines, written_at)
            SELECT CAST(? AS bigint), CAST(? AS bigint), ?, CAST(? AS bigint) WHERE {is_newest}
                OR EXISTS (SELECT 1 FROM attempts WHERE run_id = ? AND number = ? AND node_id = ?)
            ON CONFLICT (run_id, sequence) DO UPDATE SET lines = excluded.lines,
                written_at = excluded.written_at
        """  # it is there already where a commit's answer was lost
        piece = (attempt.run_id, attempt.output.sequence, lines, now)
        execute(connection, insert, *piece, *owner, *owner)
    if progress is not None:
        upsert = f"""
            INSERT INTO run_details (run_id, progress_done, progress_total, progress_message)
            SELECT CAST(? AS bigint), CAST(? AS double precision), CAST(? AS double precision),
                CAST(? AS text) WHERE {is_newest}
            ON CONFLICT (run_id) DO UPDATE SET progress_done = excluded.progress_done,
                progress_total = excluded.progress_total,
                progress_message = excluded.progress_message
        """
        execute(connection, upsert, attempt.run_id, *progress, *owner)
    return progress


def count(connection: Connection, now: int, settled: Iterable[tuple[int, RunStatus, int]]) -> None:
    """Add settled runs, as (job, status, how many), to the counts of this hour.

    The jobs among them whose runs tell whether they work get their result.
    """
    sums: Counter[tuple[int, int]] = Counter()
    for job_id, status, number in settled:
        sums[job_id, int(status)] += number
    if not sums:
        return
    upsert = f"""
        INSERT INTO run_counts (hour, job_id, status, count)
        SELECT hour, job, status, number FROM ({
        dialect_of(connection).rows("hour bigint, job bigint, status int, number int")
    }) AS v WHERE true
        ON CONFLICT (hour, job_id, status) DO UPDATE SET count = run_counts.count + excluded.count
    """
    rows = [[now // HOUR_US, job, status, number] for (job, status), number in sorted(sums.items())]
    execute(connection, upsert, rows)
    keep_results(connection, sorted({job for job, status in sums if status in TELLING}))


def keep_results(connection: Connection, job_ids: Sequence[int]) -> None:
    """Note what the newest telling run of each job came to; `job_ids` in order, for the locks."""
    if not job_ids:
        return
    upsert = f"""
        INSERT INTO job_results (job_id, run_id, status)
        SELECT v.job, r.id, r.status
        FROM ({dialect_of(connection).rows("job bigint")}) AS v JOIN runs r ON r.id =
            (SELECT id FROM runs WHERE job_id = v.job AND +status IN ({TOLD})
             ORDER BY id DESC LIMIT 1)
        WHERE true ORDER BY v.job
        ON CONFLICT (job_id) DO UPDATE SET run_id = excluded.run_id, status = excluded.status
            WHERE excluded.run_id >= job_results.run_id
    """
    execute(connection, upsert, [[job] for job in job_ids])
