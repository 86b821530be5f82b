"""The last forecast, as it was computed: a page need not look at all jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from aegis_web.database import BigKey, Document, Instant, Model


class Forecast(Model):
    """What is expected of the days to come. Only the newest one is kept."""

    __tablename__ = "forecasts"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
    from_at: Mapped[datetime] = mapped_column(Instant)  # where its first quarter of an hour begins
    document: Mapped[dict[str, Any]] = mapped_column(Document)  # load.Expected.to_json()
