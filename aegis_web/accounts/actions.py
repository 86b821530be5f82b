"""What changes accounts: the first administrator, and how a person wants pages to look."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from flask_security import EmailValidateException, hash_password
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.accounts.models import ADMIN, Account, AccountSession, Role, SetupLink
from aegis_web.accounts.preferences import Preferences
from aegis_web.accounts.queries import (
    SETUP_LINK_LIFE,
    find_link,
    has_administrator,
    token_sha256,
)
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import CODE, Actor, AuditEntry, audit_entry
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.errors import ConfigError, Conflict, Invalid, NotFound
from aegis_web.extensions import security, transaction
from aegis_web.language import N_, _

log = logging.getLogger(__name__)

PASSWORD_MAX_LENGTH = 1000
EMAIL_MAX_LENGTH = 255
LINK_IS_DEAD = N_(
    "This set-up link does not work: it can be used once and within 15 minutes. Start the server "
    "again: it prints a fresh link while there is no administrator."
)


def new_setup_link() -> str | None:
    """The path of a fresh link that may make the first administrator; None if there is one.

    Only the SHA-256 of its token is kept, for `SETUP_LINK_LIFE`. Links too old are removed.
    """
    token = secrets.token_urlsafe(32)
    now = utc_now()
    with transaction() as session:
        if has_administrator(session):
            return None
        session.execute(delete(SetupLink).where(SetupLink.made_at <= now - SETUP_LINK_LIFE))
        session.add(SetupLink(token_sha256=token_sha256(token), made_at=now))
    return f"/set-up/{token}"


def create_first_admin(token: str, email: str, password: str) -> Account:
    """The administrator that the holder of a set-up link makes; all links end with it.

    Raises: Invalid naming `email` or `password`; NotFound when the link is unknown, too old or
    used; Conflict when somebody else made the first administrator meanwhile.
    """
    email, hashed = checked_email(email), hash_password(checked_password(password, email))
    with transaction() as session:
        role = locked_admin_role(session)
        if has_administrator(session):
            raise Conflict(_("Somebody has made the first administrator already: sign in."))
        if find_link(_all_links(session), token) is None:
            raise NotFound(_(LINK_IS_DEAD))
        account = _add_admin(session, role, email, hashed, by=None)
    return account


def ensure_admin_from_settings(settings: Settings) -> None:
    """Make the first administrator that the settings name, where there is none yet.

    Raises: ConfigError when the e-mail, the file or the password in it cannot be used.
    """
    if settings.admin_email is None or settings.admin_password_file is None:
        return
    try:
        email = checked_email(settings.admin_email)
    except Invalid as invalid:
        cure = invalid.errors["email"]
        raise ConfigError("AEGIS_ADMIN_EMAIL", settings.admin_email, cure) from None
    password = _password_in(settings.admin_password_file, email)
    with transaction() as session:
        role = locked_admin_role(session)
        if has_administrator(session):
            return
        _add_admin(session, role, email, hash_password(password), by=CODE)
    log.info("made the administrator %s from AEGIS_ADMIN_EMAIL", email)


def change_preferences(actor: Actor, wanted: Mapping[str, str]) -> Preferences:
    """Keep for the account of `actor` the preferences that `wanted` names; all of them now.

    Raises: Invalid naming each field whose value is unknown.
    """
    with transaction() as session:
        account = session.get(Account, actor.account_id)
        if account is None:
            raise NotFound(_("This account is no longer there."))
        before = Preferences.of(account)
        after = before.changed(wanted)
        if after != before:
            account.preferences, account.zone = after.document(), after.zone
            session.add(_changed_preferences(actor, before, after))
    return after


def end_own_session(actor: Actor, number: int) -> None:
    """End one session of the account of `actor`.

    Raises: NotFound where it has none of this number, or no more.
    """
    with transaction() as session:
        row = session.get(AccountSession, number)
        if row is None or row.account_id != actor.account_id:
            raise NotFound(_("This session has ended already."))
        session.delete(row)
        subject = f"account:{actor.account_id}"
        before = {"address": row.address, "agent": row.agent}
        session.add(audit_entry(actor, "account.end_session", subject, before))


def end_other_sessions(actor: Actor, number: int) -> int:
    """End every session of the account of `actor` but one; how many."""
    assert actor.account_id is not None
    with transaction() as session:
        ended = end_sessions(session, actor.account_id, but=number)
        if ended:
            subject = f"account:{actor.account_id}"
            session.add(audit_entry(actor, "account.end_sessions", subject, None, {"ended": ended}))
    return ended


def _changed_preferences(actor: Actor, before: Preferences, after: Preferences) -> AuditEntry:
    """The audit row, with those alone that differ."""
    old, new = asdict(before), asdict(after)
    names = [name for name in new if new[name] != old[name]]
    return audit_entry(
        actor,
        "account.change_preferences",
        f"account:{actor.account_id}",
        {name: old[name] for name in names},
        {name: new[name] for name in names},
    )


def _password_in(file: Path, email: str) -> str:
    name = "AEGIS_ADMIN_PASSWORD_FILE"
    try:
        return checked_password(file.read_text("utf-8").rstrip("\r\n"), email)
    except (OSError, UnicodeDecodeError) as error:
        cure = f"name a text file that this process can read ({error})"
        raise ConfigError(name, str(file), cure) from None
    except Invalid as invalid:
        cure = f"change the password in this file: {invalid.errors['password']}"
        raise ConfigError(name, str(file), cure) from None


def checked_email(email: str) -> str:
    """The address in its normal form. Raises: Invalid naming `email`."""
    try:
        normal = security.mail_util.validate(email.strip())
    except EmailValidateException as error:
        raise Invalid({"email": error.msg}) from None
    if len(normal) > EMAIL_MAX_LENGTH:
        raise Invalid(
            {"email": _("Use an address of at most %(most)s characters.", most=EMAIL_MAX_LENGTH)}
        )
    return normal


def checked_password(password: str, email: str) -> str:
    """The password in its normal form. Raises: Invalid naming `password`."""
    if len(password) > PASSWORD_MAX_LENGTH:
        raise Invalid({"password": _("Use at most 1000 characters.")})
    problems, normal = security.password_util.validate(password, True, email=email)
    if problems:
        raise Invalid({"password": " ".join(str(problem) for problem in problems)})
    return normal


def locked_admin_role(session: Session) -> Role:
    """The role admin, locked until the commit: whoever makes the first account waits here, and
    whoever might take away the last."""
    add_role(session, ADMIN)
    return session.scalars(select(Role).where(Role.name == ADMIN).with_for_update()).one()


def add_role(session: Session, name: str) -> Role:
    """The role of this name, made where no account has had it yet."""
    wanted = select(Role).where(Role.name == name)
    if role := session.scalar(wanted):
        return role
    try:
        with session.begin_nested():
            session.add(Role(name=name))
    except IntegrityError:
        log.debug("another process has just made the role %s", name)
    return session.scalars(wanted).one()


def _all_links(session: Session) -> Sequence[SetupLink]:
    return session.scalars(select(SetupLink)).all()


def _add_admin(session: Session, role: Role, email: str, hashed: str, by: Actor | None) -> Account:
    """Add the account, end all set-up links and record it; `by` None: the person themself."""
    account = Account(
        email=email,
        password=hashed,
        active=True,
        fs_uniquifier=uuid4().hex,
        created_at=utc_now(),
        roles=[role],
    )
    session.add(account)
    session.flush()
    session.execute(delete(SetupLink))
    actor = by or Actor(email, account.id)
    after = {"email": email, "roles": [ADMIN]}
    session.add(audit_entry(actor, "account.create", f"account:{account.id}", None, after))
    return account
