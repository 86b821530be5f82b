"""The Forecast page: the next seven days by hour, pile-ups, and runs that will be skipped."""

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, request, url_for

from aegis_web.clock import utc_now
from aegis_web.forecast.load import PileUp, Skip
from aegis_web.forecast.queries import (
    HourAhead,
    Outlook,
    find_forecast_job,
    named_jobs,
    newest_forecast,
)
from aegis_web.jobs.addresses import new_key
from aegis_web.web.charts import HeatMap, HeatValue, heat_map
from aegis_web.web.formats import WEEKDAYS, abbreviation, duration, number
from aegis_web.web.pages import render
from aegis_web.web.zones import viewer_zone

bp = Blueprint("forecast", __name__, url_prefix="/forecast")

OLD_HOURS = 3  # a forecast this old is said to be old
SHOWN = {"starts": "Starts", "together": "At once"}


@dataclass(frozen=True)
class Day:
    """One local day, as the table shows it."""

    name: str
    hours: dict[int, HourAhead]


@bp.get("")
def index() -> Response:
    """The forecast as it was made last; `?show=together` draws runs at once."""
    outlook, job_id = newest_forecast(), find_forecast_job()
    chosen = request.args.get("show", "")
    shown = chosen if chosen in SHOWN else "starts"
    days = [] if outlook is None else days_of(outlook)
    return render(
        "forecast/index.html",
        "forecast/_forecast.html",
        outlook=outlook,
        names=named_jobs(outlook) if outlook else {},
        days=days,
        chart=chart_of(days, shown),
        shown=shown,
        choices=[(word, url_for("forecast.index", show=key), key) for key, word in SHOWN.items()],
        old=outlook is not None and age_hours(outlook) >= OLD_HOURS,
        often=often,
        reason=reason,
        compute_url=url_for("jobs.run", job_id=job_id) if job_id else None,
        new_key=new_key,
    )


def age_hours(outlook: Outlook) -> float:
    """How long ago the forecast was made."""
    return (utc_now() - outlook.made_at).total_seconds() / 3600


def days_of(outlook: Outlook) -> list[Day]:
    """The days of the forecast in the viewer's zone."""
    return [Day(day_name(day), hours) for day, hours in outlook.days(viewer_zone())]


def day_name(day: date) -> str:
    """ "Tue 24"."""
    return f"{WEEKDAYS[day.weekday()]} {day.day}"


def chart_of(days: list[Day], shown: str) -> HeatMap:
    """The heat map of starts, or of runs at once."""
    rows = [
        (day.name, {hour: heat_of(day, ahead, shown) for hour, ahead in day.hours.items()})
        for day in days
    ]
    return heat_map(rows, f"{SHOWN[shown]} by day and hour")


def heat_of(day: Day, ahead: HourAhead, shown: str) -> HeatValue:
    """One hour of the heat map, in figures and in words."""
    local = ahead.start.astimezone(viewer_zone())
    title = (
        f"{day.name}, {local.hour:02}:00 {abbreviation(local)}: {number(ahead.starts)} "
        f"start{'' if ahead.starts == 1 else 's'}, at most {number(ahead.at_once)} at once"
    )
    return HeatValue(ahead.starts if shown == "starts" else ahead.at_once, title)


def often(pile: PileUp) -> str:
    """How often the same jobs start together."""
    return "once" if pile.times == 1 else f"{number(pile.times)} times in the 7 days"


def reason(skip: Skip) -> str:
    """Why runs of a job will be skipped, in one sentence."""
    takes = f"It usually takes {duration(skip.took)}"
    if skip.regular:
        starts = f"but is due every {duration(skip.gap)}"
    else:
        starts = f"but is due again {duration(skip.gap)} after another fire time"
    if skip.max_running == 1:
        return f"{takes} {starts}, while the run before still goes."
    return f"{takes} {starts}, while {skip.max_running} runs of it still go."
