"""The forms of the door: sign in, change the password, make the first administrator."""

import logging
from math import ceil
from typing import Any

from flask import g, request
from flask_security import ChangePasswordForm, LoginForm, current_user, verify_password
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import EqualTo, InputRequired, Length

from aegis_web.accounts.actions import PASSWORD_MAX_LENGTH
from aegis_web.accounts.attempts import half_done, reserve, succeeded, time_left
from aegis_web.accounts.second_factor import find_factor
from aegis_web.database import WRITE
from aegis_web.errors import Invalid
from aegis_web.extensions import db, security
from aegis_web.language import N_, _
from aegis_web.web.formats import duration

log = logging.getLogger(__name__)

NOT_LONGER = Length(max=PASSWORD_MAX_LENGTH, message=N_("Use at most 1000 characters."))
FAILED_OFTEN = N_("Too many tries have failed. Try again in %(time)s.")
ASKED_OFTEN = N_("You have asked often. Try again in %(time)s.")
SAME_TWICE = N_("The two passwords differ. Type the same one twice.")


class SignInForm(LoginForm):
    """E-mail and password. There is no "remember me": a session ends when nobody uses it."""

    remember = None
    password = PasswordField("Password", [InputRequired(N_("Enter the password.")), NOT_LONGER])

    def validate(self, **kwargs: Any) -> bool:
        if wait := wait_before_trying(self.email.data, self.password.data):
            self.form_errors = [wait]
            return False
        if super().validate(**kwargs):
            assert self.user is not None
            db.session.commit()  # the password's hash may be a stronger one now
            password_was_right(self.user.id, self.email.data or "")
            return True
        log.warning("sign-in refused, from %s", request.remote_addr)
        return False


class PasswordForm(ChangePasswordForm):
    """The current password, whose guesses are slowed down too, and the new one twice."""

    password = PasswordField(
        "Current password", [InputRequired(N_("Enter your current password.")), NOT_LONGER]
    )
    new_password = PasswordField(
        "New password", [InputRequired(N_("Enter the new password.")), NOT_LONGER]
    )
    new_password_confirm = PasswordField(
        "New password, once more", [EqualTo("new_password", SAME_TWICE)]
    )

    def validate(self, **kwargs: Any) -> bool:
        if wait := wait_before_trying(current_user.email, self.password.data):
            self.form_errors = [wait]
            return False
        valid = bool(super().validate(**kwargs))
        if not current_user.password:  # Flask-Security would take any
            self.password.errors = [_("This is not your current password.")]
            return False
        if not self.password.errors:
            succeeded(db.engines[WRITE], current_user.email, request.remote_addr or "")
        return valid


class OwnPasswordForm(FlaskForm):
    """The current password once more, before what weighs much; guesses are slowed down."""

    password = PasswordField(
        "Current password", [InputRequired(N_("Enter your current password.")), NOT_LONGER]
    )

    def validate(self, **kwargs: Any) -> bool:
        if not super().validate(**kwargs):
            return False
        if wait := wait_before_trying(current_user.email, self.password.data):
            self.form_errors = [wait]
            return False
        typed = security.password_util.normalize(self.password.data)
        if not current_user.password or not verify_password(typed, current_user.password):
            self.password.errors = [N_("This is not your current password.")]
            log.warning("a password was refused, from %s", request.remote_addr)
            return False
        password_was_right(current_user.id, current_user.email)
        return True


def password_was_right(account_id: int, email: str) -> None:
    """Take the try back; failures are forgotten only where no second factor is guessed at."""
    taken_back = half_done if find_factor(account_id) else succeeded
    taken_back(db.engines[WRITE], email, request.remote_addr or "")


def wait_before_trying(email: str | None, password: str | None) -> str | None:
    """Why this try must wait, as a sentence; None: it may go on, and has been counted."""
    return wait_for(email) if email and password else None


def wait_for(what: str, words: str = FAILED_OFTEN) -> str | None:
    """`words` with how long this address must wait before it tries `what`; None: it is counted."""
    address = request.remote_addr or ""
    wait = time_left(db.engines[None], what, address) or reserve(db.engines[WRITE], what, address)
    if not wait:
        return None
    g.retry_after = ceil(wait.total_seconds())
    log.warning("sign-in slowed down, from %s", address)
    return _(words, time=duration(g.retry_after))


class ChoosePasswordForm(FlaskForm):
    """A password, twice; the action judges it."""

    password = PasswordField("Password", [InputRequired(N_("Enter a password."))])
    password_again = PasswordField("Password, once more", [EqualTo("password", SAME_TWICE)])


class SetUpForm(FlaskForm):
    """The first administrator's e-mail and password; the action judges both."""

    email = EmailField("E-mail", [InputRequired(N_("Enter your e-mail address."))])
    password = PasswordField("Password", [InputRequired(N_("Enter a password."))])
    password_again = PasswordField("Password, once more", [EqualTo("password", SAME_TWICE)])


def show_errors(form: FlaskForm, invalid: Invalid) -> None:
    """Let the fields of a form say what the action has refused."""
    for field, message in invalid.errors.items():
        form[field].errors = [message]
