"""From SQLite to PostgreSQL and back, with every row."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, insert, select

from aegis_web.backups.merging import EMPTIED
from aegis_web.clock import utc_now
from aegis_web.database import Model
from aegis_web.extensions import transaction
from aegis_web.runs.models import RunStatus
from aegis_web.system.models import Node
from tests.backups.test_restore import add_job, add_run, backed_up, settle_until
from tests.support.applications import MakeApp, make_admin


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that moves."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in Model.metadata.sorted_tables
            if table.name not in EMPTIED
        }
    engine.dispose()
    return found


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str) -> Flask:
    made = make_app(DATABASE_URL=sqlite_database)
    with made.app_context():
        make_admin()
    settle_until(made, add_job(made, "kept"), 2)
    add_run(made, 1, RunStatus.SUCCEEDED, finished_at=utc_now())
    backed_up(made)
    return made


def copied(app: Flask, url: str) -> str:
    return app.test_cli_runner().invoke(args=["database", "copy", "--to", url]).output


@pytest.mark.postgresql
def test_every_row_goes_to_postgresql_and_back(
    app: Flask, make_app: MakeApp, pg_url: str, sqlite_database: str, tmp_path: Path
) -> None:
    said = copied(app, pg_url.replace("postgres:@", "postgres:s3cret@"))
    assert "as many as here. Now set, with the password in place of ***:\n" in said
    assert said.endswith(f"\nDATABASE_URL={pg_url.replace('postgres:@', 'postgres:***@')}\n")
    assert "has rows there already: name an empty database.\n" in copied(app, pg_url)
    before = contents(sqlite_database)
    assert contents(pg_url) == before
    assert len(before["runs"]) > 3

    moved = make_app(DATABASE_URL=pg_url)
    assert add_run(moved, 1, RunStatus.SUCCEEDED) > before["runs"][-1][0]
    back = f"sqlite:///{tmp_path}/back.db"
    assert copied(moved, back).endswith(f" Now set:\nDATABASE_URL={back}\n")
    assert contents(back) == contents(pg_url)
    checked = make_app(DATABASE_URL=back).test_cli_runner().invoke(args=["audit", "verify"])
    assert checked.exit_code == 0, checked.output


def test_one_that_is_not_empty_is_refused(app: Flask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    assert "as many as here" in copied(app, url)
    assert (tmp_path / "other.db").stat().st_mode & 0o777 == 0o600
    before = contents(url)
    cure = "name a file that does not exist yet, or move that one away"
    assert f"has rows there already: {cure}.\n" in copied(app, url)
    assert contents(url) == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nowhere", "write postgresql://"),
        ("sqlite:///:memory:", "to: "),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "nothing was copied"),
        ("postgresql://nobody@127.0.0.1:1/none?password=secret", "nothing was copied"),
        ("postgresql://nobody@127.0.0.1:1/none?sslpassword=secret", "nothing was copied"),
        ("sqlite:////nowhere/at/all.db", "nothing was copied"),
    ],
)
def test_what_cannot_be_used_is_named(app: Flask, url: str, said: str) -> None:
    output = copied(app, url)
    assert said in output
    assert "secret" not in output


def test_the_same_one_is_refused(app: Flask, sqlite_database: str) -> None:
    assert "name another one" in copied(app, sqlite_database)


def test_nothing_is_copied_while_a_process_works(app: Flask, tmp_path: Path) -> None:
    now = utc_now()
    with app.app_context(), transaction() as session:
        row = {"name": "host:1", "version": "1", "started_at": now, "beat_at": now}
        session.execute(insert(Node), [row])
    assert "stop every server first" in copied(app, f"sqlite:///{tmp_path}/other.db")
    assert not (tmp_path / "other.db").exists()
