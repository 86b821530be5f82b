"""What is asked about the audit."""

from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import db


def entries_about(
    subject: str, before: int | None = None, size: int = 20
) -> tuple[list[AuditEntry], int | None]:
    """What was done to `subject`, newest first, and the number to go on with, if there is more.

    With `before` only entries older than that one. One query by index.
    """
    query = select(AuditEntry).where(AuditEntry.subject == subject)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    found = list(db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(size + 1)))
    return found[:size], found[size - 1].id if len(found) > size else None
