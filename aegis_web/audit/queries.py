"""What is asked about the audit."""

from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from aegis_web.audit.chain import HEAD
from aegis_web.audit.models import AuditCheck, AuditEntry
from aegis_web.extensions import db
from aegis_web.jobs.models import Job

CHECK = "check_audit"  # the service function


@dataclass(frozen=True)
class Head:
    """The last row of the chain. Whoever keeps it elsewhere can prove later what came before."""

    id: int
    hash: str  # SHA-256, hexadecimal
    position: int = 0  # how many rows it ends; 0: not known

    def __str__(self) -> str:
        """As `flask audit verify --head` takes it."""
        return f"{self.id}:{self.hash}"


def head(session: Session | Connection | None = None) -> Head | None:
    """The last row of the chain; None where nothing was audited yet. One query by index."""
    row = (session or db.session).execute(HEAD).one_or_none()
    return None if row is None else Head(row.id, row.hash, row.position)


def last_check() -> AuditCheck | None:
    """What the last check of the chain found; None: there was none. One query."""
    found: AuditCheck | None = db.session.scalar(
        select(AuditCheck).order_by(AuditCheck.id.desc()).limit(1)
    )
    return found


def find_check_job() -> int | None:
    """The job that checks the chain, if there is one. One query."""
    query = select(Job.id).where(Job.service == CHECK, Job.deleted_at.is_(None))
    number: int | None = db.session.scalar(query.order_by(Job.id).limit(1))
    return number


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
