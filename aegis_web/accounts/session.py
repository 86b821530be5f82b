"""Who is signed in on this request, and by which session."""

from flask import session
from flask_security import current_user

from aegis_web.audit.models import Actor


def current_actor() -> Actor:
    """The signed-in person, as actions and the audit name them. Only behind the guard."""
    return Actor(current_user.email, current_user.id)


def number_of_session() -> int:
    """The row of the session that sent this request. Only behind the guard."""
    number = session.number  # type: ignore[attr-defined]  # a WebSession
    assert isinstance(number, int)
    return number
