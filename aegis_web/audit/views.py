"""The Audit page: who did what, when, why and from where; and the same as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, g, request, stream_with_context, url_for

from aegis_web.audit.export import csv_lines
from aegis_web.audit.filters import AuditFilter
from aegis_web.audit.forms import read_filter
from aegis_web.audit.models import ADDRESS_LIMIT, NOWHERE, AuditEntry, Origin, origin
from aegis_web.audit.queries import find_check_job, last_check
from aegis_web.audit.search import known_actions, list_entries
from aegis_web.audit.subjects import THINGS, Subject, subjects_of
from aegis_web.audit.words import Change, change_of, fields_of, verb_words
from aegis_web.clock import utc_now
from aegis_web.errors import Invalid
from aegis_web.jobs.addresses import new_key
from aegis_web.jobs.audit_words import told_of
from aegis_web.language import _
from aegis_web.web.formats import iso
from aegis_web.web.pages import render
from aegis_web.web.zones import viewer_zone

bp = Blueprint("audit", __name__, url_prefix="/audit")


@dataclass(frozen=True)
class AuditRow:
    """One row of the page."""

    change: Change
    subject: Subject
    as_stored: bool  # whether the fields have their stored names, not those of a form
    address: str | None
    token: str | None
    hash: str | None


@bp.before_app_request
def note_origin() -> None:
    """Let the rows that this request writes say from where it came."""
    address = request.remote_addr
    origin.set(Origin(address[:ADDRESS_LIMIT] if address else None, g.get("token")))


@bp.teardown_app_request
def forget_origin(_error: BaseException | None) -> None:
    """The thread may go on to do something that nobody asked for over the web."""
    origin.set(NOWHERE)


@bp.get("")
def index() -> Response:
    """Everything that was done, newest first, through the filter in the URL."""
    chosen, form = read_filter(request.args, viewer_zone())
    page = None if chosen is None else list_entries(chosen)
    check_job = find_check_job()
    return render(
        "audit/index.html",
        "audit/_table.html",
        status=422 if page is None else 200,
        address=page_url(chosen),
        form=form,
        rows=rows_of(page.rows) if page else [],
        pager=page and {"newer": page_url(page.newer), "older": page_url(page.older)},
        narrowed=chosen is None or chosen.narrows(),
        download=chosen and url_for("audit.rows", **chosen.first_page().to_args()),
        things=choices(0, {kind: _(word) for kind, word in THINGS.items()}),
        verbs=choices(1, {}),
        check=last_check(),
        check_url=url_for("jobs.run", job_id=check_job) if check_job else None,
        new_key=new_key,
    )


def page_url(chosen: AuditFilter | None) -> str | None:
    """Where that page of the audit is."""
    return None if chosen is None else url_for("audit.index", **chosen.to_args())


def choices(part: int, words: dict[str, str]) -> list[tuple[str, str]]:
    """The first or second parts of the actions that were ever done, by what they are called."""
    found = {action.partition(".")[::2][part] for action in known_actions()}
    return sorted(((key, words.get(key) or verb_words(key)) for key in found), key=lambda c: c[1])


def rows_of(entries: Sequence[AuditEntry]) -> list[AuditRow]:
    """The rows in words; what is about jobs as the pages of jobs say it."""
    told = told_of([entry for entry in entries if entry.subject.startswith("job:")])
    subjects = subjects_of({entry.subject for entry in entries})
    rows = []
    for entry in entries:
        words = told.get(entry.id) or []
        rows.append(
            AuditRow(
                change=change_of(entry, words or fields_of(entry)),
                subject=subjects[entry.subject],
                as_stored=not words,
                address=entry.address,
                token=entry.token,
                hash=entry.hash,
            )
        )
    return rows


@bp.get("/rows.csv")
def rows() -> Response:
    """The rows of the filter as a file, streamed. Raises: Invalid."""
    chosen, form = read_filter(request.args, viewer_zone())
    if chosen is None:
        raise Invalid(dict(form.errors))
    response = Response(stream_with_context(csv_lines(chosen)), mimetype="text/csv")
    name = f"audit-{iso(utc_now()).replace(':', '')}.csv"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
