"""Which rows a restore replaces, keeps and merges, as statements that run in its transaction.

The same on SQLite, where the backup is an attached file, and on PostgreSQL, where it is a schema.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from aegis_web.database import Model
from aegis_web.engine import ledger
from aegis_web.jobs.models import Origin
from aegis_web.runs.models import Reason, RunStatus

REPLACED = (  # parents first
    "groups",
    "calendars",
    "jobs",
    "job_skips",
    "job_versions",
    "runs",
    "attempts",
    "run_details",
    "run_logs",
    "run_counts",
    "job_results",
    "ledger_accounts",
    "acknowledgements",
)
EMPTIED = ("sessions", "forecasts")
KEPT = (  # parents first; on an empty machine they are replaced too
    "pauses",  # whether everything is paused is for whoever is there now
    "roles",
    "accounts",
    "account_roles",
    "account_identities",
    "password_links",
    "second_factors",
    "recovery_codes",
    "passkeys",
    "tokens",
    "feeds",
    "saved_views",
    "audit",
    "audit_checks",
)
OWN = (
    "backups",
    "off_site_copies",
    "nodes",  # those of another history join them, under other numbers
    "setup_links",
    "sign_in_attempts",
    "used_challenges",
)  # of this machine, always
LOCK_SECONDS = 60  # how long somebody else may hold a table before a restore is given up
OF_RUNS = ("attempts", "run_details", "run_logs")


@dataclass(frozen=True)
class Places:
    """Where the two sets of tables lie: the prefixes of their names."""

    live: str
    scratch: str


def lock(connection: Connection, places: Places) -> None:
    """Let nobody claim, ask or settle until the transaction ends, nor read what it replaces.

    On SQLite the transaction has the write lock already.
    """
    if connection.dialect.name == "postgresql":
        tables = ", ".join(f"{places.live}{name}" for name in (*REPLACED, *EMPTIED, *KEPT))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        # First where a turn of the engine begins; who asks whether we are ready may read it.
        connection.exec_driver_sql(f"LOCK TABLE {places.live}nodes IN SHARE ROW EXCLUSIVE MODE")
        connection.exec_driver_sql(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")


def replace_rows(connection: Connection, places: Places, empty: bool) -> int | None:
    """Put the backup's rows in place; how many newer runs were merged.

    None where the backup comes from another installation, or the machine is empty: there was
    nothing to merge.
    """
    replaced = (*REPLACED, *KEPT) if empty else REPLACED
    gone = [f"{places.live}{name}" for name in (*replaced, *EMPTIED)]
    related = not empty and are_related(connection, places)
    if related:
        set_aside(connection, places)
    shift = 0 if related else join_nodes(connection, places)
    with unguarded(connection, empty):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"TRUNCATE {', '.join(gone)}")
        else:
            for name in reversed(gone):
                connection.exec_driver_sql(f"DELETE FROM {name}")
        for name in replaced:
            copy_rows(connection, places, name, shift)
    merged = merge(connection, places) if related else None
    if connection.dialect.name == "postgresql":
        raise_sequences(connection, (*replaced, "nodes"))
    close_open_runs(connection, places, related, shift)
    return merged


def are_related(connection: Connection, places: Places) -> bool:
    """Whether what is there has grown from the backup: each number that both have is one job, and
    one run.

    Jobs are never taken out of the table, so such a history has them. A copy of this installation
    that went its own way has the same jobs and other runs under the same numbers.
    """
    same = f"""
        SELECT count(*), sum(CASE WHEN l.created_at = s.created_at THEN 1 ELSE 0 END)
        FROM {places.live}jobs l JOIN {places.scratch}jobs s ON s.id = l.id
    """
    shared, equal = connection.exec_driver_sql(same).one()
    if not shared or shared != equal:
        return False
    other = f"""
        SELECT 1 FROM {places.live}runs l JOIN {places.scratch}runs s ON s.id = l.id
        WHERE l.job_id <> s.job_id OR l.queued_at <> s.queued_at LIMIT 1
    """
    return connection.exec_driver_sql(other).first() is None


def join_nodes(connection: Connection, places: Places) -> int:
    """Put the nodes of another history beside ours; by how much their numbers are raised.

    Ours begin a new life each: what a process has in hand is no run of that history, and with
    their numbers apart no late answer of it finds one. Those that had ended go with their runs.
    """
    now, run = ledger.now_us(connection), connection.exec_driver_sql
    highest = "SELECT coalesce(max(id), 0) FROM nodes"
    if connection.dialect.name == "postgresql":
        sequence = run("SELECT pg_get_serial_sequence('nodes', 'id')").scalar_one()
        highest = f"SELECT greatest(({highest}), last_value) FROM {sequence}"
    shift = int(run(highest).scalar_one())
    run(f"DELETE FROM nodes WHERE ended_at IS NOT NULL AND id < {shift}")  # the highest stays
    run(f"UPDATE nodes SET ended_at = {now}, \"end\" = 'died' WHERE ended_at IS NULL")
    values = {
        "id": f"id + {shift}",
        "ended_at": "coalesce(ended_at, beat_at)",
        "end": "coalesce(\"end\", 'died')",
    }
    names = names_of("nodes")
    these = ", ".join(values.get(name, f'"{name}"') for name in names)
    run(f"INSERT INTO nodes ({quoted(names)}) SELECT {these} FROM {places.scratch}nodes")
    return shift


def copy_rows(connection: Connection, places: Places, name: str, shift: int) -> None:
    """Put the backup's rows into an empty table, the numbers of their nodes raised by `shift`."""
    into, these = columns_of(connection, places, name)
    raised = f"node_id + {shift}" if shift and "node_id" in names_of(name) else ""
    if raised and into:
        these = these.replace('"node_id"', raised)
    connection.exec_driver_sql(
        f"INSERT INTO {places.live}{name} {into} SELECT {these} FROM {places.scratch}{name}"
    )
    if raised and not into:
        connection.exec_driver_sql(
            f"UPDATE {places.live}{name} SET node_id = {raised} WHERE node_id IS NOT NULL"
        )


