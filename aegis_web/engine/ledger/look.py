"""What a node sees without taking a lock."""

from dataclasses import dataclass

from sqlalchemy import Connection

from aegis_web.clock import utc_now_us
from aegis_web.engine.ledger.pauses import LATEST_PAUSE
from aegis_web.engine.ledger.sql import dialect_of, execute
from aegis_web.runs.models import Reason


@dataclass(frozen=True)
class Look:
    """What the loop sees without taking a lock."""

    now: int
    next_due: int | None  # the earliest cursor
    next_queued: int | None  # when the earliest queued run may start
    next_resume: int | None  # when the earliest pause of a job ends
    paused_until: int | None  # when the latest pause of everything ends or ended
    stops: tuple[tuple[int, Reason], ...]  # this node's runs that are asked to stop, and why


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
          CASE WHEN EXISTS (SELECT 1 FROM runs WHERE status = 0 AND not_before IS NULL) THEN 0
               ELSE (SELECT min(not_before) FROM runs WHERE status = 0) END AS queued,
          (SELECT min(pause_until) FROM jobs WHERE pause_until IS NOT NULL AND state = 'paused'
             AND deleted_at IS NULL) AS resume,
          {LATEST_PAUSE} AS paused
    """
    given = utc_now_us() if dialect_of(connection).is_sqlite else None
    row = execute(connection, select, given).one()
    asked = "SELECT id, reason FROM runs WHERE status = 1 AND node_id = ? AND stop_at IS NOT NULL"
    stops = tuple(
        (r.id, Reason(r.reason or Reason.STOPPED)) for r in execute(connection, asked, node_id)
    )
    return Look(row.now, row.due, row.queued, row.resume, row.paused, stops)
