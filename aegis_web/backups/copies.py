"""What a copy of the database must agree with, and how whoever waits for it is kept informed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aegis_web.context import Progress
from aegis_web.database import Model
from aegis_web.errors import AegisError

REVISIONS = "alembic_version"


class Stopped(AegisError):
    """Somebody asked for the end of a backup; nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__("the backup was stopped; nothing of it is kept")


@dataclass(frozen=True)
class Watch:
    """Who is told how far a copy is, and who may stop it."""

    report: Progress
    asked_to_stop: Callable[[], bool]

    def step(self, done: float, total: float | None, message: str) -> None:
        """Report progress.

        Raises: Stopped when the copy is no longer wanted.
        """
        if self.asked_to_stop():
            raise Stopped
        self.report(done, total, message)


UNWATCHED = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: False)


@dataclass(frozen=True)
class Snapshot:
    """What the database held at the one instant that a copy shows."""

    database: str  # "SQLite 3.45.1" or "PostgreSQL 16.4"
    revision: str | None  # of the schema
    rows: Mapping[str, int]  # by table


def own_tables() -> list[str]:
    """The tables whose rows are counted: all of the product's, and the schema's revision."""
    return [*sorted(Model.metadata.tables), REVISIONS]


def require_same(wanted: Snapshot, found: Snapshot) -> None:
    """Refuse a copy that does not hold what the database held.

    Raises: AegisError naming what differs.
    """
    if found.revision != wanted.revision:
        differs = f"the schema is {found.revision}, not {wanted.revision}"
    elif tables := [name for name in wanted.rows if found.rows.get(name) != wanted.rows[name]]:
        name = tables[0]
        differs = f"table {name} has {found.rows.get(name, 0)} rows, not {wanted.rows[name]}"
    else:
        return
    raise AegisError(
        f"the copy differs from the database ({differs}), so it is not kept: "
        "check the disk, then back up again"
    )
