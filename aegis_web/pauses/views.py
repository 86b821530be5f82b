"""Pausing everything, the banner that says so on each page, and resuming."""

from typing import Any

from flask import Blueprint, Response, flash, request, url_for
from flask_security import current_user

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.errors import Conflict, Invalid
from aegis_web.jobs.models import CatchUp
from aegis_web.jobs.pause_form import LASTING_WORDS, PauseForm, read_pause
from aegis_web.language import N_, _
from aegis_web.pauses import actions
from aegis_web.pauses.queries import current_pause, passed_in_pause
from aegis_web.web.pages import go_to, on_each_page, render
from aegis_web.web.zones import viewer_zone

bp = Blueprint("pauses", __name__, url_prefix="/pauses")

CATCH_UP_WORDS = {
    CatchUp.NONE: N_("Run none"),
    CatchUp.LATEST: N_("Run the latest of each job"),
    CatchUp.ALL: N_("Run all"),
}


@bp.record_once
def announce(state: Any) -> None:
    """Give every page what the banner says."""
    on_each_page(state.app, banner_context)


def banner_context() -> dict[str, Any]:
    """The pause that lasts now, for people who have signed in."""
    return {"open_pause": current_pause() if current_user.is_authenticated else None}


@bp.get("")
def banner() -> Response:
    """The banner alone: it asks again while it stands there, so that it leaves by itself."""
    return render("pauses/_banner.html", "pauses/_banner.html", **banner_context())


@bp.get("/new")
def new() -> Response:
    """The form of a pause of everything."""
    return pause_page(PauseForm())


@bp.post("")
def pause() -> Response:
    """Let no run of any job begin, for a while or until somebody resumes."""
    form = read_pause(request.form, utc_now(), viewer_zone())
    if form.errors:
        return pause_page(form, 422)
    actions.pause_everything(current_actor(), form.reason, form.until_at)
    flash(_("Everything is paused: no run begins. What runs already goes on."), "info")
    return go_to(url_for("jobs.index"))


@bp.get("/resume")
def resume_form() -> Response:
    """The question what becomes of the fire times that passed, with their number."""
    if current_pause() is None:
        raise Conflict(_("Nothing is paused: somebody else was first, or the time was over."))
    passed = passed_in_pause()
    catch_ups = {choice: _(word) for choice, word in CATCH_UP_WORDS.items()}
    return render("pauses/resume.html", passed=passed, catch_ups=catch_ups)


@bp.post("/resume")
def resume() -> Response:
    """Let everything go on."""
    chosen = request.form.get("catch_up", CatchUp.NONE)
    if chosen not in list(CatchUp):
        raise Invalid({"catch_up": _("Choose whether none, the latest or all of them run.")})
    actions.resume_everything(current_actor(), CatchUp(chosen))
    flash(_("Everything goes on."), "success")
    return go_to(url_for("jobs.index"))


def pause_page(form: PauseForm, status: int = 200) -> Response:
    """The form of a pause of everything."""
    return render("pauses/new.html", status=status, form=form, lasting_words=LASTING_WORDS)
