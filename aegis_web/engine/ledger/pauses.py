"""Times in which everything was paused."""

from sqlalchemy import Connection

from aegis_web.engine.ledger.sql import Row, execute

FOREVER = 2**63 - 1  # the end of a pause that lasts until somebody resumes
LATEST_PAUSE = f"(SELECT max(coalesce(until_at, {FOREVER})) FROM pauses)"


def paused_until(connection: Connection) -> int | None:
    """When the latest pause ends or ended; None: there was never one."""
    found: int | None = execute(connection, f"SELECT {LATEST_PAUSE}").scalar_one()
    return found


def pauses_after(connection: Connection, instant: int) -> list[Row]:
    """The pauses that did not end before `instant`, as (from_at, until_at, catch_up)."""
    select = """
        SELECT from_at, until_at, catch_up FROM pauses
        WHERE until_at IS NULL OR until_at > ? ORDER BY from_at
    """
    return list(execute(connection, select, instant).all())
