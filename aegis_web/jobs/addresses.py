"""Where the pages of jobs are, and which job an address names."""

import secrets
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, request, url_for

from aegis_web.errors import Conflict
from aegis_web.jobs import queries
from aegis_web.jobs.actions import JobGone, broken
from aegis_web.jobs.filters import JobFilter, is_number
from aegis_web.jobs.models import Job
from aegis_web.jobs.sight import closed_to_sight
from aegis_web.registry import ServiceFunction
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


def open_services() -> list[ServiceFunction]:
    """The service functions that who asks may give a job."""
    functions = queries.registry().functions.values()
    return [function for function in functions if closed_to_sight(function) is None]


def grouped_services(
    functions: Iterable[ServiceFunction] | None = None,
) -> dict[str, list[tuple[str, str]]]:
    """Service functions as choices, by category; None: all."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for function in queries.registry().functions.values() if functions is None else functions:
        groups.setdefault(function.category, []).append((function.name, function.title))
    return {name: sorted(groups[name], key=lambda choice: choice[1]) for name in sorted(groups)}
