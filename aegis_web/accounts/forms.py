"""The forms of the door: sign in, change the password, make the first administrator."""

import logging
from typing import Any

from flask import request
from flask_security import ChangePasswordForm, LoginForm
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import EqualTo, InputRequired, Length

from aegis_web.accounts.actions import PASSWORD_MAX_LENGTH

log = logging.getLogger(__name__)

NOT_LONGER = Length(
    max=PASSWORD_MAX_LENGTH, message=f"Use at most {PASSWORD_MAX_LENGTH} characters."
)
SAME_TWICE = "The two passwords differ. Type the same one twice."


class SignInForm(LoginForm):
    """E-mail and password. There is no "remember me": a session ends when nobody uses it."""

    remember = None
    password = PasswordField("Password", [InputRequired("Enter the password."), NOT_LONGER])

    def validate(self, **kwargs: Any) -> bool:
        if super().validate(**kwargs):
            return True
        log.warning("sign-in refused, from %s", request.remote_addr)
        return False


class PasswordForm(ChangePasswordForm):
    """The current password, and the new one twice."""

    password = PasswordField(
        "Current password", [InputRequired("Enter your current password."), NOT_LONGER]
    )
    new_password = PasswordField(
        "New password", [InputRequired("Enter the new password."), NOT_LONGER]
    )
    new_password_confirm = PasswordField(
        "New password, once more", [EqualTo("new_password", SAME_TWICE)]
    )


class SetUpForm(FlaskForm):
    """The first administrator's e-mail and password; the action judges both."""

    email = EmailField("E-mail", [InputRequired("Enter your e-mail address.")])
    password = PasswordField("Password", [InputRequired("Enter a password.")])
    password_again = PasswordField("Password, once more", [EqualTo("password", SAME_TWICE)])
