"""The audit: who changed what, before and after, written in the transaction of the change."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.clock import utc_now
from aegis_web.database import BigKey, Document, Instant, Model

REASON_LIMIT = 500  # characters; forms allow no more
ADDRESS_LIMIT = 100


@dataclass(frozen=True)
class Actor:
    """Who does something: an account, or a part of the product."""

    name: str
    account_id: int | None = None


CODE = Actor("code")  # what the declarations in code do at start
SYSTEM = Actor("system")  # what the product does by itself


@dataclass(frozen=True)
class Origin:
    """From where something is asked for; None: not over the web, not by a token."""

    address: str | None = None  # of the other end of the connection, proxies taken off
    token: str | None = None  # how the API token begins, never the whole of it


NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)  # set by who serves requests


class AuditEntry(Model):
    """One change. Secrets never stand in it. The last three columns are `chain`'s."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject_id", "subject", "id"),
        Index("ix_audit_at_id", "at", "id"),
        Index("ix_audit_subject_at_id", "subject", "at", "id"),
        Index("ix_audit_actor_at_id", "actor", "at", "id"),
        Index("ix_audit_action_at_id", "action", "at", "id"),
        Index("ix_audit_actor_action_at_id", "actor", "action", "at", "id"),
        Index(
            "ix_audit_reason",
            *("at", "id", "reason"),
            sqlite_where=text("reason IS NOT NULL"),
            postgresql_where=text("reason IS NOT NULL"),
        ),
        Index("ix_audit_position", "position", unique=True),
        Index(
            "ix_audit_unchained",
            "id",
            sqlite_where=text("hash IS NULL"),
            postgresql_where=text("hash IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str]
    account_id: Mapped[int | None]
    action: Mapped[str]  # "job.pause": the thing, then the verb
    subject: Mapped[str]  # "job:17"
    before: Mapped[dict[str, Any] | None] = mapped_column(Document)
    after: Mapped[dict[str, Any] | None] = mapped_column(Document)
    reason: Mapped[str | None]  # what the person typed
    address: Mapped[str | None]
    token: Mapped[str | None]
    position: Mapped[int | None] = mapped_column(BigInteger)  # in the chain: 1, 2, …
    previous: Mapped[str | None]  # the hash of the row at the position before
    hash: Mapped[str | None]  # None until the commit


class AuditCheck(Model):
    """What the last check of the chain found. Only the newest one is kept."""

    __tablename__ = "audit_checks"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    checked_at: Mapped[datetime] = mapped_column(Instant)
    rows: Mapped[int] = mapped_column(BigInteger)  # that were found sound, from the first on
    head_id: Mapped[int | None] = mapped_column(BigInteger)  # the last of them
    head_hash: Mapped[str | None]
    fault: Mapped[str | None]  # a sentence about the first bad row; None: all are sound


def audit_entry(
    actor: Actor,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """The row to add in the session that makes the change; `reason` is what a person typed."""
    came = origin.get()
    return AuditEntry(
        at=utc_now(),
        actor=actor.name,
        account_id=actor.account_id,
        action=action,
        subject=subject,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        reason=reason[:REASON_LIMIT] or None,
        address=came.address and came.address[:ADDRESS_LIMIT],
        token=came.token,
    )
