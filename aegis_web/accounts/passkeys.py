"""The passkeys of accounts: how they come and go, and that each answer counts once.

A passkey opens an account that its password opens too, and no other. It is a way in of its own: as
the device checks its person, it stands for both factors. Source: ASVS 5.0, V6.5 and V6.7.
"""

import hashlib
import logging
import secrets
from datetime import timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.accounts.authenticators import Claim, NewKey
from aegis_web.accounts.members import locked_account, subject_of
from aegis_web.accounts.models import Account, Passkey, UsedChallenge
from aegis_web.accounts.second_factor import own
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import SYSTEM, Actor, audit_entry
from aegis_web.clock import to_us, utc_now
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.language import N_, _

CHALLENGE_LIFE = timedelta(minutes=5)
MOST = 20  # of one account
LONGEST_NAME = 100
NO_NAME = N_("Enter a name by which you recognise the device.")
TOO_LATE = N_(
    "That took longer than five minutes, was begun in another browser, or was used already. Try "
    "again."
)
OPENS_NOTHING = N_("This passkey opens no account here. Sign in with your password.")
COPIED = N_(
    "This passkey was refused, because its counter went back: there may be a copy of it. Sign in "
    "with your password, remove the passkey on the page Account and make another."
)
NO_PASSWORD = N_("This account has no password, and a passkey is a second way in beside it.")
GONE = N_("This passkey is no longer there.")

SPEND = text("""
    INSERT INTO used_challenges (challenge_sha256, used_at) VALUES (:challenge, :now)
    ON CONFLICT (challenge_sha256) DO NOTHING
""")

log = logging.getLogger(__name__)


def passkeys_of(account_id: int) -> list[Passkey]:
    """Of an account, the oldest first. One query."""
    wanted = select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id)
    return list(db.session.scalars(wanted))


def has_passkeys(account_id: int) -> bool:
    """Whether an account has any. One query."""
    return count(db.session, account_id) > 0


def find_passkey(claim: Claim) -> tuple[Passkey, Account] | None:
    """The one that an answer says it is from, and its account; None: nobody's. One query."""
    wanted = select(Passkey, Account).join(Account, Account.id == Passkey.account_id)
    one = wanted.where(Passkey.credential_id == claim.credential_id)
    row = db.session.execute(one).unique().one_or_none()
    if row is None or row[0].user_handle.encode() != claim.user_handle:
        return None
    return row[0], row[1]


def opens(account: Account) -> bool:
    """Whether a passkey may open an account: as long as its password does."""
    return account.active and account.password is not None


def require_room(session: Session, account: Account) -> None:
    """Raises: Conflict where an account has no password, or too many passkeys for another."""
    if not opens(account):
        raise Conflict(_(NO_PASSWORD))
    if count(session, account.id) >= MOST:
        raise Conflict(_("An account has at most %(most)s passkeys. Remove one first.", most=MOST))


def handle_for(account_id: int) -> str:
    """What devices call an account: what they call it already, else something random."""
    wanted = select(Passkey.user_handle).where(Passkey.account_id == account_id).limit(1)
    return db.session.scalar(wanted) or secrets.token_urlsafe(32)


def checked_name(name: str) -> str:
    """Raises: Invalid naming `name`."""
    if not name:
        raise Invalid({"name": _(NO_NAME)})
    if len(name) > LONGEST_NAME:
        raise Invalid({"name": _("Use at most %(most)s characters.", most=LONGEST_NAME)})
    return name


