"""Signing in through the provider, and connecting one's account with it."""

import logging
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flask import Response, current_app, flash, g, request, session, url_for
from flask_security import current_user, login_user

from aegis_web.accounts import identities
from aegis_web.accounts.addresses import FIRST_PAGE, ID, address_of, bp
from aegis_web.accounts.attempts import half_done
from aegis_web.accounts.forms import OwnPasswordForm, SignInForm, wait_for
from aegis_web.accounts.identities import Person, Refused, identity_of, person_of
from aegis_web.accounts.models import Account
from aegis_web.accounts.rights import ROLE_WORDS
from aegis_web.accounts.second_factor import find_factor
from aegis_web.accounts.second_step import wanted
from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.database import WRITE
from aegis_web.errors import Conflict, NotFound
from aegis_web.extensions import db
from aegis_web.language import N_, _
from aegis_web.web.pages import go_to, render

if TYPE_CHECKING:
    from aegis_web.accounts.provider import Provider

VISIT, OFFER = "sign_on_visit", "sign_on_offer"  # in the session
NOBODY = ""  # in whose name one comes back: whose it is is not known yet
LONGEST_PATH = 1000  # a longer one would not fit into a cookie
OFFER_SECONDS = 600
PROOF_SECONDS = 600  # how old what the provider calls a fresh sign-in may be
SOMEBODY_ELSE = N_(
    "The sign-in provider says that you are somebody else than whose account this is. Sign out "
    "there and try again."
)
NOT_ASKED = N_(
    "The sign-in provider has not asked again who you are. Sign out there and try again."
)
LOGGED = 500  # characters

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """Single sign-on on the page of an account."""

    name: str
    email: str | None  # of who opens the account at the provider; None: nobody
    can_end: bool


@bp.app_template_global("single_sign_on_name")
def name() -> str | None:
    """What people call the provider; None where single sign-on is off."""
    return (settings().oidc_name or _("single sign-on")) if settings().oidc_issuer else None


def card(account: Account) -> Card | None:
    """How it stands with an account. One query where it is on."""
    called, issuer = name(), settings().oidc_issuer
    if called is None or issuer is None:
        return None
    identity = identity_of(account.id, issuer)
    email = None if identity is None else identity.email
    return Card(called, email, account.password is not None)


@bp.get("/sign-in/sso")
def single_sign_on() -> Response:
    """Send a stranger to the provider."""
    asked = provider()
    if current_user.is_authenticated:
        return go_to(FIRST_PAGE)
    path = wanted() or FIRST_PAGE
    return leave(asked, {"next": path if len(path) <= LONGEST_PATH else FIRST_PAGE})


@bp.get("/account/confirm/single-sign-on")
def confirm_by_single_sign_on() -> Response:
    """Send who must prove once more who they are to the provider, where that is enough."""
    asked = provider()
    if find_factor(current_user.id) or identity_of(current_user.id, asked.issuer) is None:
        raise Conflict(_("This account is confirmed by its password."))
    visit = {"confirm": current_user.id, "next": wanted() or FIRST_PAGE}
    return leave(asked, visit, again=True)


@bp.get("/account/single-sign-on")
def connect() -> Response:
    """Send whoever wants their account connected to the provider."""
    return leave(provider(), {"account": current_user.id})


@bp.get("/sign-in/sso/back")
def single_sign_on_back() -> Response:
    """Let in whom the provider vouches for, or say why not."""
    asked, visit = provider(), session.pop(VISIT, {})
    if visit and (wait := wait_for(NOBODY)):  # without one nobody is asked, and nothing counts
        return refuse(Refused(wait, 429), visit)
    try:
        try:
            claims = asked.finish()
            person = person_of(claims, asked.issuer, asked.claim, settings().oidc_roles)
        except Refused as refused:
            if visit and refused.status == 502:  # no fault of who comes back
                uncount()
            raise
        if visit:
            uncount()
        if "account" in visit:
            return offer(person, visit["account"])
        if "confirm" in visit:
            require_proof(person, claims.get("auth_time"), visit["confirm"])
        account = identities.sign_in(person)
    except Refused as refused:
        return refuse(refused, visit)
    login_user(account, authn_via=["oidc"])
    return go_to(visit.get("next", FIRST_PAGE))


def uncount() -> None:
    """Take back the try that `wait_for` has counted."""
    half_done(db.engines[WRITE], NOBODY, request.remote_addr or "")


