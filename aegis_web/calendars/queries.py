"""What is asked about blackout calendars."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from aegis_web.calendars.definition import CalendarDefinition, Period
from aegis_web.clock import utc_now
from aegis_web.engine.blackouts import Blackout, blackout_at, parse_blackouts
from aegis_web.extensions import db
from aegis_web.jobs.models import Calendar, Job

LARGEST_KEY = 2**63 - 1  # what a database's integer holds


@dataclass(frozen=True)
class JobLink:
    """A job that uses a calendar."""

    id: int
    name: str


@dataclass(frozen=True)
class CalendarRow:
    """One calendar as pages show it."""

    id: int
    revision: int
    wanted: CalendarDefinition
    jobs: tuple[JobLink, ...]  # by name

    @property
    def blackouts(self) -> tuple[Blackout, ...]:
        """Its periods on the time line, the first to begin first."""
        periods = json.dumps([period.to_json() for period in self.wanted.periods])
        return parse_blackouts(self.wanted.zone, periods)

    @property
    def current(self) -> Blackout | None:
        """The period that holds now; None: its jobs may run."""
        now = utc_now()
        return next((blackout for blackout in self.blackouts if blackout.holds(now)), None)

    @property
    def next(self) -> Blackout | None:
        """The period that begins next."""
        now = utc_now()
        return next((blackout for blackout in self.blackouts if blackout.start > now), None)


def forbidden_times(calendar_id: int | None, times: Iterable[datetime]) -> dict[datetime, str]:
    """Which of `times` that calendar forbids, with the name of the period. One query, or none."""
    found = blackouts_at((calendar_id, time) for time in times)
    return {time: name for (_, time), name in found.items()}


def blackouts_at(
    wanted: Iterable[tuple[int | None, datetime | None]],
) -> dict[tuple[int, datetime], str]:
    """Which instants their calendars forbid, with the name of the period. One query, or none."""
    pairs = [(number, time) for number, time in wanted if number is not None and time is not None]
    if not pairs:
        return {}
    blackouts = blackouts_of({number for number, _ in pairs})
    named = ((pair, blackout_at(blackouts.get(pair[0], ()), pair[1])) for pair in pairs)
    return {pair: name for pair, name in named if name is not None}


def blackouts_of(calendar_ids: Collection[int]) -> dict[int, tuple[Blackout, ...]]:
    """What these calendars forbid, by their numbers. One query, or none."""
    if not calendar_ids:
        return {}
    query = select(Calendar).where(Calendar.id.in_(calendar_ids))
    return {
        calendar.id: parse_blackouts(calendar.zone, json.dumps(calendar.periods))
        for calendar in db.session.scalars(query)
    }


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
