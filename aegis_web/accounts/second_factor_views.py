"""The second factor's pages: one's own, the step of the sign-in, and the help of administrators."""

import logging

import segno
from flask import Response, flash, g, request, session, url_for
from flask_security import current_user, login_user
from wtforms import StringField
from wtforms.validators import InputRequired

from aegis_web.accounts.addresses import FIRST_PAGE, ID, bp
from aegis_web.accounts.attempts import succeeded
from aegis_web.accounts.forms import OwnPasswordForm, show_errors, wait_before_trying
from aegis_web.accounts.models import Account
from aegis_web.accounts.second_factor import (
    NUMBER_OF_CODES,
    address_of_secret,
    codes_left,
    find_factor,
    new_codes,
    new_secret,
    require_factor,
    turn_off,
    turn_on,
    use_code,
    use_recovery_code,
)
from aegis_web.accounts.second_step import MARK, half_signed_in, wanted
from aegis_web.accounts.session import current_actor, number_of_session, web_session
from aegis_web.audit.models import Actor
from aegis_web.database import WRITE
from aegis_web.errors import AegisError, Conflict, Invalid
from aegis_web.extensions import db
from aegis_web.jobs.queries import vault
from aegis_web.language import N_, _
from aegis_web.web.pages import finish_reading, go_to, render

OWN = "/account/second-factor"
PENDING = "new_factor"  # the sealed secret that no code has confirmed yet

log = logging.getLogger(__name__)


class TurnOnForm(OwnPasswordForm):
    """The current password, and a code that shows that the app has the secret."""

    code = StringField("Code", [InputRequired(N_("Enter the code that the app shows."))])


@bp.get(OWN)
def second_factor() -> Response:
    """Whether one's own sign-in asks for a code, and the form that changes it."""
    return own_page(TurnOnForm())


@bp.post(OWN)
def turn_on_second_factor() -> Response:
    """Ask for codes from now on, and show the recovery codes once."""
    form = TurnOnForm()
    if form.validate_on_submit():
        try:
            typed = (form.code.data or "").strip()
            codes = turn_on(current_actor(), pending_secret(), typed, number_of_session())
        except Invalid as invalid:
            show_errors(form, invalid)
        else:
            session.pop(PENDING, None)
            return show_once(codes)
    return own_page(form, refusal())


@bp.post(f"{OWN}/codes")
def new_recovery_codes() -> Response:
    """Show fresh recovery codes once."""
    require_factor(current_user.id)
    form = OwnPasswordForm()
    if form.validate_on_submit():
        return show_once(new_codes(current_actor(), number_of_session()))
    return own_page(form, refusal())


@bp.post(f"{OWN}/off")
def turn_off_second_factor() -> Response:
    """Ask for the password alone from now on."""
    require_factor(current_user.id)
    form = OwnPasswordForm()
    if form.validate_on_submit():
        turn_off(current_actor(), current_user.id, but=number_of_session())
        web_session().renewed = True
        flash(_("The second factor is off. Every other session has ended."), "success")
        return go_to(url_for("accounts.index"))
    return own_page(form, refusal())


@bp.post(f"/accounts/{ID}/second-factor/off")
def turn_off_second_factor_of(id: int) -> Response:
    """Let somebody in who has lost their device."""
    if id == current_user.id:
        raise Conflict(_("This is your own account: turn it off there, with your password."))
    turn_off(current_actor(), id)
    flash(_("The second factor is off. The sessions of this account have ended."), "success")
    return go_to(url_for("accounts.show", id=id))


@bp.route("/sign-in/second-step", methods=["GET", "POST"])
def second_step() -> Response:
    """Ask who has given the right password for the second factor."""
    if current_user.is_authenticated:
        return go_to(FIRST_PAGE)
    account = half_signed_in()
    if account is None:
        if session.pop(MARK, None):
            flash(_("That took longer than five minutes. Sign in again."), "warning")
        return go_to(url_for("security.login", next=wanted()))
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            accept_second_factor(account)
        except Invalid as invalid:
            errors = invalid.errors
        else:
            session.pop(MARK, None)
            login_user(account, authn_via=["password", "second factor"])
            return go_to(wanted() or FIRST_PAGE)
    response = render(
        "accounts/second_step.html",
        status=refusal() if errors else 200,
        errors=errors,
        email=account.email,
        wanted=wanted(),
    )
    response.retry_after = g.get("retry_after")
    return response


def accept_second_factor(account: Account) -> None:
    """Judge the code that was sent, of either kind. Raises: Invalid naming its field."""
    field = "recovery_code" if request.form.get("recovery_code") else "code"
    typed = request.form.get(field, "").strip()
    if not typed:
        raise Invalid({field: _("Enter the code that the app shows.")})
    if wait := wait_before_trying(account.email, typed):
        raise Invalid({"": wait})
    actor = Actor(account.email, account.id)
    try:
        (use_code if field == "code" else use_recovery_code)(actor, typed)
    except AegisError:
        log.warning("a second factor was refused, from %s", request.remote_addr)
        raise
    succeeded(db.engines[WRITE], account.email, request.remote_addr or "")


def own_page(form: OwnPasswordForm, status: int = 200, codes: list[str] | None = None) -> Response:
    """The page of one's own second factor; `codes`: those that were just made."""
    factor = find_factor(current_user.id)
    secret = None if factor else pending_secret()
    response = render(
        "accounts/second_factor.html",
        status=status,
        form=form,
        factor=factor,
        codes=codes,
        left=codes_left(current_user.id),
        most=NUMBER_OF_CODES,
        secret=secret,
        picture=secret and picture(secret),
    )
    response.retry_after = g.get("retry_after")
    return response


def show_once(codes: list[str]) -> Response:
    """The page with new recovery codes; the session goes on under another key."""
    web_session().renewed = True
    finish_reading()  # what this request has read is older than the codes
    return own_page(OwnPasswordForm(formdata=None), 201, codes)


def pending_secret() -> str:
    """The secret that this session offers until a code confirms it, made at the first call."""
    try:
        return vault().decrypt(session.get(PENDING, ""))
    except AegisError:  # there is none, or its key is gone
        secret = new_secret()
        session[PENDING] = vault().encrypt(secret)
        return secret


def picture(secret: str) -> str:
    """The QR code for an app, as an address that holds it."""
    code = segno.make(address_of_secret(secret, current_user.email), micro=False)
    return code.svg_data_uri(scale=5, dark="#000", light="#fff")


def refusal() -> int:
    """The status of a form that comes back."""
    return 429 if g.get("retry_after") else 422
