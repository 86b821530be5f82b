"""The audit: who changed what, before and after, written in the transaction of the change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.clock import utc_now
from aegis_web.database import BigKey, Document, Instant, Model


@dataclass(frozen=True)
class Actor:
    """Who does something: an account, or a part of the product."""

    name: str
    account_id: int | None = None


CODE = Actor("code")  # what the declarations in code do at start
SYSTEM = Actor("system")  # what the product does by itself


class AuditEntry(Model):
    """One change. Secrets never stand in it."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject_id", "subject", "id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor: Mapped[str]
    account_id: Mapped[int | None]
    action: Mapped[str]  # "job.pause": the thing, then the verb
    subject: Mapped[str]  # "job:17"
    before: Mapped[dict[str, Any] | None] = mapped_column(Document)
    after: Mapped[dict[str, Any] | None] = mapped_column(Document)


def audit_entry(
    actor: Actor,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """The row to add in the session that makes the change."""
    return AuditEntry(
        at=utc_now(),
        actor=actor.name,
        account_id=actor.account_id,
        action=action,
        subject=subject,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
    )
