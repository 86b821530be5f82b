"""The guard of every route: closed by default, open by one explicit list.

Before any view, and before the check of CSRF tokens, a request must name a host that is ours, come
over a connection that is safe enough, not be a write sent from another site, and carry the session
of an active account. What is refused gets a plain page that says what to do.
"""

import logging
import re
from ipaddress import ip_address
from shutil import disk_usage
from tempfile import gettempdir

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.middleware.proxy_fix import ProxyFix

from aegis_web.accounts.queries import administrator_exists
from aegis_web.accounts.rights import OF_ALL_JOBS, ROLE_WORDS, Right, right_for, role_with
from aegis_web.accounts.session import web_session
from aegis_web.config import Settings, is_loopback, settings
from aegis_web.extensions import db
from aegis_web.jobs.sight import look_through
from aegis_web.language import _
from aegis_web.tokens.actions import note_use, open_token
from aegis_web.tokens.scopes import ROUTES
from aegis_web.web.pages import is_htmx, local_path

HEALTH_ROUTES = frozenset({"system.healthz", "system.readyz"})  # one word; asked by address
SET_UP_ROUTES = frozenset({"accounts.set_up", "accounts.set_up_link"})
LINK_ROUTES = frozenset({"accounts.choose_password"})  # the address itself is the secret
FORGOTTEN_ROUTES = frozenset({"accounts.forgotten", "accounts.mail_link"})
STEP_ROUTES = frozenset({"accounts.second_step"})  # nothing without the password before it
SIGN_ON_ROUTES = frozenset({"accounts.single_sign_on", "accounts.single_sign_on_back"})
PASSKEY_ROUTES = frozenset({"accounts.passkey_challenge", "accounts.sign_in_by_passkey"})
UPLOAD_ROUTES = frozenset({"backups.upload"})  # their bodies may be large
SPARE_BYTES = 64 * 1024 * 1024  # of the disk, which an upload leaves free
FEED_ROUTES = frozenset({"feeds.calendar"})  # the address itself is the secret; read only
OPEN_ROUTES = (
    frozenset({"security.login", "static"})
    | SET_UP_ROUTES
    | LINK_ROUTES
    | FORGOTTEN_ROUTES
    | STEP_ROUTES
    | HEALTH_ROUTES
    | SIGN_ON_ROUTES
    | PASSKEY_ROUTES
    | FEED_ROUTES
)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"same-origin", "none"})  # none: typed into the address bar
PORT = re.compile(r":\d+$")
log = logging.getLogger(__name__)
LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def init_app(app: Flask, settings: Settings) -> None:
    """Trust as many proxies as `settings` say, and put the guard before everything else."""
    if hops := settings.proxy_hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    app.before_request_funcs.setdefault(None, []).insert(0, guard)
    app.add_template_global(plain_http, "plain_http")
    app.add_template_global(may, "may")


def guard() -> ResponseReturnValue | None:
    """The answer to a request that may not go on; None: it may."""
    if request.endpoint in HEALTH_ROUTES:
        return None
    refuse_foreign_host()
    refuse_plain_http()
    refuse_other_sites()
    refuse_blindness()
    if request.authorization and request.authorization.type == "bearer":
        accept_token(request.authorization.token or "")
        return None
    return refuse_odd_sign_in() or require_account()


def refuse_foreign_host() -> None:
    """400 where the Host header names none of our hosts."""
    if is_our_host(request.host):
        return
    abort(
        400,
        _(
            "This server does not answer to the host name in the address. Use the address that "
            "your administrator gave you. Administrators: list the host name in "
            "AEGIS_ALLOWED_HOSTS, or set AEGIS_PUBLIC_URL."
        ),
    )


def is_our_host(host: str) -> bool:
    """Whether the settings name `host` (a Host header, port and all), IPv6 addresses included."""
    trusted = settings().trusted_hosts
    name = PORT.sub("", host.lower())
    return trusted is None or any(
        name == ours.lower() or (ours.startswith(".") and f".{name}".endswith(ours.lower()))
        for ours in trusted
    )


def refuse_plain_http() -> None:
    """403 where passwords would travel unencrypted and nobody has allowed that."""
    if settings().allow_http or not leaves_the_machine():
        return
    abort(
        403,
        _(
            "This connection is not encrypted, so passwords could be read on the way. Open the "
            "https address instead. Administrators: serve it by https and set AEGIS_PUBLIC_URL to "
            "that address and AEGIS_PROXY_HOPS to the number of proxies in front; or accept the "
            "risk with AEGIS_ALLOW_HTTP=1."
        ),
    )


def refuse_other_sites() -> None:
    """403 where the browser says that another site sent this write.

    Source: OWASP CSRF Prevention Cheat Sheet, "Fetch Metadata headers".
    """
    if request.method in SAFE_METHODS or sent_from_here():
        return
    abort(
        403,
        _(
            "The browser says that another site sent this form, so nothing was changed. Open the "
            "page here and send it again. Administrators: if this is your own address, set "
            "AEGIS_PUBLIC_URL to it and AEGIS_PROXY_HOPS to the number of proxies in front."
        ),
    )


