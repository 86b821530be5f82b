"""The SQL of the ledger: claim, promote, finish, take over, count, beat.

Every function runs inside the caller's transaction on the writing engine and commits nothing.
Many rows travel as one JSON parameter, so that each step is one statement on both databases; what
differs between the two stands in `Dialect`. Instants are microseconds since the epoch here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from aegis_web.clock import to_us, utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.decide import Verdict
from aegis_web.engine.output import Progress
from aegis_web.runs.models import Lane, Reason, RunStatus

HOUR_US = 3_600_000_000
Row = Any


class Dialect:
    """What the two databases say differently."""

    def __init__(self, name: str) -> None:
        self.is_sqlite = name == "sqlite"
        self.skip_locked = "" if self.is_sqlite else "FOR UPDATE OF {} SKIP LOCKED"

    def sql(self, text: str) -> str:
        """`text` with its `?` marks in the driver's style."""
        return text if self.is_sqlite else text.replace("?", "%s")

    def rows(self, columns: str) -> str:
        """A SELECT of the rows in one JSON parameter: `columns` like `id bigint, error text`."""
        pairs = [column.split() for column in columns.split(",")]
        if self.is_sqlite:
            picks = (f"json_extract(value, '$[{i}]') AS {name}" for i, (name, _) in numbered(pairs))
            return f"SELECT {', '.join(picks)} FROM json_each(?)"
        picks = (f"(value->>{i})::{kind} AS {name}" for i, (name, kind) in numbered(pairs))
        return f"SELECT {', '.join(picks)} FROM json_array_elements(?::json)"

    def among(self, column: str) -> str:
        """A condition: `column` is one of the integers in one JSON parameter."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(?))"
        return f"{column} IN (SELECT value::text::bigint FROM json_array_elements(?::json))"


def numbered(pairs: list[list[str]]) -> Iterable[tuple[int, list[str]]]:
    """The column pairs with their places in the JSON rows."""
    return enumerate(pairs)


DIALECTS = {name: Dialect(name) for name in ("sqlite", "postgresql")}


def execute(connection: Connection, text: str, *parameters: Any) -> Any:
    """Run one statement written with `?` marks; lists become JSON parameters."""
    dialect = DIALECTS[connection.dialect.name]
    values = tuple(json.dumps(p) if isinstance(p, list) else p for p in parameters)
    return connection.exec_driver_sql(dialect.sql(text), values)


def dialect_of(connection: Connection) -> Dialect:
    """The dialect of `connection`."""
    return DIALECTS[connection.dialect.name]


def now_us(connection: Connection) -> int:
    """The database's own clock; on SQLite that is this machine's."""
    if dialect_of(connection).is_sqlite:
        return utc_now_us()
    clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    return int(execute(connection, clock).scalar_one())


def serialise_starts(connection: Connection) -> None:
    """Let one process at a time compare its declarations with the table, until the commit."""
    if not dialect_of(connection).is_sqlite:  # there every writer is alone
        execute(connection, "SELECT pg_advisory_xact_lock(7108115)")


# --- nodes ------------------------------------------------------------------------------------


def register_node(connection: Connection, name: str, version: str) -> int:
    """Write this process down as a node that beats from now on; its number."""
    now = now_us(connection)
    insert = (
        "INSERT INTO nodes (name, version, started_at, beat_at) VALUES (?, ?, ?, ?) RETURNING id"
    )
    return int(execute(connection, insert, name, version, now, now).scalar_one())


def beat(connection: Connection, node_id: int, now: int) -> bool:
    """Note that the node lives; False when others have declared it dead."""
    update = "UPDATE nodes SET beat_at = ? WHERE id = ? AND ended_at IS NULL"
    return bool(execute(connection, update, now, node_id).rowcount)


def end_node(connection: Connection, node_id: int, now: int, end: str) -> bool:
    """Close a node as `stopped` or `died`; False when it was closed before."""
    update = 'UPDATE nodes SET ended_at = ?, "end" = ? WHERE id = ? AND ended_at IS NULL'
    return bool(execute(connection, update, now, end, node_id).rowcount)


def bury_dead_nodes(connection: Connection, me: int, now: int, dead_after_us: int) -> list[int]:
    """Close each node that has not beaten for `dead_after_us`; its running runs become lost."""
    update = """
        UPDATE nodes SET ended_at = ?, "end" = 'died'
        WHERE ended_at IS NULL AND beat_at < ? AND id <> ? RETURNING id
    """  # one statement: who beats while it waits for the row is seen to live
    dead = [row.id for row in execute(connection, update, now, now - dead_after_us, me)]
    for node_id in dead:
        lose_runs(connection, node_id, now, Reason.PROCESS_DIED)
    return dead


def lose_runs(connection: Connection, node_id: int, now: int, reason: Reason) -> None:
    """Settle what a node was running as lost."""
    update = """
        UPDATE runs SET status = ?, reason = ?, finished_at = ?
        WHERE node_id = ? AND status = 1 RETURNING job_id
    """
    rows = execute(connection, update, int(RunStatus.LOST), reason.value, now, node_id).all()
    count(connection, now, ((row.job_id, RunStatus.LOST, 1) for row in rows))


# --- finish -----------------------------------------------------------------------------------


def finish(connection: Connection, outcomes: Sequence[Outcome], now: int) -> list[int]:
    """Store how attempts ended; the runs that were still theirs, as numbers.

    A run that is missing from the answer had been taken from its node before.
    """
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
    done = {row.id for row in execute(connection, update, rows)}
    kept = [o for o in outcomes if o.attempt.run_id in done]
    store_details(connection, kept)
    count(connection, now, ((o.attempt.job.id, o.status, 1) for o in kept))
    return list(done)


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


def store_output(
    connection: Connection, attempt: Attempt, now: int, *, everything: bool = False
) -> Progress | None:
    """Append what an attempt has said since the last piece; the progress that was stored."""
    progress = attempt.output.progress
    lines = attempt.output.take(everything=everything)
    if lines is not None:
        insert = """
            INSERT INTO run_logs (run_id, sequence, lines, written_at) VALUES (?, ?, ?, ?)
            ON CONFLICT (run_id, sequence) DO UPDATE SET lines = excluded.lines,
                written_at = excluded.written_at
        """  # it is there already where a commit's answer was lost
        execute(connection, insert, attempt.run_id, attempt.output.sequence, lines, now)
    if progress is not None:
        upsert = """
            INSERT INTO run_details (run_id, progress_done, progress_total, progress_message)
            VALUES (?, ?, ?, ?)
            ON CONFLICT (run_id) DO UPDATE SET progress_done = excluded.progress_done,
                progress_total = excluded.progress_total,
                progress_message = excluded.progress_message
        """
        execute(connection, upsert, attempt.run_id, *progress)
    return progress


def count(connection: Connection, now: int, settled: Iterable[tuple[int, RunStatus, int]]) -> None:
    """Add settled runs, as (job, status, how many), to the counts of this hour."""
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


# --- claim ------------------------------------------------------------------------------------


def due_jobs(connection: Connection, now: int, limit: int) -> list[Row]:
    """The jobs whose cursor has come, locked, as (id, revision, next_run_at); earliest first."""
    dialect = dialect_of(connection)
    select = f"""
        SELECT id, revision, next_run_at FROM jobs
        WHERE state = 'active' AND next_run_at IS NOT NULL AND next_run_at <= ?
              AND deleted_at IS NULL
        ORDER BY next_run_at LIMIT ? {dialect.skip_locked.format("jobs")}
    """
    return list(execute(connection, select, now, limit).all())


def open_runs(connection: Connection, job_ids: list[int]) -> dict[int, int]:
    """How many runs of each job are queued or running; jobs without any are left out."""
    select = f"""
        SELECT job_id, count(*) AS n FROM runs
        WHERE status < 2 AND {dialect_of(connection).among("job_id")} GROUP BY job_id
    """
    return {row.job_id: row.n for row in execute(connection, select, job_ids)}


@dataclass(frozen=True)
class Claim:
    """One verdict about one job, ready to become a row."""

    job_id: int
    lane: Lane
    priority: int
    verdict: Verdict


def insert_runs(connection: Connection, claims: Sequence[Claim], now: int) -> None:
    """Write the rows of a claim. A fire time that has its row already keeps it."""
    insert = f"""
        INSERT INTO runs (job_id, fire_at, kind, status, reason, lane, priority, attempt,
                          queued_at, not_before, finished_at, range_from, range_count)
        SELECT job, fire, kind, status, reason, lane, priority, 1,
               queued, not_before, finished, first, number
        FROM ({
        dialect_of(connection).rows(
            "job bigint, fire bigint, kind int, status int, reason text, lane int, priority int, "
            "queued bigint, not_before bigint, finished bigint, first bigint, number int"
        )
    }) AS v WHERE true
        ON CONFLICT (job_id, fire_at) DO NOTHING RETURNING job_id, status, range_count
    """
    rows = [claim_row(claim, now) for claim in claims]
    inserted = execute(connection, insert, rows).all()
    settled = [row for row in inserted if row.status != RunStatus.QUEUED]
    count(connection, now, ((r.job_id, RunStatus(r.status), r.range_count or 1) for r in settled))


def claim_row(claim: Claim, now: int) -> list[Any]:
    """The JSON row of one claim, in the column order of `insert_runs`."""
    v = claim.verdict
    return [
        claim.job_id,
        to_us(v.fire_at),
        int(v.kind),
        int(v.status),
        v.reason,
        int(claim.lane),
        claim.priority,
        now,
        optional_us(v.not_before),
        None if v.status is RunStatus.QUEUED else now,
        optional_us(v.range_from),
        v.range_count,
    ]


def optional_us(instant: datetime | None) -> int | None:
    """`to_us`, for an instant that may be missing."""
    return None if instant is None else to_us(instant)


def advance(connection: Connection, cursors: Mapping[int, datetime | None]) -> None:
    """Move each job's cursor; a job without a next fire time is finished."""
    update = f"""
        WITH v AS ({dialect_of(connection).rows("id bigint, next bigint")})
        UPDATE jobs SET next_run_at = v.next,
               state = CASE WHEN v.next IS NULL THEN 'finished' ELSE jobs.state END
        FROM v WHERE jobs.id = v.id
    """
    execute(connection, update, [[job, optional_us(at)] for job, at in cursors.items()])


