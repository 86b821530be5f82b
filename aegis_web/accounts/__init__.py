"""Who may come in: accounts, the sign-in, the first start's link, and the guard of every route."""

from flask import Flask

from aegis_web.accounts import lean as _lean  # noqa: F401  (before all that is below)
from aegis_web.config import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Put the door on `app`: Flask-Security, cookies, trusted proxies and the guard.

    Call it after `csrf.init_app` and before any blueprint that has routes of its own hooks.
    """
    from aegis_web.accounts import guard, security

    security.init_app(app, settings)
    guard.init_app(app, settings)