def sent_from_here() -> bool:
    """What Sec-Fetch-Site, else Origin, says; a client that sends neither is no browser."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site in OWN_SITES
    origin = request.headers.get("Origin")
    return origin is None or origin == request.host_url.rstrip("/")


def refuse_blindness() -> None:
    """Raise what kept the session from being looked up: nobody is a stranger because of that."""
    if problem := web_session().problem:
        raise problem


def refuse_odd_sign_in() -> ResponseReturnValue | None:
    """Keep JSON and addresses elsewhere away from Flask-Security's views."""
    if request.blueprint != "security":
        return None
    if request.is_json:
        abort(415, _("Send this as a form."))
    if all(is_local_path(path) for path in request.values.getlist("next") if path):
        return None
    return redirect(url_for("security.login"), 303)


def accept_token(text: str) -> None:
    """Let a program act as the account of its token, within the token's scopes; 401 or 403 else."""
    g.program = True
    token = open_token(db.session, text)
    if token is None:
        log.warning("a token was refused, from %s", request.remote_addr)
        abort(401, _("This token does not work: it is unknown, has run out or was revoked."))
    needed = right_for(request.endpoint or "", request.values)
    if needed is None or ROUTES.get(request.endpoint or "") not in token.scopes:
        abort(403, _("The scopes of this token do not reach here."))
    current_app.login_manager._update_request_context_with_user(token.account)  # type: ignore[attr-defined]
    refuse_below(needed)
    narrow_sight()
    g.token = token.prefix
    note_use(token, request.remote_addr or "")


def require_account() -> ResponseReturnValue | None:
    """The way in for whoever has no session: set-up first, then sign-in."""
    if request.endpoint == "static" or request.endpoint in SET_UP_ROUTES | LINK_ROUTES:
        return None
    if not administrator_exists():
        return send_to(url_for("accounts.set_up"))
    if request.endpoint in OPEN_ROUTES:
        return None
    if not current_user.is_authenticated:
        return send_to(url_for("security.login", next=wanted_path()))
    require_right()
    note_activity()
    return None


def require_right() -> None:
    """403 where the role of the account does not reach; a route without a right is closed."""
    if request.endpoint is None:  # there is no such address, or not by this method
        return
    large = request.endpoint in UPLOAD_ROUTES
    needed = right_for(request.endpoint, MultiDict() if large else request.values)
    if needed is None:
        raise LookupError(f"the route {request.endpoint} has no right in accounts/rights.py")
    refuse_below(needed)
    narrow_sight()
    if large:  # what a stranger sends there is not even read
        request.max_content_length = room_for_upload()


def room_for_upload() -> int:
    """How many bytes an upload may have; 413 where this one has more."""
    room = max(disk_usage(gettempdir()).free - SPARE_BYTES, 0)
    if (request.content_length or 0) > room:
        text = _(
            "A file of that size has no room on this machine: make room in %(folder)s, or copy the "
            "file to the machine and run `flask --app app backups restore FILE`.",
            folder=gettempdir(),
        )
        abort(413, text)
    return room


def refuse_below(needed: Right) -> None:
    """403 with the role that it takes, where this account's right is less than `needed`."""
    if current_user.right < needed:
        role = _(ROLE_WORDS[role_with(needed)])
        abort(
            403,
            _("This takes the role %(role)s. An administrator can give it to you.", role=role),
        )


def narrow_sight() -> None:
    """Let a restricted account see its jobs alone; 403 where something is about all jobs."""
    tags = current_user.sees
    if tags is not None and request.endpoint in OF_ALL_JOBS:
        abort(
            403,
            _(
                "This is about all jobs, and your account sees only those with the tags %(tags)s. "
                "An administrator can do it, or let you see all jobs.",
                tags=", ".join(tags),
            ),
        )
    look_through(tags, current_user.email)


def may(right: str) -> bool:
    """Whether the reader of this page may "read", "operate", "edit" or "admin"."""
    if "right" not in g:  # a list asks for each of its rows
        g.right = current_user.right if current_user.is_authenticated else Right.OWN
    return bool(g.right >= Right[right.upper()])


def send_to(url: str) -> ResponseReturnValue:
    """A redirect; for htmx a 401 that sends the whole page there, so that no part swaps it in."""
    if not is_htmx():
        return redirect(url, 303)
    return Response(_("Sign in to go on."), 401, {"HX-Redirect": url}, mimetype="text/plain")


def wanted_path() -> str | None:
    """Where to go after the sign-in: the page that the person wanted to see or is looking at."""
    if is_htmx():
        path = local_path(request.headers.get("HX-Current-URL"))
    else:
        path = request.full_path.rstrip("?") if request.method in SAFE_METHODS else None
    return path if path and path != "/" and is_local_path(path) else None


def is_local_path(path: str) -> bool:
    """Whether `path` can only lead to a page of ours, whatever browsers make of odd characters."""
    return LOCAL_PATH.fullmatch(path) is not None


def note_activity() -> None:
    """Note that a person has used the session; polls and streams do not count."""
    if request.method in SAFE_METHODS and (is_htmx() or request.blueprint == "live"):
        return
    web_session().used = True


def plain_http() -> bool:
    """Whether this page crosses a network unencrypted, as allowed; pages then say so."""
    return leaves_the_machine() and settings().allow_http


def leaves_the_machine() -> bool:
    """Whether the request came without encryption and not from this machine to itself."""
    if request.is_secure:
        return False
    return not (is_loopback_address(request.remote_addr) and is_loopback(request.host))


def is_loopback_address(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False
