"""The fire times that somebody asked to skip."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from aegis_web.clock import from_us
from aegis_web.engine.ledger.sql import dialect_of, execute, fetch

NO_SKIPS: frozenset[datetime] = frozenset()


def skips_between(connection: Connection, first: int, last: int) -> dict[int, frozenset[datetime]]:
    """Those from `first` to `last`, both included, by job: one look-up in an index, mostly empty.

    A paused job's may be among them.
    """
    select = "SELECT job_id, fire_at FROM job_skips WHERE fire_at BETWEEN ? AND ?"
    found: dict[int, frozenset[datetime]] = {}
    for row in fetch(connection, select, first, last):
        found[row.job_id] = found.get(row.job_id, NO_SKIPS) | {from_us(row.fire_at)}
    return found


def forget_skips(connection: Connection, job_ids: Collection[int], last: int) -> None:
    """Forget those of these jobs up to `last`: the cursors have passed them."""
    if not job_ids:
        return
    among = dialect_of(connection).among("job_id")
    execute(connection, f"DELETE FROM job_skips WHERE fire_at <= ? AND {among}", last, [*job_ids])
