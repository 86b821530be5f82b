"""Calendar feeds: addresses at which a calendar program reads when jobs are due."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Instant, Model


class Feed(Model):
    """One address, for whoever knows it; only the hash of its token is kept."""

    __tablename__ = "feeds"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str]  # who reads it, or what for
    tag: Mapped[str]  # which jobs; "": all
    token_sha256: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    made_by: Mapped[str]
    used_at: Mapped[datetime | None] = mapped_column(Instant)  # to the minute; None: never