# --- promote ----------------------------------------------------------------------------------


def waiting(
    connection: Connection, now: int, lanes: Sequence[Lane], after: tuple[int, int], limit: int
) -> list[Row]:
    """Queued runs that may start now, locked, by priority and age, beyond (priority, id) `after`.

    Runs whose job already runs as often as it may are left out.
    """
    dialect = dialect_of(connection)
    marks = ", ".join(str(int(lane)) for lane in lanes)
    select = f"""
        SELECT r.id, r.job_id, r.fire_at, r.attempt, r.kind, r.requested_by, r.lane, r.priority,
               j.revision, j.overlap, j.max_running
        FROM runs r JOIN jobs j ON j.id = r.job_id
        WHERE r.status = 0 AND r.lane IN ({marks}) AND (r.priority, r.id) > (?, ?)
              AND (r.not_before IS NULL OR r.not_before <= ?)
              AND (j.overlap = 'run' OR j.max_running > (
                  SELECT count(*) FROM runs o WHERE o.job_id = r.job_id AND o.status = 1))
        ORDER BY r.priority, r.id LIMIT ? {dialect.skip_locked.format("r, j")}
    """
    return list(execute(connection, select, *after, now, limit).all())


def running_counts(connection: Connection, job_ids: list[int]) -> dict[int, int]:
    """How many runs of each job run now, as seen after their rows were locked."""
    select = f"""
        SELECT job_id, count(*) AS n FROM runs
        WHERE status = 1 AND {dialect_of(connection).among("job_id")} GROUP BY job_id
    """
    return {row.job_id: row.n for row in execute(connection, select, job_ids)}