def set_aside(connection: Connection, places: Places) -> None:
    """Keep what is newer than the backup in temporary tables."""
    live, scratch = places.live, places.scratch
    asides = {
        # Not a range of numbers: on PostgreSQL a lower one may be committed after a higher one.
        "newer_runs": f"""
            SELECT * FROM {live}runs l WHERE NOT EXISTS (
                SELECT 1 FROM {scratch}runs s WHERE s.id = l.id AND s.status >= 2)
        """,
        **{
            f"newer_{name}": f"""
                SELECT * FROM {live}{name} WHERE run_id IN (SELECT id FROM newer_runs)
            """
            for name in OF_RUNS
        },
        "newer_jobs": f"""
            SELECT * FROM {live}jobs WHERE id NOT IN (SELECT id FROM {scratch}jobs)
        """,
        "newer_versions": f"""
            SELECT v.* FROM {live}job_versions v WHERE NOT EXISTS (
                SELECT 1 FROM {scratch}job_versions s
                WHERE s.job_id = v.job_id AND s.number = v.number)
        """,
        "newer_results": f"""
            SELECT * FROM {live}job_results WHERE run_id IN (SELECT id FROM newer_runs)
        """,
        "newer_counts": f"SELECT * FROM {live}run_counts",
    }
    ends = " ON COMMIT DROP" if connection.dialect.name == "postgresql" else ""
    for name, query in asides.items():
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name}{ends} AS {query}")
    connection.exec_driver_sql("CREATE UNIQUE INDEX ix_newer_runs ON newer_runs (id)")


def merge(connection: Connection, places: Places) -> int:
    """Put back what was set aside; how many runs."""
    live = places.live
    now = ledger.now_us(connection)
    run = connection.exec_driver_sql
    for name in OF_RUNS:
        run(f"DELETE FROM {live}{name} WHERE run_id IN (SELECT id FROM newer_runs)")
    run(f"DELETE FROM {live}runs WHERE id IN (SELECT id FROM newer_runs)")
    # A job that the backup does not know is deleted, so that its runs keep their job; one of the
    # code of this release stays, unless its key is taken.
    stays = f"""
        j.deleted_at IS NULL AND j.origin = '{Origin.CODE.value}' AND j.declared
        AND NOT EXISTS (SELECT 1 FROM {live}jobs o WHERE o.key = j.key AND o.deleted_at IS NULL)
    """
    changed = {
        "deleted_at": f"CASE WHEN {stays} THEN NULL ELSE coalesce(j.deleted_at, {now}) END",
        "next_run_at": f"CASE WHEN {stays} THEN j.next_run_at END",
        "group_name": f"(SELECT name FROM {live}groups WHERE name = j.group_name)",
        "calendar_id": f"(SELECT id FROM {live}calendars WHERE id = j.calendar_id)",
    }
    names = names_of("jobs")
    values = ", ".join(changed.get(name, f'j."{name}"') for name in names)
    run(f"INSERT INTO {live}jobs ({quoted(names)}) SELECT {values} FROM newer_jobs j")
    put_back(connection, live, "job_versions", "newer_versions")
    merged = put_back(connection, live, "runs", "newer_runs", "WHERE true ON CONFLICT DO NOTHING")
    for name in OF_RUNS:
        put_back(connection, live, name, f"newer_{name}")
    most = "greatest" if connection.dialect.name == "postgresql" else "max"
    put_back(
        connection,
        live,
        "run_counts",
        "newer_counts",
        "WHERE true ON CONFLICT (hour, job_id, status)"
        f" DO UPDATE SET count = {most}(run_counts.count, excluded.count)",
    )
    put_back(
        connection,
        live,
        "job_results",
        "newer_results",
        "WHERE true ON CONFLICT (job_id)"
        " DO UPDATE SET run_id = excluded.run_id, status = excluded.status",
    )
    return merged


