"""The page of the tokens: which there are, and the form of a new one."""

from flask import Blueprint, Response, flash, request, url_for

from aegis_web.accounts.fresh import ask_for_fresh_sign_in
from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.errors import Invalid
from aegis_web.jobs.addresses import new_key
from aegis_web.jobs.forms import one_line, read_request_key
from aegis_web.language import _
from aegis_web.tokens import actions
from aegis_web.tokens.scopes import SCOPES
from aegis_web.web.pages import finish_reading, go_to, render

bp = Blueprint("tokens", __name__, url_prefix="/tokens")

ID = "<int(max=9223372036854775807):id>"
USUAL_DAYS = "90"


@bp.get("")
def index() -> Response:
    """Which tokens there are, and the form of a new one."""
    return page({})


@bp.post("")
def create() -> Response:
    """Make a token, for who has just signed in, and show it this one time."""
    if asked := ask_for_fresh_sign_in(url_for(".index")):  # it may fetch what takes one
        return asked
    name, days = (one_line(request.form.get(field, "")) for field in ("name", "days"))
    scopes, key = request.form.getlist("scopes"), read_request_key(request.form) or ""
    try:
        token = actions.make_token(current_actor(), name, scopes, days, key)
    except Invalid as invalid:
        return page(invalid.errors, 422)
    finish_reading()  # what this request has read is older than the token
    return page({}, 201, token)


@bp.post(f"/{ID}/revoke")
def revoke(id: int) -> Response:
    """End a token in every process at once."""
    name = actions.revoke_token(current_actor(), id)
    flash(_("Revoked the token “%(name)s”.", name=name), "success")
    return go_to(url_for("tokens.index"))


def page(errors: dict[str, str], status: int = 200, made: str | None = None) -> Response:
    """The page; `made`: the text of the token that was just made."""
    return render(
        "tokens/index.html",
        status=status,
        tokens=actions.list_tokens(),
        scopes=SCOPES,
        made=made,
        errors=errors,
        typed=request.form if errors else {},
        chosen=request.form.getlist("scopes") if errors else [],
        days=request.form.get("days", "") if errors else USUAL_DAYS,
        now=utc_now(),
        request_key=new_key(),
    )
