"""Errors that somebody has seen and need not hear of until they change."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model


class Acknowledgement(Model):
    """One error that is known. It holds until the error hits another job or comes back."""

    __tablename__ = "acknowledgements"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[list[int]] = mapped_column(Document)  # those that it had hit
    note: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime] = mapped_column(Instant)
    made_by: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(BigKey)
