"""The side bar: which places there are, and at which of them the viewer is."""

from dataclasses import dataclass

from flask import Flask, current_app, g, request
from flask_security import current_user

from aegis_web.accounts.rights import OF_ALL_JOBS, RIGHTS, Right
from aegis_web.language import N_, _
from aegis_web.web.addresses import url_for


@dataclass(frozen=True)
class Place:
    """One entry of the side bar."""

    title: str
    icon: str
    endpoint: str
    key: str  # the letter that leads there


@dataclass(frozen=True)
class Entry:
    """A place with its address, as the viewer sees it."""

    title: str
    icon: str
    url: str
    current: bool
    key: str


@dataclass(frozen=True)
class AccountLinks:
    """Where the account menu leads; None: not in this app."""

    account: str | None
    sign_out: str | None  # takes a POST


PLACES = (
    Place(N_("Overview"), "dashboard", "overview.index", "o"),
    Place(N_("Jobs"), "clock", "jobs.index", "j"),
    Place(N_("Runs"), "history", "runs.index", "r"),
    Place(N_("Failures"), "fail", "failures.index", "f"),
    Place(N_("Timeline"), "timeline", "timeline.index", "t"),
    Place(N_("Forecast"), "forecast", "forecast.index", "w"),
    Place(N_("Ledger"), "check", "ledger.index", "l"),
    Place(N_("Calendars"), "calendar", "calendars.index", "c"),
    Place(N_("Services"), "functions", "system.services", "s"),
    Place(N_("Backups"), "backups", "backups.index", "b"),
    Place(N_("Tokens"), "key", "tokens.index", "k"),
    Place(N_("Accounts"), "user", "accounts.everybody", "u"),
    Place(N_("Audit"), "shield", "audit.index", "a"),
    Place(N_("System"), "server", "system.index", "y"),
)
ACCOUNT = "accounts.index"
NEW_JOB = "jobs.new"
SIGN_OUT = "security.logout"
PALETTE = "palette.index"


def init_app(app: Flask) -> None:
    """Give templates the side bar."""
    app.add_template_global(navigation, "navigation")
    app.add_template_global(account_links, "account_links")
    app.add_template_global(home_url, "home_url")
    app.add_template_global(new_job_url, "new_job_link")
    app.add_template_global(palette_url, "palette_url")
    app.add_template_global(may_open, "may_open")


def navigation() -> list[Entry]:
    """The entries in their order; a place that this composition lacks is left out."""
    current = _current_place()
    return [
        Entry(_(place.title), place.icon, url, place is current, place.key)
        for place in PLACES
        if (url := _url(place.endpoint))
    ]


def _current_place() -> Place | None:
    """The place that the request is for, else the one that its blueprint belongs to."""
    if RIGHTS.get(request.endpoint or "") is Right.OWN:  # one's own account is none of them
        return None
    own = (place for place in PLACES if place.endpoint == request.endpoint)
    near = (place for place in reversed(PLACES) if _blueprint(place) == request.blueprint)
    return next(own, None) or next(near, None)


def _blueprint(place: Place) -> str:
    return place.endpoint.partition(".")[0]


def account_links() -> AccountLinks:
    """Where the account menu leads."""
    return AccountLinks(_url(ACCOUNT), _url(SIGN_OUT))


def home_url() -> str:
    """The first page."""
    return _url(PLACES[0].endpoint) or "/"


def new_job_url() -> str | None:
    """The form of a new job."""
    return _url(NEW_JOB)


def palette_url() -> str | None:
    """What the command palette asks."""
    return _url(PALETTE)


def _url(endpoint: str) -> str | None:
    """Its address; None where this app has no such page, or this reader may not open it."""
    if endpoint not in current_app.view_functions:
        return None
    return url_for(endpoint) if may_open(endpoint) else None


def may_open(endpoint: str) -> bool:
    """Whether this page is open to the reader; before the sign-in: it might be."""
    if "_login_user" not in g or not current_user.is_authenticated:
        return True
    if endpoint in OF_ALL_JOBS and current_user.sees is not None:
        return False
    return bool(current_user.right >= RIGHTS.get(endpoint, Right.OWN))
