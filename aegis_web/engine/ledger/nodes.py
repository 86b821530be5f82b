"""Nodes in the ledger: who lives, who has died, and what becomes of the runs of the dead."""

from sqlalchemy import Connection

from aegis_web.engine.ledger.finish import count
from aegis_web.engine.ledger.sql import execute, now_us
from aegis_web.runs.models import Reason, RunStatus


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
    """Close each node that has not beaten for `dead_after_us`; their numbers.

    A beat that lies as far ahead is from before the clock was set back.
    """
    update = """
        UPDATE nodes SET ended_at = ?, "end" = 'died'
        WHERE ended_at IS NULL AND (beat_at < ? OR beat_at > ?) AND id <> ? RETURNING id
    """  # one statement: who beats while it waits for the row is seen to live
    limits = (now - dead_after_us, now + dead_after_us)
    return [row.id for row in execute(connection, update, now, *limits, me)]


def lose_runs(connection: Connection, node_id: int, now: int, reason: Reason) -> None:
    """Settle what a node was running as lost."""
    update = """
        UPDATE runs SET status = ?, reason = ?, finished_at = ?
        WHERE node_id = ? AND status = 1 RETURNING job_id
    """
    rows = execute(connection, update, int(RunStatus.LOST), reason.value, now, node_id).all()
    count(connection, now, ((row.job_id, RunStatus.LOST, 1) for row in rows))
