"""How the viewer wants this page to look: as the account keeps it, else as the browser says.

The theme is a cookie too, so that pages before the sign-in have it, and none flashes.
"""

from typing import cast

from flask import Flask, Response, current_app, g, request, url_for
from flask_security import current_user

from aegis_web.accounts.preferences import CHOICES, LABELS, Preferences
from aegis_web.config import settings

THEME_COOKIE = "aegis_theme"
SYSTEM = "system"
YEAR_SECONDS = 31_536_000
CHANGE = "accounts.change_preferences"


def init_app(app: Flask) -> None:
    """Give templates what the viewer chose, and what there is to choose."""
    app.add_template_global(preferences, "preferences")
    app.add_template_global(theme, "theme")
    app.add_template_global(preferences_url, "preferences_url")
    app.jinja_env.globals.update(preference_choices=CHOICES, preference_labels=LABELS)


def preferences() -> Preferences:
    """What the account of this request keeps; the usual where nobody has signed in."""
    kept: Preferences | None = g.get("preferences")  # first: pages ask a thousand times
    if kept is not None:
        return kept
    if "_login_user" not in g:  # nobody asked yet who it is: an error page must not start to
        return Preferences()
    account = current_user if current_user.is_authenticated else None
    g.preferences = Preferences.of(account) if account else Preferences()
    return cast(Preferences, g.preferences)


def theme() -> str:
    """The viewer's theme: light, dark or system."""
    chosen = preferences().theme or request.cookies.get(THEME_COOKIE, SYSTEM)
    return chosen if chosen in CHOICES["theme"] else SYSTEM


def remember_theme(response: Response, chosen: str) -> None:
    """Let the browser keep the theme for pages before the sign-in."""
    response.set_cookie(
        THEME_COOKIE,
        chosen,
        max_age=YEAR_SECONDS,
        samesite="Lax",
        secure=settings().cookies_secure,
    )


def preferences_url() -> str | None:
    """Where a choice is posted to; None in an app without accounts."""
    return url_for(CHANGE) if CHANGE in current_app.view_functions else None
