"""Where the pages of jobs are, and which job an address names."""

import secrets
from typing import Any

from flask import Blueprint, Response, request, url_for

from aegis_web.errors import Conflict
from aegis_web.jobs import queries
from aegis_web.jobs.actions import JobGone, broken
from aegis_web.jobs.filters import JobFilter, is_number
from aegis_web.jobs.models import Job
from aegis_web.web.pages import render
from aegis_web.web.zones import tell_page_zone

bp = Blueprint("jobs", __name__, url_prefix="/jobs")

ONE = "/<int(max=9223372036854775807):job_id>"


def find(job_id: int) -> Job:
    """The live job of that number, whose zone the page tells times in. Raises: JobGone."""
    job = queries.find_job(job_id)
    if job is not None:
        tell_page_zone(job.zone)
        return job
    former = queries.find_former(job_id)
    if former is None:
        raise JobGone(job_id, None, None)
    raise JobGone(job_id, former.name, former.deleted_at)


def find_or_none(number: str) -> Job | None:
    """The live job that a hidden field names."""
    fits = number.isascii() and number.isdigit() and len(number) < 19
    return queries.find_job(int(number)) if fits else None


def number_in(name: str) -> int | None:
    """The whole number in the URL's query under that name."""
    text = request.args.get(name, "")
    return int(text) if is_number(text) and int(text) < 2**31 else None


def runnable(job_id: int) -> tuple[Job, Any]:
    """A job with its service function. Raises: JobGone; Conflict when the function is missing."""
    job = find(job_id)
    function = queries.registry().find(job.service)
    if function is None:
        raise Conflict(broken(queries.problem_words(job)))
    return job, function


def list_url(chosen: JobFilter) -> str:
    """Where that list is."""
    return url_for("jobs.index", **chosen.to_args())


def new_key() -> str:
    """A fresh one-time key: however often its form is sent, one thing comes of it."""
    return secrets.token_urlsafe(12)


def fragment(template: str, **context: Any) -> Response:
    """A part of a page that has no page of its own."""
    return render(template, template, **context)


def grouped_services() -> dict[str, list[tuple[str, str]]]:
    """All service functions as choices, by category."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for function in queries.registry().functions.values():
        groups.setdefault(function.category, []).append((function.name, function.title))
    return {name: sorted(groups[name], key=lambda choice: choice[1]) for name in sorted(groups)}
