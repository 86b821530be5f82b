"""What a copy of the database must agree with, and how whoever waits for it is kept informed."""

import hashlib
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aegis_web.context import Progress, RunContext
from aegis_web.database import Model
from aegis_web.errors import AegisError

REVISIONS = "alembic_version"
SAMPLE_ROWS = 50  # at each end of a table
SAMPLE_STEPS = 20  # between them


class Unusable(AegisError):
    """A file that cannot be taken for a backup; the text says why, and what to do."""


class Stopped(AegisError):
    """Somebody asked for the end of a backup; nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__("the backup was stopped; nothing of it is kept")


@dataclass(frozen=True)
class Watch:
    """Who is told how far a copy is, and who may stop it."""

    report: Progress
    asked_to_stop: Callable[[], bool]
    begin: Callable[[str], None] = lambda part: None  # told which part of the whole comes now

    def step(self, done: float, total: float | None, message: str) -> None:
        """Report progress.

        Raises: Stopped when the copy is no longer wanted.
        """
        if self.asked_to_stop():
            raise Stopped
        self.report(done, total, message)


UNWATCHED = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: False)


def watch_of(run: RunContext | None) -> Watch:
    """The watch of whoever follows `run`; nobody's outside a run."""
    return Watch(run.progress, run.stop_requested) if run else UNWATCHED


@dataclass(frozen=True)
class Snapshot:
    """What the database held at the one instant that a copy shows."""

    database: str  # "SQLite 3.45.1" or "PostgreSQL 16.4"
    revision: str | None  # of the schema
    rows: Mapping[str, int]  # by table
    newest_run: tuple[int, int, int | None, int] | None  # id, job, fire time in us, status
    samples: Mapping[str, str]  # by table: the SHA-256 of some of its rows


class Queries(Protocol):
    """A connection of sqlite3 or psycopg."""

    def execute(self, query: Any, /) -> Any: ...


def own_tables() -> list[str]:
    """The tables whose rows are counted: all of the product's, and the schema's revision."""
    return [*sorted(Model.metadata.tables), REVISIONS]


def read_snapshot(connection: Queries, database: str, there: Container[str]) -> Snapshot:
    """What the connection's transaction sees in those of our tables that are `there`."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return found

    tables = [name for name in own_tables() if name in there]
    revision = ask(f"SELECT version_num FROM {REVISIONS}") if REVISIONS in there else []  # noqa: S608
    runs = "SELECT id, job_id, fire_at, status FROM runs ORDER BY id DESC LIMIT 1"
    newest = ask(runs) if "runs" in there else []
    return Snapshot(
        database=database,
        revision=revision[0][0] if revision else None,
        rows={name: ask(f'SELECT count(*) FROM "{name}"')[0][0] for name in tables},  # noqa: S608
        newest_run=tuple(newest[0]) if newest else None,
        samples={name: sample_of(ask, name) for name in tables},
    )


def sample_of(ask: Callable[[str], list[tuple[Any, ...]]], name: str) -> str:
    """The SHA-256 of some rows of the table `name`: its first, its last, and some in between."""
    keys = Model.metadata.tables[name].primary_key.columns.keys() if name != REVISIONS else []
    order = ", ".join(f'"{key}"' for key in keys) or "1"
    backward = ", ".join(f'"{key}" DESC' for key in keys) or "1"
    every = f'SELECT * FROM "{name}"'  # noqa: S608
    rows = ask(f"{every} ORDER BY {order} LIMIT {SAMPLE_ROWS}")
    if len(rows) == SAMPLE_ROWS:
        rows += ask(f"{every} ORDER BY {backward} LIMIT {SAMPLE_ROWS}")
        first, last = rows[0][0], rows[-SAMPLE_ROWS][0]
        if len(keys) == 1 and isinstance(first, int) and isinstance(last, int):
            for part in range(1, SAMPLE_STEPS):
                at = first + (last - first) * part // SAMPLE_STEPS
                rows += ask(f'{every} WHERE "{keys[0]}" >= {at} ORDER BY {order} LIMIT 1')
    return hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()


def require_same(wanted: Snapshot, found: Snapshot) -> None:
    """Refuse a copy that does not hold what the database held.

    Raises: Unusable naming what differs.
    """
    rows = next((name for name in wanted.rows if found.rows.get(name) != wanted.rows[name]), None)
    sample = next(
        (name for name in wanted.samples if found.samples.get(name) != wanted.samples[name]), None
    )
    if found.revision != wanted.revision:
        differs = f"the schema is {found.revision}, not {wanted.revision}"
    elif rows:
        differs = f"table {rows} has {found.rows.get(rows, 0)} rows, not {wanted.rows[rows]}"
    elif found.newest_run != wanted.newest_run:
        differs = f"its newest run is {found.newest_run}, not {wanted.newest_run}"
    elif sample:
        differs = f"rows of table {sample} have other values"
    else:
        return
    raise Unusable(
        f"It does not hold what the database held ({differs}): check the disk, then back up again."
    )
