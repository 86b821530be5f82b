"""What is asked about blackout calendars."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from aegis_web.calendars.definition import CalendarDefinition, Period
from aegis_web.clock import utc_now
from aegis_web.extensions import db
from aegis_web.jobs.models import Calendar, Job

LARGEST_KEY = 2**63 - 1  # what a database's integer holds


@dataclass(frozen=True)
class JobLink:
    """A job that uses a calendar."""

    id: int
    name: str


@dataclass(frozen=True)
class Stretch:
    """A period on the time line."""

    name: str
    start: datetime
    until: datetime


@dataclass(frozen=True)
class CalendarRow:
    """One calendar as pages show it."""

    id: int
    revision: int
    wanted: CalendarDefinition
    jobs: tuple[JobLink, ...]  # by name

    @property
    def zone(self) -> ZoneInfo:
        """In which its periods are meant."""
        return ZoneInfo(self.wanted.zone)

    @property
    def stretches(self) -> list[Stretch]:
        """Its periods that have not ended, the next to end first."""
        now = utc_now()
        found = [self._placed(period) for period in self.wanted.periods]
        return sorted((s for s in found if s.until > now), key=lambda s: (s.until, s.start))

    @property
    def current(self) -> Stretch | None:
        """The period that holds now; None: its jobs may run."""
        now = utc_now()
        return next((stretch for stretch in self.stretches if stretch.start <= now), None)

    @property
    def next(self) -> Stretch | None:
        """The period that begins next."""
        now = utc_now()
        coming = [stretch for stretch in self.stretches if stretch.start > now]
        return min(coming, key=lambda stretch: stretch.start, default=None)

    def _placed(self, period: Period) -> Stretch:
        start, until = (
            time.replace(tzinfo=self.zone).astimezone(UTC) for time in (period.start, period.until)
        )
        return Stretch(period.name, start, until)


def calendar_names() -> dict[int, str]:
    """The names of all calendars by number, sorted by name. One query."""
    rows = db.session.execute(select(Calendar.id, Calendar.name).order_by(Calendar.name))
    return {row.id: row.name for row in rows}


def list_calendars() -> tuple[CalendarRow, ...]:
    """All calendars by name. Two queries."""
    calendars = db.session.scalars(select(Calendar).order_by(Calendar.name)).all()
    users = users_of()
    return tuple(row_of(calendar, users[calendar.id]) for calendar in calendars)


def find_calendar(calendar_id: int) -> CalendarRow | None:
    """The calendar of that number. Two queries."""
    calendar = db.session.get(Calendar, calendar_id) if calendar_id <= LARGEST_KEY else None
    return None if calendar is None else row_of(calendar, users_of()[calendar.id])


def row_of(calendar: Calendar, jobs: list[JobLink]) -> CalendarRow:
    """A calendar as a value."""
    return CalendarRow(calendar.id, calendar.revision, stored(calendar), tuple(jobs))


def stored(calendar: Calendar) -> CalendarDefinition:
    """What a calendar says now."""
    periods = tuple(Period.from_json(period) for period in calendar.periods)
    return CalendarDefinition(calendar.name, calendar.zone, periods)


def users_of() -> dict[int, list[JobLink]]:
    """The live jobs that use a calendar, by the calendar's number. One query."""
    query = select(Job.calendar_id, Job.id, Job.name).order_by(Job.name, Job.id)
    query = query.where(Job.calendar_id.is_not(None), Job.deleted_at.is_(None))
    found: dict[int, list[JobLink]] = defaultdict(list)
    for row in db.session.execute(query):
        found[row.calendar_id].append(JobLink(row.id, row.name))
    return found
