"""Who is signed in on this request, and by which session."""

from typing import cast

from flask import session
from flask_security import current_user

from aegis_web.accounts.session_interface import WebSession
from aegis_web.audit.models import Actor


def current_actor() -> Actor:
    """The signed-in person, as actions and the audit name them. Only behind the guard."""
    return Actor(current_user.email, current_user.id)


def web_session() -> WebSession:
    """The session of this request."""
    return cast(WebSession, session)


def number_of_session() -> int:
    """The row of the session that sent this request. Only behind the guard."""
    number = web_session().number
    assert isinstance(number, int)
    return number
