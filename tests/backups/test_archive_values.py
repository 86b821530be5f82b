"""Copies of PostgreSQL whose rows fit the tables, with values that no release writes."""

import pytest
from flask import Flask
from sqlalchemy import text

from aegis_web.backups.postgres import rows_of, server_of, what_it_holds
from aegis_web.database import WRITE
from aegis_web.extensions import db
from tests.backups.conftest import stored
from tests.backups.test_archives import changed
from tests.backups.test_restore import add_job, app, jobs_of
from tests.backups.test_uploads import VALUES, refused

__all__ = ["app"]

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("machine", ["postgresql"], indirect=True),
]


def copy_after(app: Flask, change: str) -> bytes:
    """The rows that a database would have after a change that does not stay."""
    with app.app_context(), db.engines[WRITE].connect() as connection:
        tables = what_it_holds(connection, server_of(connection))
        connection.execute(text(change.replace(":", "\\:")))
        return b"".join(rows_of(connection, tables))


def test_a_copy_with_a_value_that_is_none_is_refused(app: Flask) -> None:
    add_job(app, "kept")
    for change, problem in VALUES.values():
        refused(app, copy_after(app, change), problem)
    assert list(jobs_of(app)) == ["kept"]
    assert stored(app) == []


def test_a_copy_that_asks_too_much_of_the_server_is_refused(app: Flask) -> None:
    add_job(app, "kept")
    rows = copy_after(app, """UPDATE jobs SET arguments = '{"deep": 1}'""")
    deep = b'{"deep": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    refused(app, changed(rows, b'{"deep": 1}', deep), "do not fit the tables .*stack depth")