def promote(connection: Connection, run_ids: list[int], node_id: int, now: int) -> set[int]:
    """Make queued runs this node's running ones; those that were still queued."""
    update = f"""
        UPDATE runs SET status = 1, node_id = ?, started_at = ?
        WHERE status = 0 AND {dialect_of(connection).among("id")} RETURNING id
    """
    return {row.id for row in execute(connection, update, node_id, now, run_ids)}


def give_back(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Queue again what this process promoted, in this life or the one before, and never began."""
    update = f"""
        UPDATE runs SET status = 0, node_id = NULL, started_at = NULL
        WHERE status = 1 AND node_id = ? AND {dialect_of(connection).among("id")}
    """
    for owner in {attempt.node_id for attempt in attempts}:
        own = [attempt.run_id for attempt in attempts if attempt.node_id == owner]
        execute(connection, update, owner, own)


def reclaim_strays(connection: Connection, node_id: int, known: list[int]) -> None:
    """Queue again what this node owns without knowing: a commit whose answer was lost."""
    update = f"""
        UPDATE runs SET status = 0, node_id = NULL, started_at = NULL
        WHERE status = 1 AND node_id = ? AND NOT {dialect_of(connection).among("id")}
    """
    execute(connection, update, node_id, known)


def request_arguments(connection: Connection, run_ids: list[int]) -> dict[int, Any]:
    """The arguments that manual requests brought along, by run."""
    select = f"""
        SELECT run_id, arguments FROM run_details
        WHERE arguments IS NOT NULL AND {dialect_of(connection).among("run_id")}
    """
    rows = execute(connection, select, run_ids)
    return {
        r.run_id: json.loads(r.arguments) if is_text(r.arguments) else r.arguments for r in rows
    }


def is_text(value: object) -> bool:
    """Whether the driver left a JSON column as text (SQLite's does)."""
    return isinstance(value, str)


# --- look -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What the loop sees without taking a lock."""

    now: int
    next_due: int | None  # the earliest cursor
    next_queued: int | None  # when the earliest queued run may start
    stops: tuple[int, ...]  # this node's runs that somebody asked to stop


def look(connection: Connection, node_id: int) -> Look:
    """See what there is to do, by a read that blocks nobody."""
    clock = (
        "?"
        if dialect_of(connection).is_sqlite
        else "coalesce(?, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
    )
    select = f"""
        SELECT {clock} AS now,
          (SELECT min(next_run_at) FROM jobs WHERE state = 'active' AND next_run_at IS NOT NULL
             AND deleted_at IS NULL) AS due,
          (SELECT min(coalesce(not_before, 0)) FROM runs WHERE status = 0) AS queued
    """
    given = utc_now_us() if dialect_of(connection).is_sqlite else None
    row = execute(connection, select, given).one()
    asked = "SELECT id FROM runs WHERE status = 1 AND node_id = ? AND stop_at IS NOT NULL"
    stops = tuple(r.id for r in execute(connection, asked, node_id))
    return Look(row.now, row.due, row.queued, stops)
