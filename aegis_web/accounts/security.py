"""Flask-Security as this product uses it: sign in, sign out, change the password; nothing else.

Every feature that is not wanted stays off, so that no route, command, token or cookie exists that
nobody asked for. Passwords are argon2id hashes of the password alone: no application key goes in,
so that rotating `SECRET_KEY` ends sessions but locks nobody out.
"""

from datetime import timedelta
from typing import Any

from flask import Flask, Response, g, request, session
from flask_security import (
    SQLAlchemyUserDatastore,
    UserMixin,
    password_changed,
    user_authenticated,
)
from sqlalchemy import bindparam, select

from aegis_web.accounts.forms import PasswordForm, SignInForm
from aegis_web.accounts.models import Account, Role
from aegis_web.accounts.passwords import Passwords
from aegis_web.accounts.second_step import SecondStep
from aegis_web.accounts.session import web_session
from aegis_web.accounts.session_interface import KeptSessions
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import Actor, AuditEntry, audit_entry
from aegis_web.config import Settings
from aegis_web.extensions import db, security, transaction
from aegis_web.language import N_, said
from aegis_web.web.pages import render

PASSWORD_MIN_LENGTH = 12

FEATURES: dict[str, Any] = {
    "CHANGEABLE": True,
    "FRESHNESS": timedelta(seconds=-1),  # else there is a /verify
    "STATIC_FOLDER": None,  # else there is a second static route
    "CLI_USERS_NAME": None,
    "CLI_ROLES_NAME": None,
    "LOGIN_URL": "/sign-in",
    "LOGOUT_URL": "/sign-out",
    "LOGOUT_METHODS": ["POST"],
    "CHANGE_URL": "/account/password",
    "POST_LOGIN_VIEW": "/",
    "POST_LOGOUT_VIEW": "/sign-in",
    "POST_CHANGE_VIEW": "/account",
    "LOGIN_USER_TEMPLATE": "accounts/sign_in.html",
    "CHANGE_PASSWORD_TEMPLATE": "accounts/password.html",
    "RETURN_GENERIC_RESPONSES": True,
    "SEND_PASSWORD_CHANGE_EMAIL": False,
    "PASSWORD_HASH": "argon2",
    "PASSWORD_SCHEMES": ["argon2"],
    # OWASP Password Storage Cheat Sheet: 19 MiB, so that many sign-ins at once fit into memory
    "PASSWORD_HASH_PASSLIB_OPTIONS": {
        "argon2__memory_cost": 19_456,
        "argon2__time_cost": 2,
        "argon2__parallelism": 1,
    },
    "PASSWORD_SINGLE_HASH": True,
    "PASSWORD_LENGTH_MIN": PASSWORD_MIN_LENGTH,
    # admin@nas.local is an address, and no name server is asked about anybody's
    "EMAIL_VALIDATOR_ARGS": {"globally_deliverable": False, "check_deliverability": False},
}

BY_UNIQUIFIER = select(Account).where(Account.fs_uniquifier == bindparam("fs_uniquifier"))

MESSAGES = {
    "GENERIC_AUTHN_FAILED": (N_("E-mail or password is wrong. Check both and try again."), "error"),
    "DISABLED_ACCOUNT": (N_("This account is switched off. Ask an administrator."), "error"),
    "EMAIL_NOT_PROVIDED": (N_("Enter your e-mail address."), "error"),
    "INVALID_EMAIL_ADDRESS": (
        N_("This is no e-mail address: it needs a name, an @ and a host, as in ann@example.org."),
        "error",
    ),
    "PASSWORD_NOT_PROVIDED": (N_("Enter the password."), "error"),
    "INVALID_PASSWORD": (N_("This is not your current password."), "error"),
    "PASSWORD_INVALID_LENGTH": (N_("Use at least 12 characters."), "error"),
    "PASSWORD_IS_THE_SAME": (N_("Choose a password that differs from the current one."), "error"),
    "RETYPE_PASSWORD_MISMATCH": (N_("The two passwords differ. Type the same one twice."), "error"),
    "PASSWORD_CHANGE": (N_("Password changed. Every other session has ended."), "success"),
}


class Accounts(SQLAlchemyUserDatastore):
    """Our accounts; each request asks for one by its session, with a statement made once."""

    def find_user(self, case_insensitive: bool = False, **wanted: Any) -> UserMixin | None:
        if wanted.keys() != {"fs_uniquifier"}:
            return super().find_user(case_insensitive, **wanted)
        found: Account | None = db.session.scalars(BY_UNIQUIFIER, wanted).unique().one_or_none()
        return found


def init_app(app: Flask, settings: Settings) -> None:
    """Set cookies and features, and bind Flask-Security to `app` over our own tables."""
    app.config.from_mapping(
        SESSION_COOKIE_NAME="__Host-aegis" if settings.cookies_secure else "aegis",
        SESSION_COOKIE_SECURE=settings.cookies_secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # a form lives as long as its session
        WTF_CSRF_SSL_STRICT=False,  # the guard judges Origin and Sec-Fetch-Site, not Referer
    )
    app.session_interface = KeptSessions(settings)
    app.config.update({f"SECURITY_{name}": value for name, value in FEATURES.items()})
    app.config.update({f"SECURITY_MSG_{name}": value for name, value in MESSAGES.items()})
    security._password_util_cls = Passwords  # otherwise only its constructor takes it
    security.init_app(
        app,
        Accounts(db, Account, Role),
        login_form=SignInForm,
        change_password_form=PasswordForm,
        render_template=_render,
    )
    security.two_factor_plugins = SecondStep()
    security.want_json(lambda _: False)
    app.login_manager.request_loader(lambda _: None)  # type: ignore[attr-defined]
    app.add_template_global(said, "said")
    user_authenticated.connect(_signed_in, app)
    password_changed.connect(_password_changed, app)


def _render(template: str, **context: Any) -> Response:
    """A form that comes back after a POST has been refused, and says so in its status."""
    wait = g.get("retry_after")
    status = 429 if wait else 422 if request.method == "POST" else 200
    response = render(template, status=status, **context)
    if wait:
        response.retry_after = wait
    return response


def _signed_in(_: Flask, user: Account, authn_via: list[str], **__: object) -> None:
    kept = web_session().kept
    if kept is None or kept.account_id != user.id:  # else forms in other tabs still count
        session.pop("csrf_token", None)
        g.pop("csrf_token", None)
    web_session().renewed = True  # OWASP: a new key each time
    if authn_via in (["password"], ["oidc"]):  # a second factor is told of with its code
        after = {"via": "oidc"} if "oidc" in authn_via else None
        with transaction() as writing:
            writing.add(_entry(user, "account.sign_in", after))


def _password_changed(_: Flask, user: Account, **__: object) -> None:
    end_sessions(db.session, user.id, but=web_session().number)
    db.session.add(_entry(user, "account.change_password"))  # Flask-Security commits both


def _entry(user: Account, action: str, after: dict[str, str] | None = None) -> AuditEntry:
    return audit_entry(Actor(user.email, user.id), action, f"account:{user.id}", None, after)
