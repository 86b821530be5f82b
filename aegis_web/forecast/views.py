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
from aegis_web.language import N_, _, ngettext
from aegis_web.web.charts import HeatMap, HeatValue, heat_map
from aegis_web.web.formats import WEEKDAYS, abbreviation, duration, number
from aegis_web.web.pages import render
from aegis_web.web.zones import viewer_zone

bp = Blueprint("forecast", __name__, url_prefix="/forecast")

OLD_HOURS = 3  # a forecast this old is said to be old
SHOWN = {"starts": N_("Starts"), "together": N_("At once")}
CHART_NAMES = {
    "starts": N_("Starts by day and hour"),
    "together": N_("At once by day and hour"),
}
REASONS = {  # by whether it is regular, and whether one run goes at a time
    (True, True): N_(
        "It usually takes %(took)s but is due every %(gap)s, while the run before still goes."
    ),
    (True, False): N_(
        "It usually takes %(took)s but is due every %(gap)s, while %(count)s runs of it still go."
    ),
    (False, True): N_(
        "It usually takes %(took)s but is due again %(gap)s after another fire time, while the "
        "run before still goes."
    ),
    (False, False): N_(
        "It usually takes %(took)s but is due again %(gap)s after another fire time, while "
        "%(count)s runs of it still go."
    ),
}


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
        choices=[
            (_(word), url_for("forecast.index", show=key), key) for key, word in SHOWN.items()
        ],
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
    return _("%(weekday)s %(day)s", weekday=_(WEEKDAYS[day.weekday()]), day=day.day)


def chart_of(days: list[Day], shown: str) -> HeatMap:
    """The heat map of starts, or of runs at once."""
    rows = [
        (day.name, {hour: heat_of(day, ahead, shown) for hour, ahead in day.hours.items()})
        for day in days
    ]
    return heat_map(rows, _(CHART_NAMES[shown]))


def heat_of(day: Day, ahead: HourAhead, shown: str) -> HeatValue:
    """One hour of the heat map, in figures and in words."""
    local = ahead.start.astimezone(viewer_zone())
    when = f"{day.name}, {local.hour:02}:00 {abbreviation(local)}"
    title = ngettext(
        "%(when)s: %(count)s start, at most %(most)s at once",
        "%(when)s: %(count)s starts, at most %(most)s at once",
        ahead.starts,
        when=when,
        count=number(ahead.starts),
        most=number(ahead.at_once),
    )
    return HeatValue(ahead.starts if shown == "starts" else ahead.at_once, title)


def often(pile: PileUp) -> str:
    """How often the same jobs start together."""
    if pile.times == 1:
        return _("once")
    return _("%(count)s times in the 7 days", count=number(pile.times))


def reason(skip: Skip) -> str:
    """Why runs of a job will be skipped, in one sentence."""
    return _(
        REASONS[skip.regular, skip.max_running == 1],
        took=duration(skip.took),
        gap=duration(skip.gap),
        **({} if skip.max_running == 1 else {"count": skip.max_running}),
    )
