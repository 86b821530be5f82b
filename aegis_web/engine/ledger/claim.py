"""From due jobs to rows: what is due, what is open, the rows, the cursors."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from aegis_web.clock import to_us
from aegis_web.engine.decide import Load, Verdict
from aegis_web.engine.ledger.finish import count
from aegis_web.engine.ledger.sql import Row, dialect_of, execute, fetch, optional_us
from aegis_web.runs.models import Lane, Reason, RunStatus


def due_jobs(connection: Connection, now: int, limit: int) -> list[Row]:
    """The jobs whose cursor has come, locked, as (id, revision, next_run_at, calendar_id).

    Earliest first.
    """
    dialect = dialect_of(connection)
    select = f"""
        SELECT id, revision, next_run_at, calendar_id FROM jobs
        WHERE state = 'active' AND next_run_at IS NOT NULL AND next_run_at <= ?
              AND deleted_at IS NULL
        ORDER BY next_run_at LIMIT ? {dialect.skip_locked.format("jobs")}
    """
    return fetch(connection, select, now, limit)


def open_runs(connection: Connection, job_ids: list[int]) -> dict[int, Load]:
    """How many runs of each job are queued or running; jobs without any are left out."""
    select = f"""
        SELECT job_id, sum(status) AS running, count(*) AS n FROM runs
        WHERE status < 2 AND {dialect_of(connection).among("job_id")} GROUP BY job_id
    """  # a running one has the status 1, a queued one 0
    rows = fetch(connection, select, job_ids)
    return {row.job_id: Load(row.running, row.n - row.running) for row in rows}


def queued_runs(connection: Connection, most: int) -> int:
    """How many runs of all jobs wait; counts no further than `most`."""
    select = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE status = 0 LIMIT ?) AS waiting"
    return int(execute(connection, select, most).scalar_one())


def calendars(connection: Connection, calendar_ids: list[int]) -> list[Row]:
    """Blackout calendars, as (id, zone, periods)."""
    select = f"SELECT id, zone, periods FROM calendars WHERE {dialect_of(connection).among('id')}"
    return list(execute(connection, select, calendar_ids).all())


def replace_runs(connection: Connection, job_ids: list[int], now: int) -> None:
    """Cancel what waits of these jobs and ask what runs to stop: others take their place."""
    dialect = dialect_of(connection)
    cancel = f"""
        UPDATE runs SET status = {int(RunStatus.CANCELLED)}, reason = ?, finished_at = ?
        WHERE status = 0 AND {dialect.among("job_id")} RETURNING job_id
    """
    rows = execute(connection, cancel, Reason.REPLACED.value, now, job_ids).all()
    count(connection, now, ((row.job_id, RunStatus.CANCELLED, 1) for row in rows))
    stop = f"""
        UPDATE runs SET stop_at = ?, reason = ?
        WHERE status = 1 AND stop_at IS NULL AND {dialect.among("job_id")}
    """
    execute(connection, stop, now, Reason.REPLACED.value, job_ids)


class Claim(NamedTuple):
    """One verdict about one job, ready to become a row."""

    job_id: int
    lane: Lane
    priority: int
    verdict: Verdict


def insert_runs(connection: Connection, claims: Sequence[Claim], now: int) -> None:
    """Write the rows of a claim. A fire time that has its row already keeps it."""
    if not claims:
        return
    insert = f"""
        INSERT INTO runs (job_id, fire_at, kind, status, reason, lane, priority, attempt,
                          queued_at, not_before, finished_at, range_from, range_count)
        SELECT job, fire, kind, status, reason, lane, priority, 1,
               queued, not_before, finished, first, number
        FROM ({
        dialect_of(connection).rows(
            "job bigint, lane int, priority int, fire bigint, kind int, status int, reason text, "
            "queued bigint, not_before bigint, finished bigint, first bigint, number int"
        )
    }) AS v WHERE true
        ON CONFLICT (job_id, fire_at) DO NOTHING RETURNING job_id, status, range_count
    """
    ends: dict[int, list[Any]] = {}
    rows = []
    for claim in claims:  # many share one verdict
        if (end := ends.get(id(claim.verdict))) is None:
            end = ends[id(claim.verdict)] = verdict_columns(claim.verdict, now)
        rows.append([claim.job_id, int(claim.lane), claim.priority, *end])
    inserted = execute(connection, insert, rows).all()
    settled = [row for row in inserted if row.status != RunStatus.QUEUED]
    count(connection, now, ((r.job_id, RunStatus(r.status), r.range_count or 1) for r in settled))


def verdict_columns(v: Verdict, now: int) -> list[Any]:
    """The columns of `insert_runs` that a verdict fills."""
    return [
        to_us(v.fire_at),
        int(v.kind),
        int(v.status),
        v.reason,
        now,
        optional_us(v.not_before),
        None if v.status is RunStatus.QUEUED else now,
        optional_us(v.range_from),
        v.range_count,
    ]


def advance(connection: Connection, cursors: Mapping[int, datetime | None]) -> None:
    """Move each job's cursor; a job without a next fire time is finished."""
    if not cursors:
        return
    update = f"""
        WITH v AS ({dialect_of(connection).rows("id bigint, next bigint")})
        UPDATE jobs SET next_run_at = v.next,
               state = CASE WHEN v.next IS NULL THEN 'finished' ELSE jobs.state END
        FROM v WHERE jobs.id = v.id
    """
    execute(connection, update, [[job, optional_us(at)] for job, at in cursors.items()])
