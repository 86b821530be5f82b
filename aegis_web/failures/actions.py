"""Acknowledging an error, and taking that back: one transaction each, with its audit row."""

from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import utc_now
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import transaction
from aegis_web.failures.models import Acknowledgement
from aegis_web.failures.queries import Failure, find_failure
from aegis_web.jobs.definition import text_error
from aegis_web.jobs.sight import current
from aegis_web.language import _

NOTE_LIMIT = 500  # characters


def acknowledge(fingerprint: str, actor: Actor, note: str = "") -> None:
    """Let an error be known until it hits another job or comes back after a good run.

    Raises: NotFound when no kept run has it; Invalid for a note that is too long.
    """
    if error := text_error(_("The note"), note, NOTE_LIMIT):
        raise Invalid({"note": error})
    failure = seen(fingerprint)
    with transaction() as session:
        earlier = session.get(Acknowledgement, fingerprint)
        unseen = earlier.jobs if earlier and current() else ()  # they stay as they are
        jobs = sorted({*failure.jobs, *unseen})
        session.merge(
            Acknowledgement(
                fingerprint=fingerprint,
                jobs=jobs,
                note=note,
                made_at=utc_now(),
                made_by=actor.name,
                account_id=actor.account_id,
            )
        )
        after = {"error": failure.error, "jobs": jobs, "note": note}
        subject = f"failure:{fingerprint}"
        session.add(audit_entry(actor, "failure.acknowledge", subject, None, after, note))


def reopen(fingerprint: str, actor: Actor) -> None:
    """Let an error be news again.

    Raises: NotFound, as above, for who does not see all jobs; Conflict when nobody has
    acknowledged it.
    """
    if current():
        seen(fingerprint)
    with transaction() as session:
        row = known(session, fingerprint)
        before = {"by": row.made_by, "note": row.note}
        session.delete(row)
        session.add(audit_entry(actor, "failure.reopen", f"failure:{fingerprint}", before, None))


def seen(fingerprint: str) -> Failure:
    """The error, where who asks sees a run that has it. Raises: NotFound."""
    failure = find_failure(fingerprint)
    if failure is None:
        raise NotFound(_("No run that is kept has this error any more. Look at the list again."))
    return failure


def known(session: Session, fingerprint: str) -> Acknowledgement:
    """The acknowledgement of an error. Raises: Conflict."""
    row = session.get(Acknowledgement, fingerprint)
    if row is None:
        raise Conflict(_("Nobody has acknowledged this error: somebody else was first."))
    return row
