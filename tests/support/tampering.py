"""Changing the audit as somebody would who owns the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import Connection

from aegis_web.database import WRITE
from aegis_web.extensions import db


@contextmanager
def past_the_triggers(app: Flask) -> Iterator[Connection]:
    """A transaction in which rows of the audit can be changed and deleted."""
    with app.app_context(), db.engines[WRITE].begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
            yield connection
            connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")
            return
        kept = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
        ).all()
        for trigger in kept:
            connection.exec_driver_sql(f"DROP TRIGGER {trigger.name}")
        yield connection
        for trigger in kept:
            connection.exec_driver_sql(trigger.sql)
