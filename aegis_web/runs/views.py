"""The Runs page, the page of one run, and its log."""

import secrets
from datetime import timedelta

from flask import Blueprint, Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.runs.actions import Stopped, stop_run
from aegis_web.runs.expected import expected_ends
from aegis_web.runs.filters import RunFilter
from aegis_web.runs.forms import KIND_WORDS, PERIOD_WORDS, read_filter, read_sequence
from aegis_web.runs.log import last_lines, log_after, log_text
from aegis_web.runs.models import RunStatus
from aegis_web.runs.queries import find_run, job_name, list_runs, run_is_open
from aegis_web.web.pages import go_to, is_htmx, render, wants_fragment
from aegis_web.web.zones import tell_page_zone, viewer_zone

bp = Blueprint("runs", __name__, url_prefix="/runs")

DAY = timedelta(days=1)
STOPPED_WORDS = {
    Stopped.CANCELLED: "Run {} was cancelled before it began.",
    Stopped.ASKED: "Run {} was asked to stop.",
    Stopped.ASKED_BEFORE: "Run {} has already been asked to stop.",
}


@bp.get("")
def index() -> Response:
    """The history of all jobs, or of one, through the filter in the URL."""
    chosen, form = read_filter(request.args, viewer_zone())
    page = None if chosen is None else list_runs(chosen)
    return render(
        "runs/index.html",
        "runs/_table.html",
        status=422 if page is None else 200,
        address=page_url(chosen),
        form=form,
        runs=page.rows if page else (),
        pager=page and {"newer": page_url(page.newer), "older": page_url(page.older)},
        live_url=page_url(chosen) if page and page.is_live else None,
        narrowed=chosen is None or chosen.narrows(),
        job=job_name(chosen.job_id) if chosen and chosen.job_id else None,
        without_job=page_url(chosen and chosen.without_job()),
        statuses=[status.name.lower() for status in RunStatus],
        periods=PERIOD_WORDS,
        kinds=KIND_WORDS,
    )


def page_url(chosen: RunFilter | None) -> str | None:
    """Where that page of the list is."""
    return None if chosen is None else url_for("runs.index", **chosen.to_args())


@bp.get("/<int:run_id>")
def show(run_id: int) -> Response:
    """One run: its facts, and its log while and after it goes."""
    run = find_run(run_id)  # before its log: what ends a run writes the rest of the log with it
    tell_page_zone(run.row.zone)
    return render(
        "runs/show.html",
        "runs/_run.html",
        run=run,
        expected=expected_ends([(run.row, run.progress)]).get(run_id),
        output=None if wants_fragment() else last_lines(run_id),
        keep_logs_days=settings().keep_logs_days,
        logs_may_be_gone=run.row.started_at is not None and run.row.started_at < utc_now() - DAY,
        request_key=secrets.token_hex(16),
    )


@bp.get("/<int:run_id>/log")
def log(run_id: int) -> Response:
    """What a run has said since the page last asked; polled while it goes."""
    sequence = read_sequence(request.args)
    is_open, zone = run_is_open(run_id)
    tell_page_zone(zone)
    if not is_htmx():
        return go_to(url_for("runs.show", run_id=run_id))
    lines, last = log_after(run_id, sequence)
    return render("runs/_log_more.html", run_id=run_id, lines=lines, sequence=last, is_open=is_open)


@bp.get("/<int:run_id>/log.txt")
def log_file(run_id: int) -> Response:
    """The whole log to keep."""
    run_is_open(run_id)
    response = Response(log_text(run_id), mimetype="text/plain")
    response.headers.set("Content-Disposition", "attachment", filename=f"run-{run_id}.txt")
    return response


@bp.post("/<int:run_id>/stop")
def stop(run_id: int) -> Response:
    """Stop a run: a waiting one at once, a running one as soon as it heeds it."""
    stopped = stop_run(run_id, current_actor())
    flash(STOPPED_WORDS[stopped].format(run_id), "info")
    return go_to(url_for("runs.show", run_id=run_id))
