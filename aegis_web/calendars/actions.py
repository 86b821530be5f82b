"""What changes blackout calendars: one verb each, one transaction, with its audit row."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.calendars.definition import CalendarDefinition
from aegis_web.calendars.queries import LARGEST_KEY, stored
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Calendar, Job
from aegis_web.language import N_, _

NAMED = 3  # jobs that a refusal names
TAKEN = N_("There is already a calendar with this name. Choose another one.")


class StaleCalendar(Conflict):
    """Somebody else changed the calendar after the form was opened."""

    def __init__(self, current: Calendar) -> None:
        super().__init__(_("Somebody else changed this calendar in the meantime."))
        self.current = current


def create_calendar(wanted: CalendarDefinition, actor: Actor) -> int:
    """Store a new calendar; its number. Raises: Invalid by field, for a taken name too."""
    check(wanted)
    try:
        with transaction() as session:
            refuse_taken_name(session, wanted.name)
            calendar = Calendar(**wanted.to_json())
            session.add(calendar)
            session.flush()
            note(session, actor, "create", calendar.id, None, wanted)
            return calendar.id
    except IntegrityError:
        raise Invalid({"name": _(TAKEN)}) from None


def update_calendar(
    calendar_id: int, revision: int, wanted: CalendarDefinition, actor: Actor
) -> None:
    """Give a calendar new periods, if it still is at `revision`; they count from now on.

    Raises: NotFound; StaleCalendar when somebody else changed it; Invalid by field.
    """
    check(wanted)
    with transaction() as session:
        calendar = locked(session, calendar_id)
        before = stored(calendar)
        if before == wanted:  # also when a save whose answer was lost is sent again
            return
        if calendar.revision != revision:
            session.expunge(calendar)
            raise StaleCalendar(calendar)
        refuse_taken_name(session, wanted.name, calendar_id)
        for name, value in wanted.to_json().items():
            setattr(calendar, name, value)
        calendar.revision += 1
        note(session, actor, "change", calendar_id, before, wanted)


def delete_calendar(calendar_id: int, actor: Actor) -> None:
    """Remove a calendar. Raises: NotFound; Conflict while a job uses it, naming the jobs."""
    with transaction() as session:
        calendar = locked(session, calendar_id)
        used = select(Job.name).where(Job.calendar_id == calendar_id, Job.deleted_at.is_(None))
        names = session.scalars(used.order_by(Job.name)).all()
        if names:
            text = _(
                "This calendar is used by %(jobs)s. Take it from them first.", jobs=named(names)
            )
            raise Conflict(text)
        former = update(Job).where(Job.calendar_id == calendar_id)  # deleted ones
        session.execute(former.values(calendar_id=None))
        note(session, actor, "delete", calendar_id, stored(calendar), None)
        session.delete(calendar)


def named(names: Sequence[str]) -> str:
    """Names for a sentence: "“A”, “B” and 4 more"."""
    quoted = [_("“%(name)s”", name=name) for name in names[:NAMED]]
    if len(names) > NAMED:
        more = len(names) - NAMED
        return _("%(names)s and %(count)s more", names=", ".join(quoted), count=more)
    if len(quoted) == 1:
        return quoted[0]
    return _("%(names)s and %(last)s", names=", ".join(quoted[:-1]), last=quoted[-1])


def check(wanted: CalendarDefinition) -> None:
    """Raises: Invalid by field."""
    if errors := wanted.errors():
        raise Invalid(errors)


def locked(session: Session, calendar_id: int) -> Calendar:
    """The calendar, locked until the transaction ends. Raises: NotFound."""
    query = select(Calendar).where(Calendar.id == calendar_id).with_for_update()
    calendar = session.scalar(query) if calendar_id <= LARGEST_KEY else None
    if calendar is None:
        raise NotFound(_("There is no calendar %(id)s, or not any more.", id=calendar_id))
    return calendar


def refuse_taken_name(session: Session, name: str, except_id: int | None = None) -> None:
    """Raises: Invalid when another calendar has this name; capital letters do not count."""
    near = select(Calendar.name).where(func.length(Calendar.name) == len(name))
    if except_id is not None:
        near = near.where(Calendar.id != except_id)
    if any(other.lower() == name.lower() for other in session.scalars(near)):
        raise Invalid({"name": _(TAKEN)})


def note(
    session: Session,
    actor: Actor,
    verb: str,
    calendar_id: int,
    before: CalendarDefinition | None,
    after: CalendarDefinition | None,
) -> None:
    """Add the audit row."""
    was, said = (None if state is None else state.to_json() for state in (before, after))
    session.add(audit_entry(actor, f"calendar.{verb}", f"calendar:{calendar_id}", was, said))
