"""What is asked about blackout calendars."""

from sqlalchemy import select

from aegis_web.extensions import db
from aegis_web.jobs.models import Calendar


def calendar_names() -> dict[int, str]:
    """The names of all calendars by number, sorted by name. One query."""
    rows = db.session.execute(select(Calendar.id, Calendar.name).order_by(Calendar.name))
    return {row.id: row.name for row in rows}
