"""Passkeys on pages: to add and remove one's own, to sign in, and to prove once more who one is.

The browser asks for a challenge, has a passkey answer it and sends the answer as an ordinary form.
The session holds the challenge, so that no other browser can answer it; in any process of ours.
"""

import logging
import secrets
from typing import Any

from flask import Response, flash, g, jsonify, request, session, url_for
from flask_security import current_user, login_user

from aegis_web.accounts import passkeys
from aegis_web.accounts.addresses import FIRST_PAGE, ID, bp
from aegis_web.accounts.agents import device
from aegis_web.accounts.attempts import succeeded
from aegis_web.accounts.authenticators import (
    Site,
    ask_for_new,
    ask_for_proof,
    claim_in,
    judge_new,
    judge_proof,
)
from aegis_web.accounts.forms import OwnPasswordForm, SignInForm, wait_before_trying
from aegis_web.accounts.fresh import ask_for_fresh_sign_in, confirm_page
from aegis_web.accounts.models import Account, Passkey
from aegis_web.accounts.passkeys import CHALLENGE_LIFE, OPENS_NOTHING, TOO_LATE, opens
from aegis_web.accounts.second_factor_views import refusal
from aegis_web.accounts.second_step import MARK, wanted
from aegis_web.accounts.session import current_actor, number_of_session, web_session
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.database import WRITE
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import db
from aegis_web.jobs.forms import one_line
from aegis_web.language import N_, _, ngettext
from aegis_web.web.pages import go_to, render

NEW, PROOF = "new_passkey", "proof_by_passkey"  # challenges in the session, by what they are for
LIFE_SECONDS = int(CHALLENGE_LIFE.total_seconds())
NO_ANSWER = N_("The browser has sent no answer of a passkey. Try again.")
SOMEBODY_ELSES = N_("This passkey opens another account than this one. Choose one of this account.")

log = logging.getLogger(__name__)


@bp.app_template_global("passkeys_offered")
def offered() -> bool:
    """Whether pages speak of passkeys."""
    return settings().passkeys


@bp.route("/account/passkeys/new", methods=["GET", "POST"])
def new_passkey() -> Response:
    """Add a passkey to one's own account, for who has just proven who they are."""
    require_passkeys()
    passkeys.require_room(db.session, current_user)
    if asked := ask_for_fresh_sign_in(url_for("accounts.new_passkey")):
        return asked
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            add_passkey()
        except Invalid as invalid:
            errors = invalid.errors
        else:
            web_session().renewed = True
            flash(_("The passkey is added. Every other session has ended."), "success")
            return go_to(url_for("accounts.index"))
    return render(
        "accounts/new_passkey.html",
        status=422 if errors else 200,
        errors=errors,
        name=request.form.get("name", device(request.user_agent.string)),
        most=passkeys.LONGEST_NAME,
        options=new_options(),
    )


@bp.post(f"/account/passkeys/{ID}/remove")
def remove_passkey(id: int) -> Response:
    """Remove one of one's own passkeys, for who has just proven who they are."""
    require_passkeys()
    if asked := ask_for_fresh_sign_in(url_for("accounts.index")):
        return asked
    name = passkeys.remove(current_actor(), id, number_of_session())
    web_session().renewed = True
    flash(_("Removed the passkey “%(name)s”. Every other session has ended.", name=name), "success")
    return go_to(url_for("accounts.index"))


@bp.post(f"/accounts/{ID}/passkeys/remove")
def remove_passkeys_of(id: int) -> Response:
    """Let nobody in any more with a device that was lost or stolen."""
    require_passkeys()
    if id == current_user.id:
        raise Conflict(_("This is your own account: remove its passkeys there, one by one."))
    removed = passkeys.remove_all(current_actor(), id)
    flash(
        ngettext(
            "%(num)s passkey is removed. The sessions of this account have ended.",
            "%(num)s passkeys are removed. The sessions of this account have ended.",
            removed,
        ),
        "success",
    )
    return go_to(url_for("accounts.show", id=id))


@bp.post("/sign-in/passkey/challenge")
def passkey_challenge() -> Response:
    """What the browser lets a passkey answer, as JSON."""
    require_passkeys()
    challenge = secrets.token_urlsafe(32)
    remember(PROOF, challenge)
    return jsonify(ask_for_proof(Site.of(settings()), challenge, LIFE_SECONDS))


