"""Tokens of programs. Only the hash of the secret part is kept."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aegis_web.accounts.models import Account
from aegis_web.database import BigKey, Document, Instant, Model


class Token(Model):
    """What one program may do, as the account that made it, and never more than that."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    prefix: Mapped[str] = mapped_column(String(8), unique=True)  # the part that may be shown
    secret_sha256: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]  # what uses it
    scopes: Mapped[list[str]] = mapped_column(Document)
    made_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)  # None: when it is revoked
    used_at: Mapped[datetime | None] = mapped_column(Instant)  # to the minute
    used_from: Mapped[str | None]
    account: Mapped[Account] = relationship(lazy="joined", innerjoin=True)
