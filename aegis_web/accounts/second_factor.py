"""The second factor of an account: codes of an authenticator app, and recovery codes.

The app and the vault share a secret from which both compute a code for each half minute. A code is
good once, in all processes together; so is each recovery code, of which only the hash is kept.
Source: RFC 6238; ASVS 5.0, V6.5.
"""

import secrets
from collections.abc import Sequence

from passlib.exc import TokenError
from passlib.totp import TOTP
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from aegis_web.accounts.members import locked_account, subject_of
from aegis_web.accounts.models import RecoveryCode, SecondFactor
from aegis_web.accounts.queries import token_sha256
from aegis_web.accounts.sessions import end_sessions
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import utc_now
from aegis_web.errors import AegisError, Conflict, Invalid
from aegis_web.extensions import db, transaction
from aegis_web.jobs.queries import vault
from aegis_web.language import N_, _

ISSUER = "Aegis"
NEVER = -1  # the counter before the first code
NUMBER_OF_CODES = 10
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that look like another
GROUPS, GROUP = 6, 4  # 120 random bits, so that a plain hash is enough
WRONG_CODE = N_(
    "This code is wrong, or it was used already. Wait for the next one that the app shows, and "
    "check that the clock of the device is right."
)
WRONG_RECOVERY_CODE = N_("This recovery code is wrong, or it was used already. Take another.")
NO_KEY = N_(
    "Codes cannot be checked now, because an encryption key is missing. Use a recovery code, or "
    "ask an administrator."
)
IS_OFF = N_("The second factor of this account is off already.")


def find_factor(account_id: int) -> SecondFactor | None:
    """The second factor of an account; None: its password is enough. One query."""
    factor: SecondFactor | None = db.session.get(SecondFactor, account_id)
    return factor


def require_factor(account_id: int) -> None:
    """Raises: Conflict where the second factor is off."""
    if find_factor(account_id) is None:
        raise Conflict(_(IS_OFF))


def codes_left(account_id: int) -> int:
    """How many recovery codes an account still has."""
    wanted = select(func.count(RecoveryCode.id)).where(RecoveryCode.account_id == account_id)
    return int(db.session.scalar(wanted) or 0)


def new_secret() -> str:
    """A secret for an app, in base 32; 160 random bits."""
    return str(TOTP.new().base32_key)


def address_of_secret(secret: str, email: str) -> str:
    """What a QR code tells an app: the secret, and for which account of what it is."""
    return str(TOTP(key=secret).to_uri(label=email.replace(":", " "), issuer=ISSUER))


def turn_on(actor: Actor, secret: str, code: str, number: int) -> list[str]:
    """Ask for codes from now on, and end the account's sessions but `number`: its recovery codes.

    Raises: Invalid naming `code`, which must come from this secret; Conflict where it is on.
    """
    counter = counter_of(secret, code, NEVER)
    if counter is None:
        raise Invalid({"code": _(WRONG_CODE)})
    account_id = own(actor)
    with transaction() as session:
        locked_account(session, account_id)
        if session.get(SecondFactor, account_id):
            raise Conflict(_("The second factor of this account is on already."))
        session.add(
            SecondFactor(
                account_id=account_id,
                sealed=vault().encrypt(secret),
                made_at=utc_now(),
                last_counter=counter,
            )
        )
        codes = replace_codes(session, account_id)
        end_sessions(session, account_id, but=number)
        session.add(audit_entry(actor, "account.turn_on_second_factor", subject_of(account_id)))
    return codes


def turn_off(actor: Actor, account_id: int, *, but: int | None = None) -> None:
    """Ask for the password alone, and end the account's sessions but one.

    Raises: NotFound; Conflict where it is off.
    """
    with transaction() as session:
        locked_account(session, account_id)
        gone = delete(SecondFactor).where(SecondFactor.account_id == account_id)
        if session.execute(gone).rowcount != 1:  # type: ignore[attr-defined]
            raise Conflict(_(IS_OFF))
        session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
        end_sessions(session, account_id, but=but)
        session.add(audit_entry(actor, "account.turn_off_second_factor", subject_of(account_id)))


