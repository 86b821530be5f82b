"""A fresh sign-in before what weighs much: who asks for it has proven a moment ago who they are.

Confirming is signing in once more: by the password, and the second factor where the account has
one, by a passkey, or by the provider of single sign-on. The session goes on under another key.
Source: OWASP Session Management Cheat Sheet; ASVS 5.0, 7.2.4 and 7.5.3.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from flask import Response, flash, g, request, session, url_for
from flask_security import current_user, login_user

from aegis_web.accounts import single_sign_on
from aegis_web.accounts.addresses import FIRST_PAGE, bp
from aegis_web.accounts.forms import OwnPasswordForm
from aegis_web.accounts.models import Account
from aegis_web.accounts.passkeys import has_passkeys
from aegis_web.accounts.second_factor import find_factor
from aegis_web.accounts.second_factor_views import accept_second_factor, refusal
from aegis_web.accounts.second_step import wanted
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.language import _
from aegis_web.web.pages import go_to, is_program, render

FRESH = timedelta(minutes=10)
PROVEN_AT = "fs_paa"  # Flask-Security's name for the last proof in a session, in epoch seconds
TYPED = "typed"  # in the session: what a form held when its person was asked
WAYS_IN = {  # routes that hand out, or take away, a way into somebody's account
    "accounts.new_link",
    "accounts.turn_off_second_factor_of",
    "accounts.remove_passkeys_of",
    "accounts.disconnect_other",
}
MOST_TYPED = 10_000  # characters: no form that is kept takes more


def ask_for_fresh_sign_in(back: str, keep: tuple[str, ...] = ()) -> Response | None:
    """The way to the page that asks who it is, which leads on to `back`; None: no need to ask.

    Before a POST, `back` is the page with its form, which gets the fields of `keep` again from
    `typed_before`. A program with a token is never asked.
    """
    if is_program() or is_fresh():
        return None
    fields = {name: request.form[name] for name in keep if name in request.form}
    if fields and sum(map(len, fields.values())) <= MOST_TYPED:
        until = (utc_now() + FRESH).timestamp()
        session[TYPED] = {"back": back, "fields": fields, "until": until}
    return go_to(url_for("accounts.confirm", next=back))


@bp.before_request
def ask_before_a_way_in() -> Response | None:
    """The way to the page that asks who it is, before a way into somebody's account changes."""
    if request.endpoint not in WAYS_IN or request.view_args is None:
        return None
    asked = ask_for_fresh_sign_in(url_for("accounts.show", id=request.view_args["id"]))
    if asked:
        flash(_("Nothing is changed yet. Confirm that it is you, then do it again."), "info")
    return asked


def typed_before() -> Mapping[str, str]:
    """What the form of this page held when its person was asked, once, and a word about it."""
    kept, here = session.get(TYPED), request.script_root + request.path
    if request.method != "GET" or not kept or kept["back"] != here or not is_fresh():
        return {}
    if kept["until"] < utc_now().timestamp():
        session.pop(TYPED)
        return {}
    fields: Mapping[str, str] = session.pop(TYPED)["fields"]
    flash(_("Nothing is changed yet. What you typed is in the form: send it once more."), "info")
    return fields


def is_fresh() -> bool:
    """Whether this session's last proof of identity is at most `FRESH` old."""
    age: float = utc_now().timestamp() - session.get(PROVEN_AT, 0)
    return abs(age) <= FRESH.total_seconds()  # the clocks of two machines may differ a little


@bp.route("/account/confirm", methods=["GET", "POST"])
def confirm() -> Response:
    """Ask who has signed in to prove once more that it is them."""
    form, errors = OwnPasswordForm(), dict[str, str]()
    account = cast(Account, current_user._get_current_object())
    factor = find_factor(account.id)
    if form.validate_on_submit():
        try:
            if factor:
                accept_second_factor(account)
        except Invalid as invalid:
            errors = invalid.errors
        else:
            login_user(account, authn_via=["password", "second factor"] if factor else ["password"])
            db.session.commit()
            return go_to(wanted() or FIRST_PAGE)
    return confirm_page(form, errors)


def confirm_page(form: OwnPasswordForm, errors: dict[str, str]) -> Response:
    """The page that asks; after a POST it has refused something."""
    account = cast(Account, current_user._get_current_object())
    response = render(
        "accounts/confirm.html",
        status=refusal() if request.method == "POST" else 200,
        form=form,
        errors=errors,
        account=account,
        factor=find_factor(account.id),
        by_passkey=settings().passkeys and has_passkeys(account.id),
        sign_on=single_sign_on.card(account),
        minutes=FRESH // timedelta(minutes=1),
        wanted=wanted(),
    )
    response.retry_after = g.get("retry_after")
    return response
