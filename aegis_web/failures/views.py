"""The Failures page: the same error over runs and jobs is one line."""

from flask import Blueprint, Response, flash, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.failures import actions
from aegis_web.failures.queries import JOBS_NAMED, LOOKED_AT, SPANS, WINDOW, failures
from aegis_web.language import _
from aegis_web.web.pages import go_to, render

bp = Blueprint("failures", __name__, url_prefix="/failures")

ONE = "/<string(length=16):fingerprint>"


@bp.get("")
def index() -> Response:
    """All errors of the last days, the newest first, and those that somebody knows."""
    return render(
        "failures/index.html",
        "failures/_list.html",
        found=failures(),
        spans=list(SPANS),
        days=WINDOW.days,
        looked_at=LOOKED_AT,
        jobs_named=JOBS_NAMED,
    )


@bp.post(f"{ONE}/acknowledge")
def acknowledge(fingerprint: str) -> Response:
    """Let an error be known until it changes."""
    actions.acknowledge(fingerprint, current_actor(), request.form.get("note", "").strip())
    told = _("Acknowledged, until it hits another job or comes back after a good run.")
    flash(told, "success")
    return go_to(url_for("failures.index"))


@bp.post(f"{ONE}/reopen")
def reopen(fingerprint: str) -> Response:
    """Let an error be news again."""
    actions.reopen(fingerprint, current_actor())
    flash(_("It is listed as open again."), "success")
    return go_to(url_for("failures.index"))
