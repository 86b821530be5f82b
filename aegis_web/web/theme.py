"""Light, dark or as the system: a cookie that the server reads, so that no page flashes."""

from flask import Blueprint, Flask, Response, current_app, request, url_for

from aegis_web.config import settings
from aegis_web.web.pages import go_to, local_path

COOKIE = "aegis_theme"
SYSTEM = "system"
THEMES = frozenset({"light", "dark", SYSTEM})
YEAR_SECONDS = 31_536_000

blueprint = Blueprint("theme", __name__)


def init_app(app: Flask) -> None:
    """Add the route of the switch and what templates ask."""
    app.register_blueprint(blueprint)
    app.add_template_global(theme, "theme")
    app.add_template_global(theme_url, "theme_url")


def theme() -> str:
    """The viewer's choice: light, dark or system."""
    chosen = request.cookies.get(COOKIE, SYSTEM)
    return chosen if chosen in THEMES else SYSTEM


def theme_url() -> str | None:
    """Where the switch posts to; None in an app without it."""
    return url_for("theme.choose") if "theme.choose" in current_app.view_functions else None


@blueprint.post("/theme")
def choose() -> Response:
    """Keep the choice, and go back to the page it was made on."""
    response = go_to(local_path(request.referrer) or "/")
    chosen = request.form.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            samesite="Lax",
            secure=settings().cookies_secure,
        )
    return response
