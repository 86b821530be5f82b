"""A database with rows of every kind, and what stands in it before and after an attack."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.accounts.models import Account
from aegis_web.extensions import db, transaction
from tests.accounts.test_guard import requests_of
from tests.support.applications import Browser, make_admin
from tests.support.everywhere import fill_every_field

TEXTS = ("Nightly import", "Invoices", "Mail to all", "Clean up", "alice@example.org", "Report")
OWN_TRAFFIC = frozenset({"sessions", "sign_in_attempts"})  # each request may touch them
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
Contents = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def filled(app: Flask, admin: Browser) -> Flask:
    """The application with jobs, runs, calendars, feeds, versions, pauses and a second account."""
    fill_every_field(app, TEXTS)
    with app.app_context():
        make_admin("bob@example.org")
        with transaction() as session:
            session.get_one(Account, 1).email = "alice@example.org"
    return app


def contents(app: Flask) -> Contents:
    """Every row of every table but those that any request may touch."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in db.metadata.tables.items()
            if name not in OWN_TRAFFIC
        }


def differences(before: Contents, after: Contents) -> dict[str, list[tuple[object, ...]]]:
    """The rows that are new or changed, by table."""
    found = {name: [row for row in rows if row not in before[name]] for name, rows in after.items()}
    gone = {name: [row for row in rows if row not in after[name]] for name, rows in before.items()}
    return {name: found[name] + gone[name] for name in after if found[name] or gone[name]}


def writes_of(app: Flask) -> Iterator[tuple[str, str, bool]]:
    """Endpoint and address of every route that takes a POST, and whether it shows a page too."""
    routes = list(requests_of(app))
    readable = {path for _, method, path in routes if method == "GET"}
    for rule, method, path in routes:
        if method in UNSAFE:
            yield rule.endpoint, path, path in readable
