"""Another attempt: the finished one's facts move to `attempts`, and its run waits again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from aegis_web.engine.ledger.sql import Row, dialect_of, execute
from aegis_web.runs.models import Reason, RunStatus


@dataclass(frozen=True)
class Former:
    """An attempt that another one shall follow, once `not_before` has come."""

    run_id: int
    job_id: int
    number: int
    node_id: int
    status: RunStatus
    reason: Reason | None
    started_us: int | None
    finished_us: int
    not_before_us: int
    error: str | None = None
    traceback: str | None = None
    cpu_us: int | None = None
    peak_kb: int | None = None
    exit_code: int | None = None


def queue_again(connection: Connection, formers: Sequence[Former]) -> set[int]:
    """Let the runs of these attempts wait for the next one; their numbers.

    Left as they are: runs that are no longer their node's, that somebody asked to stop, and those
    of deleted jobs.
    """
    live = live_jobs(connection, sorted({former.job_id for former in formers}))
    update = f"""
        WITH v AS ({
        dialect_of(connection).rows("id bigint, number int, node bigint, start bigint")
    })
        UPDATE runs SET status = 0, attempt = runs.attempt + 1, not_before = v.start,
               node_id = NULL, started_at = NULL
        FROM v WHERE runs.id = v.id AND runs.attempt = v.number AND runs.node_id = v.node
               AND +runs.status = 1 AND runs.stop_at IS NULL
        RETURNING runs.id
    """
    rows = [[f.run_id, f.number, f.node_id, f.not_before_us] for f in formers if f.job_id in live]
    if not rows:
        return set()
    queued = {row.id for row in execute(connection, update, rows)}
    keep_attempts(connection, [former for former in formers if former.run_id in queued])
    forget = f"""
        UPDATE run_details SET progress_done = NULL, progress_total = NULL, progress_message = NULL
        WHERE progress_done IS NOT NULL AND {dialect_of(connection).among("run_id")}
    """
    execute(connection, forget, sorted(queued))
    return queued


def live_jobs(connection: Connection, job_ids: list[int]) -> set[int]:
    """Those of the jobs that nobody has deleted, nor can before the commit.

    Locks jobs before any of their runs, as whoever deletes a job does.
    """
    dialect = dialect_of(connection)
    share = "" if dialect.is_sqlite else "ORDER BY id FOR SHARE"
    select = f"SELECT id FROM jobs WHERE deleted_at IS NULL AND {dialect.among('id')} {share}"
    return {row.id for row in execute(connection, select, job_ids)}


def keep_attempts(connection: Connection, formers: Sequence[Former]) -> None:
    """Write down attempts that others follow."""
    if not formers:
        return
    insert = f"""
        INSERT INTO attempts (run_id, number, status, reason, node_id, started_at, finished_at,
                              error, traceback, cpu_us, peak_kb, exit_code)
        SELECT id, number, status, reason, node, started, finished, error, trace, cpu, peak, code
        FROM ({
        dialect_of(connection).rows(
            "id bigint, number int, status int, reason text, node bigint, started bigint, "
            "finished bigint, error text, trace text, cpu bigint, peak int, code int"
        )
    }) AS v WHERE true
        ON CONFLICT (run_id, number) DO NOTHING
    """
    rows = [
        [
            former.run_id,
            former.number,
            int(former.status),
            former.reason,
            former.node_id,
            former.started_us,
            former.finished_us,
            former.error,
            former.traceback,
            former.cpu_us,
            former.peak_kb,
            former.exit_code,
        ]
        for former in formers
    ]
    execute(connection, insert, rows)


def running_of(connection: Connection, node_id: int) -> list[Row]:
    """What a node runs, as (id, job_id, attempt, started_at, revision of the job)."""
    select = """
        SELECT r.id, r.job_id, r.attempt, r.started_at, j.revision
        FROM runs r JOIN jobs j ON j.id = r.job_id WHERE r.node_id = ? AND r.status = 1
    """
    return list(execute(connection, select, node_id).all())
