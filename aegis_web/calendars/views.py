"""The Calendars page, and the form of a blackout calendar."""

from typing import Any

from flask import Blueprint, Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.calendars import actions, queries
from aegis_web.calendars.actions import StaleCalendar
from aegis_web.calendars.forms import CalendarForm, form_of, read_form, typed_form
from aegis_web.calendars.queries import CalendarRow
from aegis_web.config import settings
from aegis_web.errors import Invalid, NotFound
from aegis_web.jobs.forms import read_revision
from aegis_web.language import _
from aegis_web.web.pages import go_to, render
from aegis_web.web.zones import own_zone, zones

bp = Blueprint("calendars", __name__, url_prefix="/calendars")

ONE = "/<int:calendar_id>"


@bp.get("")
def index() -> Response:
    """All calendars: what they forbid now and next, and for which jobs."""
    return render("calendars/index.html", calendars=queries.list_calendars())


@bp.get("/new")
def new() -> Response:
    """The form of a new calendar."""
    zone = settings().zone if settings().zone != "UTC" else own_zone().key
    return calendar_page(CalendarForm(zone=zone))


@bp.post("/new")
def redraw_new() -> Response:
    """The form as it was typed, with a period more or less. Stores nothing."""
    return calendar_page(redrawn())


@bp.post("")
def create() -> Response:
    """Make a calendar of the posted form."""
    form = read_form(request.form)
    if form.wanted is None:
        return calendar_page(form, status=422)
    try:
        actions.create_calendar(form.wanted, current_actor())
    except Invalid as invalid:
        return calendar_page(form.with_errors(invalid.errors), status=422)
    text = _(
        "Created the calendar “%(name)s”. Choose it in the policies of a job.",
        name=form.wanted.name,
    )
    flash(text, "success")
    return go_to(url_for("calendars.index"))


@bp.get(f"{ONE}/edit")
def edit(calendar_id: int) -> Response:
    """The form of a calendar."""
    calendar = find(calendar_id)
    return calendar_page(form_of(calendar), calendar)


@bp.post(f"{ONE}/edit")
def redraw_edit(calendar_id: int) -> Response:
    """The form as it was typed, with a period more or less. Stores nothing."""
    return calendar_page(redrawn(), find(calendar_id), revision=read_revision(request.form))


@bp.post(ONE)
def update(calendar_id: int) -> Response:
    """Change a calendar as the posted form says, unless somebody else changed it meanwhile."""
    calendar, form = find(calendar_id), read_form(request.form)
    if form.wanted is None:
        return calendar_page(form, calendar, status=422, revision=read_revision(request.form))
    try:
        actions.update_calendar(
            calendar_id, read_revision(request.form), form.wanted, current_actor()
        )
    except StaleCalendar as stale:
        current = queries.row_of(stale.current, list(calendar.jobs))
        return calendar_page(form, current, status=409, stale=True)
    except Invalid as invalid:
        refused = form.with_errors(invalid.errors)
        return calendar_page(refused, calendar, status=422, revision=read_revision(request.form))
    flash(_("Saved the calendar “%(name)s”.", name=form.wanted.name), "success")
    return go_to(url_for("calendars.index"))


@bp.post(f"{ONE}/delete")
def delete(calendar_id: int) -> Response:
    """Remove a calendar that no job uses."""
    name = find(calendar_id).wanted.name
    actions.delete_calendar(calendar_id, current_actor())
    flash(_("Deleted the calendar “%(name)s”.", name=name), "success")
    return go_to(url_for("calendars.index"))


def find(calendar_id: int) -> CalendarRow:
    """The calendar of that number. Raises: NotFound."""
    calendar = queries.find_calendar(calendar_id)
    if calendar is None:
        raise NotFound(_("There is no calendar %(id)s, or not any more.", id=calendar_id))
    return calendar


def redrawn() -> CalendarForm:
    """The posted form after one of its buttons was pressed."""
    form = typed_form(request.form)
    if "remove" in request.form:
        return form.without_row(request.form["remove"])
    return form.with_row()


def calendar_page(
    form: CalendarForm,
    calendar: CalendarRow | None = None,
    *,
    status: int = 200,
    revision: int | None = None,
    **context: Any,
) -> Response:
    """The form of a new calendar or of `calendar`, as a page or as a part of one."""
    return render(
        "calendars/edit.html",
        "calendars/_form.html",
        status=status,
        form=form,
        calendar=calendar,
        revision=calendar.revision if calendar and revision is None else revision,
        zone_names=zones(),
        **context,
    )
