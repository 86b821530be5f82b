"""What is asked about the forecast: the newest one, for a viewer's zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import select

from aegis_web.extensions import db
from aegis_web.forecast.load import Expected
from aegis_web.forecast.models import Forecast
from aegis_web.forecast.streams import DAYS, QUARTER
from aegis_web.jobs.models import Job

SERVICE = "make_forecast"  # the service function that fills the table


@dataclass(frozen=True)
class HourAhead:
    """One hour of the clock on the wall; where the clock is set back, both of that name."""

    start: datetime
    starts: int
    at_once: int  # the most


@dataclass(frozen=True)
class Outlook:
    """The forecast as it is kept."""

    made_at: datetime
    from_at: datetime
    expected: Expected

    @property
    def starts(self) -> int:
        """How many runs start in all."""
        return sum(self.expected.starts)

    @property
    def peak(self) -> tuple[int, datetime]:
        """How many runs go at once at most, and in which quarter of an hour first."""
        most = max(self.expected.at_once)
        return most, self.quarter(self.expected.at_once.index(most))

    def quarter(self, number: int) -> datetime:
        """When a quarter of an hour begins."""
        return self.from_at + number * QUARTER

    def minute(self, number: int) -> datetime:
        """A minute of the forecast as an instant."""
        return self.from_at + timedelta(minutes=number)

    def days(self, zone: tzinfo) -> list[tuple[date, dict[int, HourAhead]]]:
        """The local days from its first on, with the hours of each that it knows."""
        first = self.from_at.astimezone(zone).date()
        found: dict[date, dict[int, HourAhead]] = {
            first + timedelta(days=number): {} for number in range(DAYS)
        }
        for place, (starts, at_once) in enumerate(
            zip(self.expected.starts, self.expected.at_once, strict=True)
        ):
            local = self.quarter(place).astimezone(zone)
            hours = found.get(local.date())
            if hours is None:
                continue  # of the eighth day, which is not whole
            hour = hours.get(local.hour) or HourAhead(self.quarter(place), 0, 0)
            hours[local.hour] = HourAhead(
                hour.start, hour.starts + starts, max(hour.at_once, at_once)
            )
        return list(found.items())


def newest_forecast() -> Outlook | None:
    """The last forecast; None before the first. One query."""
    row = db.session.scalar(select(Forecast).order_by(Forecast.id.desc()).limit(1))
    return row and Outlook(row.made_at, row.from_at, Expected.from_json(row.document))


def named_jobs(outlook: Outlook) -> Mapping[int, str]:
    """The names of the live jobs that a forecast names, by number. One query."""
    ids = {skip.job_id for skip in outlook.expected.skips}
    ids.update(job_id for pile in outlook.expected.pile_ups for job_id in pile.job_ids)
    query = select(Job.id, Job.name).where(Job.id.in_(ids), Job.deleted_at.is_(None))
    return {row.id: row.name for row in db.session.execute(query)}


def find_forecast_job() -> int | None:
    """The job that makes the forecast, if there is one. One query."""
    query = select(Job.id).where(Job.service == SERVICE, Job.deleted_at.is_(None))
    number: int | None = db.session.scalar(query.order_by(Job.id).limit(1))
    return number
