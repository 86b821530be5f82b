"""The nodes table: each process that claims and executes runs, and when it last beat."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Instant, Model


class Node(Model):
    """One process of the engine, from its start to its stop or death."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str]  # "host:pid"
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(Instant)
    beat_at: Mapped[datetime] = mapped_column(Instant)  # by the database's clock
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    end: Mapped[str | None]  # "stopped" or "died"
