"""The Timeline page: a day of all jobs on one axis, and the same as a table."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from babel.dates import format_date
from flask import Blueprint, Response, request

from aegis_web.clock import utc_now
from aegis_web.jobs import queries as jobs
from aegis_web.jobs.filters import JobFilter
from aegis_web.language import N_, _, grouped, language
from aegis_web.runs.filters import iso
from aegis_web.runs.models import RunStatus
from aegis_web.timeline.queries import DayPage, JobDay, Plan, Stretch, timeline
from aegis_web.web.addresses import url_for
from aegis_web.web.badges import word_of
from aegis_web.web.charts import kind_of
from aegis_web.web.formats import duration, short_clock
from aegis_web.web.pages import render, wants_fragment
from aegis_web.web.zones import viewer_zone

bp = Blueprint("timeline", __name__, url_prefix="/timeline")

ORDER = ("fail", "run", "late", "ok")  # which colour a stretch gets: the first that is in it
LEAST_PERCENT = 0.22  # the width of the shortest bar
TICK_HOURS = 3
EARLIEST, LATEST = date(1970, 1, 2), date(9000, 1, 1)
WITHIN = {  # the word of a status behind a number
    "queued": N_("queued"),
    "running": N_("running"),
    "succeeded": N_("succeeded"),
    "failed": N_("failed"),
    "timed_out": N_("timed out"),
    "cancelled": N_("cancelled"),
    "lost": N_("lost"),
    "skipped": N_("skipped"),
    "missed": N_("missed"),
}


@dataclass(frozen=True)
class Bar:
    """One bar; places and widths in percent of the day."""

    x: float
    width: float
    kind: str  # ok, fail, run, late or planned
    title: str
    url: str


@dataclass(frozen=True)
class Line:
    """One job of the page."""

    day: JobDay
    bars: tuple[Bar, ...]
    words: str  # what became of its runs


@bp.get("")
def index() -> Response:
    """The day in `?day=` (today without one) of the jobs that the filter lets through."""
    today = utc_now().astimezone(viewer_zone()).date()
    day, error = read_day(request.args.get("day", "").strip(), today)
    chosen = JobFilter.from_args({**request.args, "order": "name"})
    shown = timeline(day, viewer_zone(), chosen)
    return render(
        "timeline/index.html",
        "timeline/_chart.html",
        status=422 if error else 200,
        address=page_url(day, today, chosen),
        shown=shown,
        day=format_date(day, _("EEEE, d MMMM y"), locale=language()),
        chosen=chosen,
        error=error,
        lines=[line_of(shown, job) for job in shown.jobs],
        ticks=ticks_of(shown),
        now_at=percent(shown, utc_now()) if shown.start <= utc_now() < shown.end else None,
        totals={word_of(status): count for status, count in sorted(shown.counts.items())},
        window={"since": iso(shown.start), "until": iso(shown.end)},
        yesterday=page_url(day - timedelta(days=1), today, chosen.first_page()),
        tomorrow=page_url(day + timedelta(days=1), today, chosen.first_page()),
        is_today=day == today,
        today_url=page_url(today, today, chosen.first_page()),
        newer=shown.newer and page_url(day, today, shown.newer),
        older=shown.older and page_url(day, today, shown.older),
        live_url=page_url(day, today, chosen) if day == today else None,
        tags=() if wants_fragment() else jobs.all_tags(),
    )


def read_day(typed: str, today: date) -> tuple[date, str | None]:
    """The day that is meant, or today and what is wrong."""
    if not typed:
        return today, None
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return today, _("“%(typed)s” is not a date. Write it like 2027-01-31.", typed=typed[:40])
    if not EARLIEST <= day <= LATEST:
        return today, _("The year %(year)s is out of reach. Choose another day.", year=day.year)
    return day, None


def page_url(day: date, today: date, chosen: JobFilter) -> str:
    """Where that day of these jobs is."""
    args: dict[str, Any] = {} if day == today else {"day": day.isoformat()}
    args |= {name: value for name, value in chosen.to_args().items() if name != "order"}
    return url_for("timeline.index", **args)


def line_of(page: DayPage, job: JobDay) -> Line:
    """The bars of one job, the past ones first."""
    bars = [bar_of(page, job, stretch) for stretch in job.stretches]
    show = url_for("jobs.show", job_id=job.job.id)
    for plan in job.planned:
        kind, title = "late" if plan.skipped else "planned", plan_words(plan, job.job.usual_seconds)
        bars.append(bar_at(page, plan.from_at, plan.until_at, kind, title, show))
    return Line(job, tuple(bars), in_words(job.counts))


def plan_words(plan: Plan, usual_seconds: float | None) -> str:
    """What is planned, for the one who points at it."""
    at, until = short_clock(plan.from_at), short_clock(plan.until_at)
    if plan.skipped:
        return _("%(at)s will be skipped", at=at)
    if plan.count > 1:
        return _("%(count)s planned until %(until)s", count=grouped(plan.count), until=until)
    if not usual_seconds:
        return _("Planned %(at)s", at=at)
    return _("Planned %(at)s, usually %(duration)s", at=at, duration=duration(usual_seconds))


def bar_of(page: DayPage, job: JobDay, stretch: Stretch) -> Bar:
    """The bar of some runs, and where they can be read."""
    kinds = {kind_of(status) for status in stretch.counts}
    kind = next(kind for kind in ORDER if kind in kinds)
    took = (stretch.until_at - stretch.from_at).total_seconds()
    title, when = in_words(stretch.counts), short_clock(stretch.from_at)
    if stretch.run_id is not None:
        url = url_for("runs.show", run_id=stretch.run_id)
        title = f"{title}, {when}, {duration(took)}" if took else f"{title}, {when}"
    else:
        since, until = stretch.from_at, stretch.until_at + timedelta(seconds=1)
        url = url_for("runs.index", job=job.job.id, since=iso(since), until=iso(until))
        if took:
            when = _("%(begin)s to %(end)s", begin=when, end=short_clock(stretch.until_at))
        title = f"{title}, {when}"
    return bar_at(page, stretch.from_at, stretch.until_at, kind, title, url)


def bar_at(page: DayPage, begin: datetime, end: datetime, kind: str, title: str, url: str) -> Bar:
    """A bar from one instant to another, kept within the day."""
    x = min(max(0.0, percent(page, begin)), 100 - LEAST_PERCENT)
    width = max(LEAST_PERCENT, min(100.0, percent(page, end)) - x)
    return Bar(round(x, 3), round(width, 3), kind, title, url)


def percent(page: DayPage, instant: datetime) -> float:
    """Where an instant lies on the axis."""
    return 100 * (instant - page.start) / (page.end - page.start)


def ticks_of(page: DayPage) -> list[tuple[float, str]]:
    """The hours that are written on the axis: place and local time."""
    found, at = [], page.start
    while at < page.end:
        local = at.astimezone(viewer_zone())
        if local.hour % TICK_HOURS == 0 and local.minute == 0:
            found.append((round(percent(page, at), 3), f"{local:%H:%M}"))
        at += timedelta(minutes=30)
    return found


def in_words(counts: Any) -> str:
    """ "3 succeeded, 1 failed"."""
    words = {word_of(RunStatus(status)): count for status, count in counts.items() if count}
    return ", ".join(
        f"{grouped(words[word])} {_(said)}" for word, said in WITHIN.items() if word in words
    )
