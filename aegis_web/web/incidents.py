"""A number for each request that was refused or failed: the page shows it, and the log has it.

The log gets one line without anything that was typed, and without addresses that are secrets.
"""

import logging
import re
import secrets

from flask import Flask, Response, g, request

log = logging.getLogger(__name__)

HEADER = "X-Incident"
LONGEST = 200  # characters of an address that no route has
SECRET = re.compile(r"(/(?:password|set-up|feeds)/).+", re.IGNORECASE | re.DOTALL)  # mistyped ones


def init_app(app: Flask) -> None:
    """Note every refusal of `app`."""
    app.after_request(note_refusal)


def incident() -> str:
    """The number of this request, made when first asked for."""
    if "incident" not in g:
        g.incident = secrets.token_hex(4)
    return str(g.incident)


def note_refusal(response: Response) -> Response:
    """`response`; one that refuses is noted, but for the way to the sign-in."""
    if 400 <= response.status_code < 500 and "HX-Redirect" not in response.headers:
        response.headers[HEADER] = incident()
        log.warning(
            "incident %s: %s %s by %s was refused with %s",
            incident(),
            request.method,
            where(),
            who(),
            response.status_code,
        )
    return response


def who() -> str:
    """The number of the account, else the address that a request came from."""
    account = getattr(g, "_login_user", None)  # never looked up for this: the database may be away
    number = getattr(account, "id", None)
    return str(request.remote_addr) if number is None else f"account {number}"


def where() -> str:
    """The address, with what stands in it only where that is a number."""
    if request.url_rule is None:
        return ascii(SECRET.sub(r"\1...", request.path)[:LONGEST])
    text = request.url_rule.rule
    for name, value in (request.view_args or {}).items():
        if isinstance(value, int):
            text = re.sub(rf"<[^<>]*\b{name}>", str(value), text)
    return text
