"""The accounts of all jobs as the last check found them, so that a page need not count."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Instant, Model


class LedgerAccount(Model):
    """What became of the fire times of one job in (from_at, until_at], when it was checked."""

    __tablename__ = "ledger_accounts"

    job_id: Mapped[int] = mapped_column(BigKey, ForeignKey("jobs.id"), primary_key=True)
    from_at: Mapped[datetime] = mapped_column(Instant)
    until_at: Mapped[datetime] = mapped_column(Instant)
    expected: Mapped[int]  # computed from what the job said
    succeeded: Mapped[int]
    failed: Mapped[int]  # timed out and lost too
    skipped: Mapped[int]
    missed: Mapped[int]
    cancelled: Mapped[int]
    open: Mapped[int]  # queued or running
    unexplained: Mapped[int]  # below 0: rows for which no fire time is known
    checked_at: Mapped[datetime] = mapped_column(Instant)
