"""The Runs page, the page of one run, and its log."""

import secrets
from datetime import timedelta

from flask import Blueprint, Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.language import N_, _
from aegis_web.runs.actions import Stopped, stop_run
from aegis_web.runs.expected import expected_ends
from aegis_web.runs.filters import RunFilter
from aegis_web.runs.forms import KIND_WORDS, PERIOD_WORDS, read_filter, read_log_filter
from aegis_web.runs.log import log_text
from aegis_web.runs.log_pages import read_log, read_news
from aegis_web.runs.models import RunStatus
from aegis_web.runs.queries import find_run, find_standing, job_name, list_runs
from aegis_web.web.pages import go_to, is_htmx, render, wants_fragment
from aegis_web.web.zones import tell_page_zone, viewer_zone

bp = Blueprint("runs", __name__, url_prefix="/runs")

DAY = timedelta(days=1)
STOPPED_WORDS = {
    Stopped.CANCELLED: N_("Run %(id)s was cancelled before it began."),
    Stopped.ASKED: N_("Run %(id)s was asked to stop."),
    Stopped.ASKED_BEFORE: N_("Run %(id)s has already been asked to stop."),
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
        periods=[(key, _(word)) for key, word in PERIOD_WORDS.items()],
        kinds=[(key, _(word)) for key, word in KIND_WORDS.items()],
    )


def page_url(chosen: RunFilter | None) -> str | None:
    """Where that page of the list is."""
    return None if chosen is None else url_for("runs.index", **chosen.to_args())


@bp.get("/<int:run_id>")
def show(run_id: int) -> Response:
    """One run: its facts, one of its attempts, and its log while and after it goes."""
    chosen, find_error = read_log_filter(request.args)
    run = find_run(run_id)  # before its log: what ends a run writes the rest of the log with it
    attempt = run.attempt_numbered(chosen.named_attempt)
    tell_page_zone(run.row.zone)
    return render(
        "runs/show.html",
        "runs/_run.html",
        status=422 if find_error else 200,
        run=run,
        expected=expected_ends([(run.row, run.progress)]).get(run_id),
        attempt=attempt,
        chosen=chosen,
        find=request.args.get("find", ""),
        find_error=find_error,
        shown=None if wants_fragment() else read_log(run_id, attempt, chosen),
        grows=run.row.is_open and chosen.attempt in (None, run.row.attempt),
        keep_logs_days=settings().keep_logs_days,
        logs_may_be_gone=run.row.started_at is not None and run.row.started_at < utc_now() - DAY,
        request_key=secrets.token_hex(16),
    )


@bp.get("/<int:run_id>/log")
def log(run_id: int) -> Response:
    """The lines before a place, or what a run has said after one; polled while it goes."""
    chosen = read_log_filter(request.args)[0]
    run = find_standing(run_id)
    tell_page_zone(run.zone)
    if not is_htmx():
        return go_to(url_for("runs.show", run_id=run_id, **chosen.to_args()))
    if chosen.before is None:
        template, shown = "runs/_log_more.html", read_news(run_id, chosen)
    else:
        template = "runs/_log_earlier_more.html"
        shown = read_log(run_id, chosen.named_attempt or run.attempt, chosen)
    grows = run.may_say_more(chosen.attempt)
    return render(template, run_id=run_id, chosen=chosen, shown=shown, grows=grows)


@bp.get("/<int:run_id>/log.txt")
def log_file(run_id: int) -> Response:
    """The whole log to keep."""
    find_standing(run_id)
    response = Response(log_text(run_id), mimetype="text/plain")
    response.headers.set("Content-Disposition", "attachment", filename=f"run-{run_id}.txt")
    return response


@bp.post("/<int:run_id>/stop")
def stop(run_id: int) -> Response:
    """Stop a run: a waiting one at once, a running one as soon as it heeds it."""
    stopped = stop_run(run_id, current_actor())
    flash(_(STOPPED_WORDS[stopped], id=run_id), "info")
    return go_to(url_for("runs.show", run_id=run_id))
