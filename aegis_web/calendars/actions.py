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

NAMED = 3  # jobs that a refusal names
TAKEN = "There is already a calendar with this name. Choose another one."


class StaleCalendar(Conflict):
    """Somebody else changed the calendar after the form was opened."""

    def __init__(self, current: Calendar) -> None:
        super().__init__("Somebody else changed this calendar in the meantime.")
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
        raise Invalid({"name": TAKEN}) from None


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
            raise Conflict(f"This calendar is used by {named(names)}. Take it from them first.")
        former = update(Job).where(Job.calendar_id == calendar_id)  # deleted ones
        session.execute(former.values(calendar_id=None))
        note(session, actor, "delete", calendar_id, stored(calendar), None)
        session.delete(calendar)


def named(names: Sequence[str]) -> str:
    """Names for a sentence: "“A”, “B” and 4 more"."""
    quoted = [f"“{name}”" for name in names[:NAMED]]
    if len(names) > NAMED:
        return f"{', '.join(quoted)} and {len(names) - NAMED} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def check(wanted: CalendarDefinition) -> None:
    """Raises: Invalid by field."""
    if errors := wanted.errors():
        raise Invalid(errors)


def locked(session: Session, calendar_id: int) -> Calendar:
    """The calendar, locked until the transaction ends. Raises: NotFound."""
    query = select(Calendar).where(Calendar.id == calendar_id).with_for_update()
    calendar = session.scalar(query) if calendar_id <= LARGEST_KEY else None
    if calendar is None:
        raise NotFound(f"There is no calendar {calendar_id}, or not any more.")
    return calendar


def refuse_taken_name(session: Session, name: str, except_id: int | None = None) -> None:
    """Raises: Invalid when another calendar has this name; capital letters do not count."""
    near = select(Calendar.name).where(func.length(Calendar.name) == len(name))
    if except_id is not None:
        near = near.where(Calendar.id != except_id)
    if any(other.lower() == name.lower() for other in session.scalars(near)):
        raise Invalid({"name": TAKEN})


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