def add(actor: Actor, challenge: str, name: str, handle: str, key: NewKey, number: int) -> None:
    """Let a passkey open the account of `actor`, and end the account's sessions but `number`.

    Raises: Invalid naming `name` or where the challenge was answered before; Conflict where the
    account has no password or too many passkeys, or somebody has this one already.
    """
    name, account_id = checked_name(name), own(actor)
    try:
        with transaction() as session:
            account = locked_account(session, account_id)
            require_room(session, account)
            spend(session, challenge)
            session.add(
                Passkey(
                    account_id=account_id,
                    credential_id=key.credential_id,
                    public_key=key.public_key,
                    user_handle=handle,
                    counter=key.counter,
                    name=name,
                    made_at=utc_now(),
                )
            )
            end_sessions(session, account_id, but=number)
            after = {"passkey": name}
            subject = subject_of(account_id)
            session.add(audit_entry(actor, "account.add_passkey", subject, None, after))
    except IntegrityError:
        raise Conflict(_("This passkey is known here already.")) from None


def use(passkey: Passkey, challenge: str, counter: int) -> None:
    """Accept a passkey that has answered `challenge`, which no passkey can again.

    A counter that has not grown tells of a copy: that is refused and stands in the audit.
    Raises: Invalid.
    """
    with transaction() as session:
        account = locked_account(session, passkey.account_id)
        spend(session, challenge)
        kept = session.get(Passkey, passkey.id)
        if kept is None or not opens(account):
            raise Invalid({"": _(OPENS_NOTHING)})
        copied = counter <= kept.counter and (counter, kept.counter) != (0, 0)
        subject, after = subject_of(account.id), {"via": "passkey", "passkey": kept.name}
        if copied:
            session.add(audit_entry(SYSTEM, "account.refuse_passkey", subject, None, after))
        else:
            kept.counter, kept.used_at = counter, utc_now()
            actor = Actor(account.email, account.id)
            session.add(audit_entry(actor, "account.sign_in", subject, None, after))
    if copied:
        log.warning("the counter of passkey %s went back to %s", passkey.id, counter)
        raise Invalid({"": _(COPIED)})


def remove(actor: Actor, passkey_id: int, number: int) -> str:
    """Let a passkey of one's own open nothing more, and end the account's sessions but `number`:
    its name.

    Raises: NotFound where the account has none of this number.
    """
    account_id = own(actor)
    with transaction() as session:
        locked_account(session, account_id)
        passkey = session.get(Passkey, passkey_id)
        if passkey is None or passkey.account_id != account_id:
            raise NotFound(_(GONE))
        session.delete(passkey)
        end_sessions(session, account_id, but=number)
        before = {"passkey": passkey.name}
        session.add(audit_entry(actor, "account.remove_passkey", subject_of(account_id), before))
    return passkey.name


def remove_all(actor: Actor, account_id: int) -> int:
    """Let no passkey open an account any more, and end its sessions; how many there were.

    Raises: NotFound; Conflict where it has none.
    """
    with transaction() as session:
        locked_account(session, account_id)
        wanted = select(Passkey.name).where(Passkey.account_id == account_id)
        names = list(session.scalars(wanted.order_by(Passkey.id)))
        if not names:
            raise Conflict(_("This account has no passkeys."))
        session.execute(delete(Passkey).where(Passkey.account_id == account_id))
        end_sessions(session, account_id)
        before = {"passkeys": names}
        session.add(audit_entry(actor, "account.remove_passkeys", subject_of(account_id), before))
    return len(names)


def spend(session: Session, challenge: str) -> None:
    """Note that a challenge was answered. With the caller's transaction.

    Raises: Invalid where it was before, in whichever process.
    """
    now = utc_now()
    old = UsedChallenge.used_at < now - 2 * CHALLENGE_LIFE
    session.execute(delete(UsedChallenge).where(old))
    digest = hashlib.sha256(challenge.encode()).hexdigest()
    noted = session.execute(SPEND, {"challenge": digest, "now": to_us(now)})
    if noted.rowcount != 1:  # type: ignore[attr-defined]
        raise Invalid({"": _(TOO_LATE)})


def count(session: Session, account_id: int) -> int:
    wanted = select(func.count(Passkey.id)).where(Passkey.account_id == account_id)
    return int(session.scalar(wanted) or 0)
