"""The accounts of a team: who is invited, which role they have, and how they get a password.

An account is invited by a link with which its person chooses a password; the same link helps who
forgot one. It works once, and only the SHA-256 of its token is kept. There is always somebody who
may administer the installation.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from flask_security import hash_password
from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from aegis_web.accounts.actions import add_role, checked_email, checked_password, locked_admin_role
from aegis_web.accounts.models import (
    ADMIN,
    Account,
    AccountIdentity,
    AccountSession,
    PasswordLink,
    Role,
    account_roles,
)
from aegis_web.accounts.queries import token_sha256
from aegis_web.accounts.rights import ROLES
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.jobs.definition import tags_error
from aegis_web.language import N_, _

INVITATION_LIFE = timedelta(days=7)
RESET_LIFE = timedelta(hours=24)
FORGOTTEN_LIFE = timedelta(hours=1)  # of a link that nobody but its person has asked for
NOT_AGAIN_BEFORE = timedelta(minutes=5)
LINK_IS_DEAD = N_(
    "This link does not work any more: it can be used once, and for a limited time. Ask an "
    "administrator for another."
)


@dataclass(frozen=True)
class Member:
    """An account, as the list of all shows it."""

    account: Account
    last_seen: datetime | None
    connected: bool = False  # somebody opens it by single sign-on

    @property
    def state(self) -> str:
        """ "active", "invited" (nobody can open it yet) or "off"."""
        if not self.account.active:
            return "off"
        return "active" if self.account.password or self.connected else "invited"


def members() -> list[Member]:
    """All accounts by e-mail. Three queries."""
    last_use = select(AccountSession.account_id, func.max(AccountSession.seen_at))
    rows = db.session.execute(last_use.group_by(AccountSession.account_id))
    seen = {account_id: last for account_id, last in rows}
    accounts = db.session.scalars(select(Account).order_by(Account.email)).unique()
    connected = set(db.session.scalars(select(AccountIdentity.account_id).where(usable())))
    return [Member(one, seen.get(one.id), one.id in connected) for one in accounts]


def find_account(account_id: int) -> Account:
    """Raises: NotFound."""
    account: Account | None = db.session.get(Account, account_id)
    if account is None:
        raise NotFound(_("There is no such account."))
    return account


def has_address(email: str) -> ColumnElement[bool]:
    """Of accounts: that they have this address, however it is written."""
    return func.lower(Account.email) == email.strip().lower()


def find_account_of(email: str) -> Account:
    """The account with this address, however it is written. Raises: NotFound."""
    wanted = select(Account).where(has_address(email))
    account: Account | None = db.session.scalars(wanted).unique().one_or_none()
    if account is None:
        raise NotFound(_("There is no account with this address."))
    return account


def invite(actor: Actor, email: str, role: str, tags: Sequence[str] = ()) -> tuple[int, str]:
    """Make an account that sees the jobs with one of `tags` (none: all), and the path of the link
    with which its person chooses a password.

    Raises: Invalid naming `email`, `role` or `tags`.
    """
    email, role, only_tags = checked_email(email), checked_role(role), checked_tags(tags, role)
    with transaction() as session:
        taken = select(exists().where(has_address(email)))
        if session.scalar(taken):
            raise Invalid({"email": _("Somebody has an account with this address already.")})
        account = Account(
            email=email,
            password=None,
            active=True,
            fs_uniquifier=uuid4().hex,
            created_at=utc_now(),
            only_tags=only_tags,
            roles=[add_role(session, role)],
        )
        session.add(account)
        session.flush()
        path = add_link(session, account.id, INVITATION_LIFE)
        after = {"email": email, "role": role, "tags": only_tags}
        session.add(audit_entry(actor, "account.invite", subject_of(account.id), None, after))
    return account.id, path


def new_link(actor: Actor, account_id: int) -> str:
    """The path of a fresh link with which a person chooses a password; earlier ones end.

    Raises: NotFound; Conflict where the account is switched off.
    """
    with transaction() as session:
        account = locked_account(session, account_id)
        if not account.active:
            raise Conflict(_("This account is switched off. Switch it on first."))
        life = RESET_LIFE if account.password else INVITATION_LIFE
        path = add_link(session, account_id, life)
        session.add(audit_entry(actor, "account.new_link", subject_of(account_id)))
    return path


def request_link(email: str) -> tuple[str, str] | None:
    """The address and the path of a fresh link for who has forgotten the password; earlier ones
    end. None where nobody has this address, the account is off, has got a link just now, or is the
    provider's of single sign-on, which a password would go past.
    """
    now = utc_now()
    with transaction() as session:
        wanted = select(Account).where(has_address(email), Account.active)
        account = session.scalars(wanted.with_for_update(of=Account)).unique().one_or_none()
        if account is None or is_the_providers(session, account):
            return None
        recent = select(PasswordLink.account_id).where(
            PasswordLink.account_id == account.id, PasswordLink.made_at > now - NOT_AGAIN_BEFORE
        )
        if session.scalar(select(exists(recent))):
            return None
        path = add_link(session, account.id, FORGOTTEN_LIFE)
        actor = Actor(account.email, account.id)
        session.add(audit_entry(actor, "account.ask_for_link", subject_of(account.id)))
    return account.email, path


def is_the_providers(session: Session, account: Account) -> bool:
    """Whether its person gets in through single sign-on alone."""
    known = select(AccountIdentity.id).where(AccountIdentity.account_id == account.id)
    return account.password is None and bool(session.scalar(select(exists(known))))


def choose_password(token: str, password: str) -> Account:
    """Let the holder of a link choose a password; every session of the account ends.

    Raises: NotFound when the link is unknown, too old or used; Invalid naming `password`.
    """
    account_id = account_of_link(token)
    email = find_account(account_id).email
    hashed = hash_password(checked_password(password, email))
    with transaction() as session:
        account = locked_account(session, account_id)
        if find_link(session, token) is None or not account.active:
            raise NotFound(_(LINK_IS_DEAD))
        account.password, account.fs_uniquifier = hashed, uuid4().hex
        session.execute(delete(PasswordLink).where(PasswordLink.account_id == account_id))
        end_sessions(session, account_id)
        actor = Actor(account.email, account_id)
        session.add(audit_entry(actor, "account.choose_password", subject_of(account_id)))
    return account


def account_of_link(token: str) -> int:
    """The account that a link is for. Raises: NotFound when it works no more."""
    link = find_link(db.session, token)
    if link is None:
        raise NotFound(_(LINK_IS_DEAD))
    return link.account_id


def change_account(
    actor: Actor, account_id: int, role: str, tags: Sequence[str], *, active: bool
) -> None:
    """Give an account a role and the tags of the jobs that it sees (none: all), switch it on or
    off. Any change ends all its sessions.

    Raises: NotFound; Invalid naming `role`, `tags` or `active`, also where nobody could administer
    then.
    """
    role, only_tags = checked_role(role), checked_tags(tags, checked_role(role))
    with transaction() as session:
        locked_admin_role(session)
        account = locked_account(session, account_id)
        before = {"role": account.role, "active": account.active, "tags": account.only_tags}
        after = {"role": role, "active": active, "tags": only_tags}
        if before == after:
            return
        account.roles, account.active = [add_role(session, role)], active
        account.only_tags = only_tags
        session.flush()
        if not other_administrators(session):
            field = "role" if role != ADMIN else "active"
            raise Invalid({field: _("Nobody could administer this installation then.")})
        if not active:
            session.execute(delete(PasswordLink).where(PasswordLink.account_id == account_id))
        end_sessions(session, account_id)
        session.add(audit_entry(actor, "account.change", subject_of(account_id), before, after))


def end_sessions_of(actor: Actor, account_id: int) -> int:
    """End every session of an account; how many."""
    with transaction() as session:
        ended = end_sessions(session, account_id)
        if ended:
            after = {"ended": ended}
            subject = subject_of(account_id)
            session.add(audit_entry(actor, "account.end_sessions", subject, None, after))
    return ended


def other_administrators(session: Session) -> bool:
    """Whether somebody can sign in as an administrator."""
    connected = exists().where(AccountIdentity.account_id == Account.id, usable())
    holder = (
        select(Account.id)
        .join(account_roles)
        .join(Role)
        .where(Role.name == ADMIN, Account.active, or_(Account.password.is_not(None), connected))
    )
    return bool(session.scalar(select(exists(holder))))


def usable() -> ColumnElement[bool]:
    """Whether single sign-on is on and knows this identity."""
    return AccountIdentity.issuer == (settings().oidc_issuer or "")


def add_link(session: Session, account_id: int, life: timedelta) -> str:
    """The path of a new link of an account, whose earlier ones end."""
    token, now = secrets.token_urlsafe(32), utc_now()
    session.execute(delete(PasswordLink).where(PasswordLink.account_id == account_id))
    session.add(
        PasswordLink(
            token_sha256=token_sha256(token),
            account_id=account_id,
            made_at=now,
            ends_at=now + life,
        )
    )
    return f"/password/{token}"


def find_link(session: Session, token: str) -> PasswordLink | None:
    """The link that the token opens, if it works still."""
    digest = token_sha256(token)
    link = session.scalar(select(PasswordLink).where(PasswordLink.token_sha256 == digest))
    if link is None or not hmac.compare_digest(link.token_sha256, digest):
        return None
    return link if link.ends_at > utc_now() else None


def locked_account(session: Session, account_id: int) -> Account:
    """The account, which nobody else changes until the commit. Raises: NotFound."""
    wanted = select(Account).where(Account.id == account_id).with_for_update(of=Account)
    account = session.scalars(wanted).unique().one_or_none()
    if account is None:
        raise NotFound(_("There is no such account."))
    return account


def checked_role(role: str) -> str:
    if role not in ROLES:
        raise Invalid({"role": _("Choose one of: %(values)s.", values=", ".join(ROLES))})
    return role


def checked_tags(tags: Sequence[str], role: str) -> list[str] | None:
    """The tags that an account is restricted to; None: it is not. Raises: Invalid."""
    if not tags:
        return None
    if error := tags_error(tags):
        raise Invalid({"tags": error})
    if role == ADMIN:
        raise Invalid({"tags": _("An administrator sees all jobs. Leave this empty.")})
    return list(tags)


def subject_of(account_id: int) -> str:
    return f"account:{account_id}"
