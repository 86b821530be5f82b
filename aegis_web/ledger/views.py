"""The account of a job, and the page that says why it did not run at some moment."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for

from aegis_web.clock import utc_now
from aegis_web.engine.triggers import as_stored
from aegis_web.errors import Invalid
from aegis_web.jobs.addresses import ONE, find, fragment, new_key
from aegis_web.jobs.models import Job
from aegis_web.jobs.trigger_form import local_instant
from aegis_web.language import N_, _
from aegis_web.ledger.expected import expected_times
from aegis_web.ledger.queries import (
    FAILED,
    OPEN,
    SUCCEEDED,
    Account,
    account_of,
    find_check_job,
    list_accounts,
    read_place,
    rules_of,
    total_account,
)
from aegis_web.ledger.why import explain
from aegis_web.runs.filters import iso
from aegis_web.runs.models import RunStatus
from aegis_web.web.pages import render
from aegis_web.web.zones import find_zone, viewer_zone

bp = Blueprint("ledger", __name__)

LINES = {
    N_("Succeeded"): SUCCEEDED,
    N_("Failed, timed out, lost"): FAILED,
    N_("Skipped"): (RunStatus.SKIPPED,),
    N_("Missed"): (RunStatus.MISSED,),
    N_("Cancelled"): (RunStatus.CANCELLED,),
    N_("Running, queued"): OPEN,
}
SECOND = timedelta(seconds=1)
TYPED_LIMIT = 40  # characters of a date and time


@bp.get("/ledger")
def index() -> Response:
    """The accounts of all jobs as the last check found them, the doubtful ones first."""
    page = list_accounts(read_place(request.args.get("after", "")))
    check = find_check_job()
    return render(
        "ledger/index.html",
        "ledger/_accounts.html",
        total=total_account(),
        rows=page.rows,
        older=url_for("ledger.index", after=page.older) if page.older else None,
        check_url=url_for("jobs.run", job_id=check) if check else None,
        new_key=new_key,
        runs_url=runs_url,
    )


@bp.get(f"/jobs{ONE}/ledger")
def account(job_id: int) -> Response:
    """How many fire times the job had, and what became of them."""
    job = find(job_id)
    found = account_of(job)
    lines = [] if found is None else lines_of(job, found)
    return fragment("ledger/_account.html", job=job, account=found, lines=lines)


@bp.get(f"/jobs{ONE}/why")
def why(job_id: int) -> Response:
    """What became of the job at the moment in `?at=`, local time of its zone."""
    job = find(job_id)
    zone = find_zone(job.zone) or viewer_zone()
    typed = request.args.get("at", "").strip()[:TYPED_LIMIT]
    error, answer = None, None
    if typed:
        try:
            at = local_instant("at", typed, zone).replace(second=0, microsecond=0)
            answer = explain(job, at)
        except Invalid as invalid:
            error = invalid.errors["at"]
    return render(
        "ledger/why.html",
        "ledger/_answer.html",
        status=422 if error else 200,
        job=job,
        zone=zone,
        typed=typed or last_due(job, zone),
        error=error,
        answer=answer,
        words=as_stored(job.trigger).words(),
    )


def runs_url(row: Any, *words: str) -> str:
    """Where the runs of an account that came to these statuses are listed."""
    place: dict[str, Any] = {"kind": "scheduled", "status": list(words)}
    if row.job_id is not None:
        place["job"] = row.job_id
    return url_for("runs.index", **place, since=iso(row.from_at), until=iso(row.until_at + SECOND))


def lines_of(job: Job, found: Account) -> list[tuple[str, int, str]]:
    """What became of the fire times: a word, how many (unless none), where they are listed."""
    place: dict[str, Any] = {"job": job.id, "kind": "scheduled"}
    place |= {"since": iso(found.from_at), "until": iso(found.until_at + SECOND)}  # not included
    return [
        (
            _(word),
            found.total(*statuses),
            url_for("runs.index", **place, status=[status.name.lower() for status in statuses]),
        )
        for word, statuses in LINES.items()
        if statuses == SUCCEEDED or found.total(*statuses)
    ]


def last_due(job: Job, zone: ZoneInfo) -> str:
    """The job's last fire time, as the field shows it; "" where there is none."""
    rules, now = rules_of(job), utc_now()
    times = expected_times(rules, datetime.min.replace(tzinfo=now.tzinfo), now, 1) if rules else []
    return f"{times[0].astimezone(zone):%Y-%m-%dT%H:%M}" if times else ""