@bp.post("/sign-in/passkey")
def sign_in_by_passkey() -> Response:
    """Let in who has a passkey, without e-mail and password."""
    require_passkeys()
    if current_user.is_authenticated:
        return go_to(FIRST_PAGE)
    try:
        account = prove()
    except Invalid as invalid:
        form = SignInForm(formdata=None)
        form.form_errors, form.next.data = list(invalid.errors.values()), wanted()
        response = render("accounts/sign_in.html", status=refusal(), login_user_form=form)
        response.retry_after = g.get("retry_after")
        return response
    session.pop(MARK, None)
    login_user(account, authn_via=["passkey"])
    return go_to(wanted() or FIRST_PAGE)


@bp.post("/account/confirm/passkey")
def confirm_by_passkey() -> Response:
    """Let who has signed in prove once more that it is them."""
    require_passkeys()
    try:
        account = prove(current_user.id)
    except Invalid as invalid:
        return confirm_page(OwnPasswordForm(formdata=None), invalid.errors)
    login_user(account, authn_via=["passkey"])
    return go_to(wanted() or FIRST_PAGE)


def require_passkeys() -> None:
    """Raises: NotFound where the settings do not offer them."""
    if not settings().passkeys:
        raise NotFound(_("Passkeys are not set up here."))


def new_options() -> dict[str, Any]:
    """What the browser needs to make a passkey, which this session then accepts."""
    challenge, handle = secrets.token_urlsafe(32), passkeys.handle_for(current_user.id)
    remember(NEW, challenge, handle)
    known = [passkey.credential_id for passkey in passkeys.passkeys_of(current_user.id)]
    site = Site.of(settings())
    return ask_for_new(site, challenge, handle, current_user.email, known, LIFE_SECONDS)


def add_passkey() -> None:
    """Keep the passkey that the browser has sent. Raises: Invalid; Conflict."""
    challenge, handle = recall(NEW)
    name = passkeys.checked_name(one_line(request.form.get("name", "")))
    key = judge_new(Site.of(settings()), challenge, sent_answer())
    passkeys.add(current_actor(), challenge, name, handle, key, number_of_session())


def prove(account_id: int | None = None) -> Account:
    """The account of the passkey whose answer was sent, `account_id` alone if that is given.

    Raises: Invalid; the tries of each account are slowed down together with those of its password.
    """
    (challenge, _handle), answer = recall(PROOF), sent_answer()
    claim = claim_in(Site.of(settings()), answer)
    passkey, account = passkeys.find_passkey(claim) or (None, None)
    tried = current_user.email if account_id else account.email if account else None
    if wait := wait_before_trying(tried or claim.credential_id.hex(), answer):
        raise Invalid({"": wait})
    try:
        if passkey is None or account is None or not opens(account):
            raise Invalid({"": _(OPENS_NOTHING)})
        if account_id not in (None, account.id):
            raise Invalid({"": _(SOMEBODY_ELSES)})
        accept(passkey, challenge, answer)
    except Invalid:
        log.warning("a passkey was refused, from %s", request.remote_addr)
        raise
    succeeded(db.engines[WRITE], account.email, request.remote_addr or "")
    return account


def accept(passkey: Passkey, challenge: str, answer: str) -> None:
    """Judge an answer and note that it was used. Raises: Invalid."""
    counter = judge_proof(Site.of(settings()), challenge, answer, passkey.public_key)
    passkeys.use(passkey, challenge, counter)


def sent_answer() -> str:
    answer = request.form.get("answer", "")
    if not answer:
        raise Invalid({"": _(NO_ANSWER)})
    return answer


def remember(purpose: str, challenge: str, handle: str = "") -> None:
    """Let this session answer a challenge, instead of an earlier one of the same purpose."""
    session[purpose] = {
        "challenge": challenge,
        "handle": handle,
        "until": utc_now().timestamp() + LIFE_SECONDS,
    }


def recall(purpose: str) -> tuple[str, str]:
    """The challenge that this session answers, and its handle. No second answer gets it.

    Raises: Invalid where there is none any more.
    """
    kept = session.pop(purpose, None)
    if kept is None or kept["until"] < utc_now().timestamp():
        raise Invalid({"": _(TOO_LATE)})
    return kept["challenge"], kept["handle"]