def put_back(connection: Connection, live: str, name: str, aside: str, ending: str = "") -> int:
    """Insert the rows of a temporary table; how many."""
    columns = quoted(names_of(name))
    return connection.exec_driver_sql(
        f"INSERT INTO {live}{name} ({columns}) SELECT {columns} FROM {aside} {ending}"
    ).rowcount


def close_open_runs(connection: Connection, places: Places, related: bool, shift: int) -> None:
    """Settle what waits, and what no process has in hand any more.

    What ran when the backup was made has ended, for all that is known, with its node's last beat.
    """
    now = ledger.now_us(connection)
    lost = " AND id NOT IN (SELECT id FROM newer_runs)" if related else ""
    beat = f"(SELECT beat_at FROM {places.scratch}nodes n WHERE n.id = runs.node_id - {shift})"
    most = "greatest" if connection.dialect.name == "postgresql" else "max"
    began = "coalesce(started_at, queued_at)"
    for was, becomes, more, ended in (
        (RunStatus.QUEUED, RunStatus.MISSED, "", now),
        (RunStatus.RUNNING, RunStatus.LOST, lost, f"{most}({began}, coalesce({beat}, {began}))"),
    ):
        rows = connection.exec_driver_sql(
            f"UPDATE runs SET status = {int(becomes)}, reason = '{Reason.RESTORED.value}',"
            f" finished_at = {ended} WHERE status = {int(was)}{more} RETURNING job_id"
        ).all()
        ledger.count(connection, now, [(row.job_id, becomes, 1) for row in rows])


def raise_sequences(connection: Connection, names: tuple[str, ...]) -> None:
    """Let new rows get numbers beyond all that are there, or ever were."""
    for name in names:
        if "id" not in names_of(name):
            continue
        sequence = connection.exec_driver_sql(
            f"SELECT pg_get_serial_sequence('{name}', 'id')"
        ).scalar_one()
        if sequence:
            connection.exec_driver_sql(
                f"SELECT setval('{sequence}', greatest((SELECT max(id) FROM {name}),"
                f" (SELECT last_value FROM {sequence})))"
            )


def columns_of(connection: Connection, places: Places, name: str) -> tuple[str, str]:
    """What is inserted into, and what is selected.

    SQLite copies a table whole, with its indexes, where both have the same columns.
    """
    if connection.dialect.name == "sqlite":
        both = [
            [row.name for row in connection.exec_driver_sql(f"PRAGMA {place}table_info({name})")]
            for place in (places.live, places.scratch)
        ]
        if both[0] == both[1]:
            return "", "*"
    columns = quoted(names_of(name))
    return f"({columns})", columns


def names_of(name: str) -> list[str]:
    return [column.name for column in Model.metadata.tables[name].columns]


def quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@contextmanager
def unguarded(connection: Connection, audit: bool) -> Iterator[None]:
    """With `audit`, without the triggers that let nobody change the audit, which come back."""
    if not audit:
        yield
        return
    run = connection.exec_driver_sql
    if connection.dialect.name == "postgresql":
        run("ALTER TABLE audit DISABLE TRIGGER USER")
        yield
        run("ALTER TABLE audit ENABLE TRIGGER USER")
        return
    triggers = run(
        "SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'"
    ).all()
    for trigger in triggers:
        run(f'DROP TRIGGER main."{trigger.name}"')
    yield
    for trigger in triggers:
        run(trigger.sql)
