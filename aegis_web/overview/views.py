"""The first page."""

from flask import Blueprint, Response, current_app, url_for

from aegis_web.config import settings
from aegis_web.ledger.queries import total_account
from aegis_web.overview.queries import MOST_COUNTED, Day, overview
from aegis_web.system.queries import engine_warnings
from aegis_web.web.charts import HourCounts, HourStrip, hour_strip, kind_of
from aegis_web.web.navigation import may_open
from aegis_web.web.pages import render

bp = Blueprint("overview", __name__)


@bp.get("/")
def index() -> Response:
    """What is broken, what is running, what is next, and the last 24 hours."""
    config = settings()
    found = overview(config)
    return render(
        "overview/index.html",
        "overview/_board.html",
        overview=found,
        ledger=total_account(),
        alarms=[w for w in engine_warnings(config, found.engine) if w.level == "danger"],
        strip=strip_of(found.day),
        kinds=[kind for kind in ("ok", "fail", "late") if kind in kinds_of(found.day)],
        most=MOST_COUNTED,
        jobs_url=url_of("jobs.index"),
        new_job_url=url_of("jobs.new"),
        services_url=url_of("system.services"),
        backups_url=url_of("backups.index"),
        system_url=url_of("system.index"),
        job_endpoint="jobs.show" if "jobs.show" in current_app.view_functions else None,
    )


def strip_of(day: Day) -> HourStrip:
    """The chart of the last 24 hours."""
    return hour_strip(
        [HourCounts(hour.start, {word: n for word, n in hour.counts.items()}) for hour in day.hours]
    )


def kinds_of(day: Day) -> set[str]:
    """The colours that this day's chart needs."""
    return {kind_of(word) for word in day.totals}


def url_of(endpoint: str) -> str | None:
    """Where that page is; None: this composition lacks it, or its reader may not open it."""
    there = endpoint in current_app.view_functions and may_open(endpoint)
    return url_for(endpoint) if there else None
