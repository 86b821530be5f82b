"""A page or its fragment, and where to go after a write. The only reader of htmx's headers."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
)
from flask_security import current_user

from aegis_web.extensions import db

EACH_PAGE = "aegis.each_page"  # functions that give values to every page


def is_htmx() -> bool:
    """Whether htmx sent this request, be it for a fragment or for a whole page."""
    return request.headers.get("HX-Request") == "true"


def is_program() -> bool:
    """Whether a program with a token asks, which reads JSON."""
    return "program" in g


def wants_fragment() -> bool:
    """Whether htmx will swap the answer into a part of a page."""
    headers = request.headers
    return (
        is_htmx()
        and headers.get("HX-Request-Type") != "full"
        and "HX-Boosted" not in headers
        and "HX-History-Restore-Request" not in headers
    )


def render(
    page: str,
    fragment: str | None = None,
    status: int = 200,
    address: str | None = None,
    **context: Any,
) -> Response:
    """The page as an answer, or its fragment where htmx asks for one.

    After a form that filters, the browser shows `address`: the same without empty fields.

    The read session is closed before the template renders, so `context` holds values that need no
    further query. Messages flashed by a write travel along with its fragment.
    """
    partial = fragment is not None and wants_fragment()
    if not partial:
        for read in current_app.extensions.get(EACH_PAGE, ()):
            context |= read()
    finish_reading()
    text = render_template(fragment if partial and fragment else page, **context)
    if partial and request.method != "GET" and session.get("_flashes"):
        text += render_template("_flash.html", oob=True)
    response = make_response(text, status)
    response.vary.add("HX-Request")
    if partial and address and "" in request.args.values():
        response.headers["HX-Replace-Url"] = address
    return response


def on_each_page(app: Flask, read: Callable[[], dict[str, Any]]) -> None:
    """Let `read` give values to the template of every page; it may query."""
    app.extensions.setdefault(EACH_PAGE, []).append(read)


def finish_reading() -> None:
    """End the request's read transaction; who is signed in stays known."""
    _ = current_user.is_authenticated  # loads the account while it still can be
    db.session.close()


def go_to(url: str) -> Response:
    """Send the browser on to `url` with GET.

    A fetch would follow a redirect by itself and swap the page that it finds into a fragment's
    place; htmx is therefore told in a header to let the browser go there.
    """
    if is_htmx():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = url
        return response
    return make_response(redirect(url, 303))


def go_back(*, reload: bool = True) -> Response:
    """Send the browser back to the page it came from, which htmx need not `reload`."""
    if is_htmx():
        response = make_response("", 204)
        if reload:
            response.headers["HX-Refresh"] = "true"
        return response
    return go_to(local_path(request.referrer) or "/")


def local_path(url: str | None) -> str | None:
    """Path and query of `url`, wherever it points: safe to redirect to. None if it has none."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an address with half an IPv6 host
        return None
    path = "/" + parts.path.replace("\\", "/").lstrip("/")
    return f"{path}?{parts.query}" if parts.query else path
