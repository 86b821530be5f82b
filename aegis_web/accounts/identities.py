"""Who somebody is at the provider of single sign-on, and the account that this opens.

A person is known by issuer and subject, never by the e-mail address: providers give addresses away
again. An account that is there already is connected only by its own person, who has signed in to it
and types its password. Source: OpenID Connect Core 1.0, 5.7; ASVS 5.0, V10.5.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.accounts.actions import add_role, checked_email, locked_admin_role
from aegis_web.accounts.members import locked_account, other_administrators, subject_of
from aegis_web.accounts.models import ADMIN, Account, AccountIdentity
from aegis_web.accounts.rights import ROLES
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import SYSTEM, Actor, audit_entry
from aegis_web.clock import utc_now
from aegis_web.errors import AegisError, Conflict, Invalid
from aegis_web.extensions import db, transaction
from aegis_web.language import N_, _

SUBJECT_MAX_LENGTH = 255  # OpenID Connect Core 1.0, 2
EVERYBODY = "*"
NO_SUBJECT = N_("The sign-in provider did not say who you are. Tell your administrator.")
NO_EMAIL = N_("The sign-in provider gave no e-mail address of yours. Tell your administrator.")
NOT_VERIFIED = N_(
    "Your e-mail address is not verified at the sign-in provider. Verify it there and begin again."
)
NO_ROLE = N_(
    "You are known, but none of your groups may use this installation. Ask an administrator for "
    "the right group."
)
SWITCHED_OFF = N_("This account is switched off. Ask an administrator.")
ADDRESS_TAKEN = N_(
    "There is an account with the address %(email)s already. Sign in with its password and connect "
    "it on the page Account."
)
CONNECTED_ALREADY = N_(
    "This cannot be connected: either this account or the person at the provider is connected "
    "already. Disconnect there first."
)
ONLY_WAY_IN = N_(
    "This account has no password, so you could not sign in any more. Ask an administrator for a "
    "link with which you choose one."
)
THEIR_ONLY_WAY_IN = N_(
    "This account has no password, so its person could not sign in any more. Make a link with "
    "which they choose one, or switch the account off."
)

log = logging.getLogger(__name__)


class Refused(AegisError):
    """Somebody who may not come in, or cannot; with the HTTP status."""

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Person:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    email: str
    role: str | None  # the strongest that their groups give; None: none at all


def person_of(
    claims: Mapping[str, object], issuer: str, claim: str, rules: Collection[str]
) -> Person:
    """The person whom checked claims describe; `rules` are as in AEGIS_OIDC_ROLES.

    Raises: Refused where the claims name nobody, or no address, or one that is not verified.
    """
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX_LENGTH:
        raise Refused(_(NO_SUBJECT))
    if claims.get("email_verified", True) not in (True, "true"):
        raise Refused(_(NOT_VERIFIED))
    try:
        email = checked_email(email if isinstance(email, str) else "")
    except Invalid:
        raise Refused(_(NO_EMAIL)) from None
    return Person(issuer, subject, email, role_from(claims.get(claim), rules))


def role_from(groups: object, rules: Collection[str]) -> str | None:
    """The strongest role that one of the groups gives; "*" stands for everybody."""
    listed = groups if isinstance(groups, list) else [groups]
    names = {EVERYBODY, *(group for group in listed if isinstance(group, str))}
    pairs = [rule.rpartition("=") for rule in rules]
    given = [role.strip() for group, _sign, role in pairs if group.strip() in names]
    return max(given, key=ROLES.__getitem__, default=None)


def sign_in(person: Person) -> Account:
    """The account of `person`, made where there is none yet, with the role that the groups give.

    Another role ends the sessions of the account, and so does none: then nobody gets in. The last
    who can administer keeps that role.
    Raises: Refused.
    """
    try:
        account, refusal = _signed_in(person)
    except IntegrityError:  # the same person came twice at once
        account, refusal = _signed_in(person)
    if account is None:
        raise Refused(refusal)
    return account


def connect(actor: Actor, person: Person) -> None:
    """Let `person` open the account of `actor` from now on.

    Raises: Conflict where they open another one, or somebody else opens this one.
    """
    assert actor.account_id is not None
    try:
        with transaction() as session:
            account = locked_account(session, actor.account_id)
            known = find_identity(session, person)
            if known is not None and known.account_id == account.id:
                return
            if known is not None or identity_of(account.id, person.issuer, session):
                raise Conflict(_(CONNECTED_ALREADY))
            session.add(_identity(account, person))
            after = {"issuer": person.issuer, "email": person.email}
            session.add(audit_entry(actor, "account.connect", subject_of(account.id), None, after))
    except IntegrityError:
        raise Conflict(_(CONNECTED_ALREADY)) from None


def disconnect(actor: Actor, issuer: str, account_id: int) -> None:
    """Let nobody open an account through the provider any more. Of another account than the
    actor's own every session ends.

    Raises: NotFound; Conflict where there would be no way in.
    """
    with transaction() as session:
        account = locked_account(session, account_id)
        identity = identity_of(account.id, issuer, session)
        if identity is None:
            return
        if account.password is None:
            raise Conflict(_(ONLY_WAY_IN if actor.account_id == account_id else THEIR_ONLY_WAY_IN))
        session.delete(identity)
        if actor.account_id != account_id:
            end_sessions(session, account_id)
        before = {"issuer": identity.issuer, "email": identity.email}
        session.add(audit_entry(actor, "account.disconnect", subject_of(account.id), before))


def identity_of(
    account_id: int, issuer: str, session: Session | None = None
) -> AccountIdentity | None:
    """Who opens an account through the provider `issuer`; None: nobody."""
    one = AccountIdentity
    wanted = select(one).where(one.account_id == account_id, one.issuer == issuer)
    found: AccountIdentity | None = (session or db.session).scalar(wanted)
    return found


def find_identity(session: Session, person: Person) -> AccountIdentity | None:
    """What is kept of `person`, whatever their address is now."""
    one = AccountIdentity
    wanted = select(one).where(one.issuer == person.issuer, one.subject == person.subject)
    return session.scalar(wanted)


def _signed_in(person: Person) -> tuple[Account | None, str]:
    """The account, or None with why not. What a refusal ends is committed too."""
    with transaction() as session:
        locked_admin_role(session)
        identity = find_identity(session, person)
        if identity is None:
            account, refusal = _made(session, person)
        else:
            account, refusal = _known(session, person, identity.account_id)
    return account, refusal


def _known(session: Session, person: Person, account_id: int) -> tuple[Account | None, str]:
    account = locked_account(session, account_id)
    if not account.active:
        return None, _(SWITCHED_OFF)
    if person.role is None:
        if ended := end_sessions(session, account_id):
            after = {"ended": ended}
            subject = subject_of(account_id)
            session.add(audit_entry(SYSTEM, "account.end_sessions", subject, None, after))
        return None, _(NO_ROLE)
    _give_role(session, account, person.role)
    return account, ""


def _made(session: Session, person: Person) -> tuple[Account | None, str]:
    if person.role is None:
        return None, _(NO_ROLE)
    taken = exists().where(func.lower(Account.email) == person.email.lower())
    if session.scalar(select(taken)):
        return None, _(ADDRESS_TAKEN, email=person.email)
    account = Account(
        email=person.email,
        password=None,
        active=True,
        fs_uniquifier=uuid4().hex,
        created_at=utc_now(),
        roles=[add_role(session, person.role)],
    )
    session.add(account)
    session.flush()
    session.add(_identity(account, person))
    after = {"email": account.email, "role": person.role, "via": "oidc"}
    session.add(audit_entry(SYSTEM, "account.create", subject_of(account.id), None, after))
    return account, ""


def _give_role(session: Session, account: Account, role: str) -> None:
    """Give the account the role of its groups, unless nobody could administer then."""
    before, held = account.role, list(account.roles)
    if before == role:
        return
    account.roles = [add_role(session, role)]
    session.flush()
    if before == ADMIN and not other_administrators(session):
        account.roles = held
        session.flush()
        log.warning("account %s keeps the role admin: nobody else has it", account.id)
        return
    end_sessions(session, account.id)
    change = {"role": before}, {"role": role, "via": "oidc"}
    session.add(audit_entry(SYSTEM, "account.change", subject_of(account.id), *change))


def _identity(account: Account, person: Person) -> AccountIdentity:
    return AccountIdentity(
        account_id=account.id,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email,
        made_at=utc_now(),
    )
