"""The time between the right password and the second factor: a mark of five minutes, no session.

The mark stands in the cookie of a stranger, which opens nothing. It is signed for this purpose, and
dies with the password of the account.
"""

from typing import cast

from flask import Response, current_app, request, session, url_for
from flask_security import UserMixin
from flask_security.tf_plugin import TfPlugin
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select

from aegis_web.accounts.guard import is_local_path
from aegis_web.accounts.models import Account
from aegis_web.accounts.second_factor import find_factor
from aegis_web.extensions import db
from aegis_web.web.pages import go_to

MARK = "second_step"
LIFE_SECONDS = 300


class SecondStep(TfPlugin):
    """Flask-Security's question, after a right password, whether that is enough."""

    def tf_enter(
        self,
        user: UserMixin,
        remember_me: bool | None,
        primary_authn_via: str,
        next_loc: str | None,
    ) -> Response | None:
        return ask_for_second_step(cast(Account, user))


def ask_for_second_step(account: Account) -> Response | None:
    """The way to the page that asks for the second factor; None: this account has none."""
    if find_factor(account.id) is None:
        return None
    session[MARK] = serializer().dumps(account.fs_uniquifier)
    return go_to(url_for("accounts.second_step", next=wanted()))


def half_signed_in() -> Account | None:
    """Who has given the right password within five minutes, and no second factor yet."""
    try:
        uniquifier = serializer().loads(session.get(MARK, ""), max_age=LIFE_SECONDS)
    except BadSignature:
        return None
    who = select(Account).where(Account.fs_uniquifier == uniquifier, Account.active)
    account = db.session.scalars(who).unique().one_or_none()
    return account if account and find_factor(account.id) else None


def wanted() -> str | None:
    """The page of ours that the person was on the way to."""
    path = request.values.get("next", "")
    return path if is_local_path(path) else None


def serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(cast(str, current_app.secret_key), salt="aegis second step")
