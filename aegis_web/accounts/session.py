"""Who is signed in on this request."""

from flask_security import current_user

from aegis_web.audit.models import Actor


def current_actor() -> Actor:
    """The signed-in person, as actions and the audit name them. Only behind the guard."""
    return Actor(current_user.email, current_user.id)
