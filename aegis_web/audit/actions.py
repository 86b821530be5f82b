"""Checking the chain of the audit, and keeping what was found."""

from sqlalchemy import delete

from aegis_web.audit import chain, queries
from aegis_web.audit.models import AuditCheck
from aegis_web.audit.queries import Head
from aegis_web.audit.verify import Tell, Verdict, verify
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction


def check_audit(tell: Tell = lambda _done, _total: True) -> Verdict | None:
    """Check the whole chain since the last check too, and keep the verdict; None: told to stop.

    Rows that an older release wrote beside this one join the chain first.
    """
    with transaction() as session:
        chain.seal(session.connection())
    last = queries.last_check()
    known = Head(last.head_id, last.head_hash) if last and last.head_id and last.head_hash else None
    db.session.close()  # the walk sees what is there, and not what was there when it began
    verdict = verify(known, tell)
    if verdict is not None:
        keep(verdict, known)
    return verdict


def keep(verdict: Verdict, known: Head | None) -> None:
    """Store a verdict in place of the last one; a head that is no longer found stays noted."""
    head = known if verdict.fault and known else verdict.head
    with transaction() as session:
        session.execute(delete(AuditCheck))
        session.add(
            AuditCheck(
                checked_at=utc_now(),
                rows=verdict.rows,
                head_id=head and head.id,
                head_hash=head and head.hash,
                fault=verdict.fault,
            )
        )
