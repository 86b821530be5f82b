"""Keeping the filter of the list of jobs under a name."""

from flask import Response, flash, request
from flask_security import current_user

from aegis_web.jobs import saved_views
from aegis_web.jobs.addresses import bp, list_url
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.forms import one_line
from aegis_web.language import _
from aegis_web.web.pages import go_to


@bp.post("/views")
def save_view() -> Response:
    """Keep the posted filter under the posted name, and go back to it."""
    chosen, name = JobFilter.from_args(request.form), one_line(request.form.get("name", ""))
    saved_views.save_view(int(current_user.id), name, chosen)
    flash(_("Saved the view “%(name)s”.", name=name), "success")
    return go_to(list_url(chosen))


@bp.post("/views/delete")
def delete_view() -> Response:
    """Forget a view, and go back to the filter that is shown."""
    name = one_line(request.form.get("name", ""))
    saved_views.delete_view(int(current_user.id), name)
    flash(_("Deleted the view “%(name)s”.", name=name), "success")
    return go_to(list_url(JobFilter.from_args(request.form)))
