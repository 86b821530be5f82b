"""Rows of the audit, written as actions write them."""

from typing import Any

from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import Actor, AuditEntry, audit_entry
from aegis_web.extensions import db, transaction

ALICE = Actor("alice@example.org", 1)
BOB = Actor("bob@example.org", 2)


def note(app: Flask, action: str = "job.pause", subject: str = "job:1", **values: Any) -> int:
    """Write one row in a transaction of its own; its number."""
    actor = values.pop("actor", ALICE)
    with app.app_context(), transaction() as session:
        entry = audit_entry(actor, action, subject, **values)
        session.add(entry)
        session.flush()
        return entry.id


def chained(app: Flask) -> list[AuditEntry]:
    """All rows in the order of the chain, those last that are in none."""
    with app.app_context():
        order = AuditEntry.position.is_(None), AuditEntry.position
        return list(db.session.scalars(select(AuditEntry).order_by(*order)))