@bp.route("/account/single-sign-on/confirm", methods=["GET", "POST"])
def confirm_connection() -> Response:
    """Connect the account with who was at the provider, for whoever knows its password."""
    offered, form = session.get(OFFER, {}), OwnPasswordForm()
    if offered.get("until", 0) < utc_now().timestamp():
        session.pop(OFFER, None)
        flash(_("That took longer than ten minutes. Begin again."), "danger")
        return go_to(url_for("accounts.index"))
    person = Person(**offered["person"])
    if form.validate_on_submit():
        session.pop(OFFER)
        identities.connect(current_actor(), person)
        flash(_("Connected. From now on you can sign in without your password."), "success")
        return go_to(url_for("accounts.index"))
    status = 429 if "retry_after" in g else 422 if request.method == "POST" else 200
    return render(
        "accounts/connect.html",
        status=status,
        form=form,
        person=person,
        account=current_user,
        role_words=ROLE_WORDS,
    )


@bp.post("/account/single-sign-on/end")
def disconnect() -> Response:
    """Let the account be opened by its password alone."""
    asked = provider()
    identities.disconnect(current_actor(), asked.issuer, current_user.id)
    flash(_("Disconnected. Sign in with your password from now on."), "success")
    return go_to(url_for("accounts.index"))


@bp.post(f"/accounts/{ID}/single-sign-on/end")
def disconnect_other(id: int) -> Response:
    """Let somebody's account be opened by its password alone."""
    identities.disconnect(current_actor(), provider().issuer, id)
    flash(_("Disconnected. The sessions of this account have ended."), "success")
    return go_to(url_for("accounts.show", id=id))


def provider() -> "Provider":
    """The provider of the settings; Authlib is loaded now. Raises: NotFound where there is none."""
    if settings().oidc_issuer is None:
        raise NotFound(_("Single sign-on is not set up here."))
    from aegis_web.accounts.provider import Provider

    made: Provider = current_app.extensions.setdefault("aegis.provider", Provider(settings()))
    return made


def leave(asked: "Provider", visit: dict[str, object], *, again: bool = False) -> Response:
    """Send the browser to the provider; `visit` says what for."""
    try:
        response = asked.begin(address_of(url_for("accounts.single_sign_on_back")), again=again)
    except Refused as refused:
        return refuse(refused, visit)
    session[VISIT] = visit
    return response


def require_proof(person: Person, proven_at: object, account_id: int) -> None:
    """Raises: Refused unless the person of the account has just signed in at the provider.

    `proven_at` is when they did, in epoch seconds; not every provider says so.
    """
    identity = identity_of(account_id, person.issuer)
    if identity is None or identity.subject != person.subject:
        raise Refused(_(SOMEBODY_ELSE))
    now = utc_now().timestamp()
    if isinstance(proven_at, (int, float)) and now - proven_at > PROOF_SECONDS:
        raise Refused(_(NOT_ASKED))


def offer(person: Person, account_id: int) -> Response:
    """Ask once more before somebody may open the account. Raises: Refused."""
    from aegis_web.accounts.provider import NOT_BEGUN

    if not current_user.is_authenticated or current_user.id != account_id:
        raise Refused(_(NOT_BEGUN), 400)
    if person.role is None:
        raise Refused(_(identities.NO_ROLE))
    session[OFFER] = {
        "person": asdict(person),
        "until": utc_now().timestamp() + OFFER_SECONDS,
    }
    return go_to(url_for("accounts.confirm_connection"))


def refuse(refused: Refused, visit: dict[str, object]) -> Response:
    """The page one came from, with the reason, and a line in the log under a number."""
    number = secrets.token_hex(4)
    cause = repr(refused.__cause__ or refused)[:LOGGED]
    log.warning("single sign-on refused, %s, from %s: %s", number, request.remote_addr, cause)
    told = _("The log says more under %(number)s.", number=number)
    if current_user.is_authenticated:
        flash(f"{refused} {told}", "danger")
        if "confirm" in visit:
            return go_to(url_for("accounts.confirm", next=visit["next"]))
        return go_to(url_for("accounts.index"))
    form = SignInForm(formdata=None)
    form.form_errors = [f"{refused} {told}"]
    if (path := visit.get("next")) != FIRST_PAGE:
        form.next.data = path
    response = render("accounts/sign_in.html", status=refused.status, login_user_form=form)
    response.retry_after = g.get("retry_after")
    return response