def new_codes(actor: Actor, number: int) -> list[str]:
    """Fresh recovery codes, with which the earlier ones and the sessions but `number` end.

    Raises: Conflict where the second factor is off.
    """
    account_id = own(actor)
    with transaction() as session:
        locked_account(session, account_id)
        if session.get(SecondFactor, account_id) is None:
            raise Conflict(_(IS_OFF))
        codes = replace_codes(session, account_id)
        end_sessions(session, account_id, but=number)
        session.add(audit_entry(actor, "account.make_recovery_codes", subject_of(account_id)))
    return codes


def use_code(actor: Actor, code: str) -> None:
    """Accept a code of the app for a sign-in; it is never good again, nor is an earlier one.

    The secret is sealed anew, so that an old key is needed no longer.
    Raises: Invalid naming `code`; Conflict where the second factor is off.
    """
    account_id = own(actor)
    with transaction() as session:
        factor = session.get(SecondFactor, account_id)
        if factor is None:
            raise Conflict(_(IS_OFF))
        try:
            secret = vault().decrypt(factor.sealed)
        except AegisError as error:
            raise Invalid({"code": _(NO_KEY)}) from error
        counter = counter_of(secret, code, factor.last_counter)
        if counter is None or not first_to_use(session, factor, counter, secret):
            raise Invalid({"code": _(WRONG_CODE)})
        note_sign_in(session, actor, "code")


def first_to_use(session: Session, factor: SecondFactor, counter: int, secret: str) -> bool:
    """Whether nobody else has used this code or a later one; nobody can from now on."""
    used = (
        update(SecondFactor)
        .where(SecondFactor.account_id == factor.account_id, SecondFactor.sealed == factor.sealed)
        .where(SecondFactor.last_counter < counter)
        .values(last_counter=counter, sealed=vault().encrypt(secret))
        .execution_options(synchronize_session=False)
    )
    return bool(session.execute(used).rowcount == 1)  # type: ignore[attr-defined]


def use_recovery_code(actor: Actor, typed: str) -> None:
    """Accept a recovery code for a sign-in; it is gone then. Raises: Invalid naming it."""
    account_id = own(actor)
    gone = delete(RecoveryCode).where(
        RecoveryCode.account_id == account_id, RecoveryCode.code_sha256 == code_sha256(typed)
    )
    with transaction() as session:
        if session.execute(gone).rowcount != 1:  # type: ignore[attr-defined]
            raise Invalid({"recovery_code": _(WRONG_RECOVERY_CODE)})
        note_sign_in(session, actor, "recovery code")


def note_sign_in(session: Session, actor: Actor, by: str) -> None:
    after = {"second factor": by}
    session.add(audit_entry(actor, "account.sign_in", subject_of(own(actor)), None, after))


def counter_of(secret: str, code: str, last_counter: int) -> int | None:
    """The half minute that a code is for; None: it is wrong, too old or was used.

    One half minute before and after count too, for clocks that differ.
    """
    try:
        match = TOTP(key=secret).match(code, time=utc_now(), last_counter=last_counter)
    except TokenError:
        return None
    return int(match.counter)


def replace_codes(session: Session, account_id: int) -> list[str]:
    """New recovery codes instead of all earlier ones. With the caller's transaction."""
    codes = [new_code() for _ in range(NUMBER_OF_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    session.execute(insert(RecoveryCode), rows_of(account_id, codes))
    return codes


def rows_of(account_id: int, codes: Sequence[str]) -> list[dict[str, object]]:
    return [{"account_id": account_id, "code_sha256": code_sha256(code)} for code in codes]


def new_code() -> str:
    groups = ("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def code_sha256(typed: str) -> str:
    """What is kept of a recovery code, however its groups were typed."""
    return token_sha256("".join(filter(str.isalnum, typed.casefold())))


def own(actor: Actor) -> int:
    assert actor.account_id is not None
    return actor.account_id
