"""From queued rows to running ones, and back where nobody has begun them."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from aegis_web.engine.attempt import Attempt
from aegis_web.engine.ledger.finish import count
from aegis_web.engine.ledger.sql import Row, dialect_of, execute, fetch
from aegis_web.runs.models import Lane, Reason, RunStatus


def waiting(
    connection: Connection, now: int, lanes: Sequence[Lane], after: tuple[int, int], limit: int
) -> list[Row]:
    """Queued runs that may start now, locked, by priority and age, beyond (priority, id) `after`.

    Runs whose job, or whose group, already runs as often as it may are left out.
    """
    dialect = dialect_of(connection)
    marks = ", ".join(str(int(lane)) for lane in lanes)
    select = f"""
        SELECT r.id, r.job_id, r.fire_at, r.attempt, r.kind, r.requested_by, r.lane, r.priority,
               j.revision, j.overlap, j.max_running, j.group_name
        FROM runs r JOIN jobs j ON j.id = r.job_id
        WHERE r.status = 0 AND r.lane IN ({marks}) AND (r.priority, r.id) > (?, ?)
              AND (r.not_before IS NULL OR r.not_before <= ?)
              AND (j.overlap = 'run' OR j.max_running > (
                  SELECT count(*) FROM runs o WHERE o.job_id = r.job_id AND o.status = 1))
              AND (j.group_name IS NULL OR j.group_name NOT IN (
                  SELECT g.name FROM groups g WHERE g.max_running <= (
                      SELECT count(*) FROM runs o JOIN jobs k ON k.id = o.job_id
                      WHERE o.status = 1 AND k.group_name = g.name)))
        ORDER BY r.priority, r.id LIMIT ? {dialect.skip_locked.format("r, j")}
    """
    return fetch(connection, select, *after, now, limit)


def running_counts(connection: Connection, job_ids: list[int]) -> dict[int, int]:
    """How many runs of each job run now, as seen after their rows were locked."""
    select = f"""
        SELECT job_id, count(*) AS n FROM runs
        WHERE status = 1 AND {dialect_of(connection).among("job_id")} GROUP BY job_id
    """
    return {row.job_id: row.n for row in fetch(connection, select, job_ids)}


def group_rooms(connection: Connection, names: list[str]) -> dict[str, int]:
    """How many more runs of each group may start, for the groups locked until the commit.

    A group is missing from the answer while another node promotes runs of it.
    """
    dialect = dialect_of(connection)
    lock = f"""
        SELECT g.name, g.max_running FROM groups g
        WHERE {dialect.among("g.name", "text")} {dialect.skip_locked.format("g")}
    """
    limits = {row.name: row.max_running for row in execute(connection, lock, names)}
    select = f"""
        SELECT j.group_name, count(*) AS n FROM runs r JOIN jobs j ON j.id = r.job_id
        WHERE r.status = 1 AND {dialect.among("j.group_name", "text")} GROUP BY j.group_name
    """
    running = {row.group_name: row.n for row in execute(connection, select, names)}
    return {name: limit - running.get(name, 0) for name, limit in limits.items()}


def promote(connection: Connection, run_ids: list[int], node_id: int, now: int) -> set[int]:
    """Make queued runs this node's running ones; those that were still queued."""
    update = f"""
        UPDATE runs SET status = 1, node_id = ?, started_at = ?
        WHERE status = 0 AND {dialect_of(connection).among("id")} RETURNING id
    """
    return set(execute(connection, update, node_id, now, run_ids).scalars().all())


def give_back(connection: Connection, attempts: Sequence[Attempt], now: int) -> None:
    """Queue again what this process promoted, in this life or the one before, and never began."""
    for owner in {attempt.node_id for attempt in attempts}:
        own = [attempt.run_id for attempt in attempts if attempt.node_id == owner]
        condition = f"node_id = ? AND {dialect_of(connection).among('id')}"
        unbegin(connection, now, condition, owner, own)


def reclaim_strays(connection: Connection, node_id: int, known: list[int], now: int) -> None:
    """Queue again what this node owns without knowing: a commit whose answer was lost."""
    condition = f"node_id = ? AND NOT {dialect_of(connection).among('id')}"
    unbegin(connection, now, condition, node_id, known)


def unbegin(connection: Connection, now: int, condition: str, *parameters: Any) -> None:
    """Queue promoted runs again that nobody has begun; those asked to stop are cancelled."""
    back = f"""
        UPDATE runs SET status = 0, node_id = NULL, started_at = NULL
        WHERE status = 1 AND stop_at IS NULL AND {condition}
    """
    execute(connection, back, *parameters)
    cancel = f"""
        UPDATE runs SET status = {int(RunStatus.CANCELLED)}, started_at = NULL, finished_at = ?,
               reason = coalesce(reason, ?)
        WHERE status = 1 AND stop_at IS NOT NULL AND {condition} RETURNING job_id
    """
    rows = execute(connection, cancel, now, Reason.STOPPED.value, *parameters).all()
    count(connection, now, ((row.job_id, RunStatus.CANCELLED, 1) for row in rows))


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
