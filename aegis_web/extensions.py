"""Bare extension objects, bound by `create_app`, and the one way to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from blinker import Signal
from flask import g
from flask_migrate import Migrate
from flask_security import Security
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Session

from aegis_web.database import WRITE, Model, RoutingSession


class CsrfOfBrowsers(CSRFProtect):  # type: ignore[misc]
    """Flask-WTF's check, for browsers alone: no other site can have one send a program's token."""

    def protect(self, apply_exemptions: bool = False) -> None:  # its signature
        if "token" not in g:
            super().protect(apply_exemptions=apply_exemptions)


db: Any = SQLAlchemy(
    model_class=Model,
    disable_autonaming=True,
    session_options={"class_": RoutingSession, "expire_on_commit": False},
)
migrate = Migrate()
csrf = CsrfOfBrowsers()
security = Security()

committed = Signal("sent after each transaction() that committed; the engine wakes on it")


@contextmanager
def transaction() -> Iterator[Session]:
    """A session for one action: everything in it is committed together, or nothing is.

    On SQLite it holds the write lock from its first statement on, so keep it short. Needs an
    application context, which requests, commands and running service functions have.
    """
    with Session(db.engines[WRITE], expire_on_commit=False) as session, session.begin():
        yield session
    committed.send()
