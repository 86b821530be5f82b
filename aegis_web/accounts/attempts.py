"""How often in a row sign-in has failed, and how long one must wait before the next try.

Counted for an account from one address, for an account, and for an address, each with tries that
cost nothing; then the wait doubles with each failure, to five minutes at most: nobody is locked out
for good, whoever else tries. A try is counted before its password is looked at, so that many at
once, in many processes, are no way around. Source: OWASP Authentication Cheat Sheet; ASVS 6.3.1.
"""

import hashlib
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from sqlalchemy import Connection, Engine, delete, func, select, text, update

from aegis_web.accounts.models import SignInAttempts
from aegis_web.clock import from_us, to_us, utc_now

FREE_OF_BOTH, FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 5, 20, 50
LONGEST_WAIT = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(hours=1)

LOCK = text("""
    INSERT INTO sign_in_attempts (key_sha256, failures, failed_at, next_at)
    VALUES (:key, 0, :now, :now)
    ON CONFLICT (key_sha256) DO UPDATE SET failures =
      CASE WHEN sign_in_attempts.failed_at < :old THEN 0 ELSE sign_in_attempts.failures END
    RETURNING failures, next_at
""")


def time_left(reader: Engine, email: str, address: str) -> timedelta:
    """How long a try must wait as things stand; who tries too early takes no lock with it."""
    latest = select(func.max(SignInAttempts.next_at))
    with reader.connect() as connection:
        next_at = connection.scalar(
            latest.where(SignInAttempts.key_sha256.in_(keys_of(email, address)))
        )
    return timedelta() if next_at is None else max(timedelta(), next_at - utc_now())


def reserve(engine: Engine, email: str, address: str) -> timedelta:
    """Count a try to sign in as `email` from `address`: how long it must wait instead; zero: try.

    Whoever succeeds takes it back with `succeeded`.
    """
    now = utc_now()
    with engine.begin() as connection:
        forget_old(connection, now)
        failures, wait = {}, timedelta()
        keys = keys_of(email, address)
        for key in sorted(keys):  # in one order, so that none waits for the other
            values = {"key": key, "now": to_us(now), "old": to_us(now - FORGOTTEN_AFTER)}
            row = connection.execute(LOCK, values).one()
            failures[key] = row.failures + 1
            wait = max(wait, from_us(row.next_at) - now)
        if wait > timedelta():
            return wait
        for key, free in keys.items():
            count(connection, key, failures[key], now + wait_after(failures[key] - free), now)
    return timedelta()


def succeeded(engine: Engine, email: str, address: str) -> None:
    """Take back the try that `reserve` has counted, and forget the account's failures."""
    now = utc_now()
    (both, account, place) = keys_of(email, address)
    with engine.begin() as connection:
        gone = SignInAttempts.key_sha256.in_([both, account])
        connection.execute(delete(SignInAttempts).where(gone))
        connection.execute(
            update(SignInAttempts)
            .where(SignInAttempts.key_sha256 == place, SignInAttempts.failures > 0)
            .values(failures=SignInAttempts.failures - 1, next_at=now)
        )


def half_done(engine: Engine, email: str, address: str) -> None:
    """Take back the try that `reserve` has counted, and nothing else: the password was right, and
    the second factor is still due."""
    with engine.begin() as connection:
        connection.execute(
            update(SignInAttempts)
            .where(SignInAttempts.key_sha256.in_(keys_of(email, address)))
            .where(SignInAttempts.failures > 0)
            .values(failures=SignInAttempts.failures - 1, next_at=utc_now())
        )


def keys_of(email: str, address: str) -> dict[str, int]:
    """The three things that a try counts for, and how many failures of each cost nothing.

    A try in nobody's name (`email` "") counts for its address alone.
    """
    who, place = email.strip().casefold(), place_of(address)
    if not who:
        return {hashed(f"address {place}"): FREE_OF_ADDRESS}
    return {
        hashed(f"both {place} {who}"): FREE_OF_BOTH,
        hashed(f"account {who}"): FREE_OF_ACCOUNT,
        hashed(f"address {place}"): FREE_OF_ADDRESS,
    }


def place_of(address: str) -> str:
    """The address; of IPv6 the network that one household has."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((known, 64), strict=False)) if known.version == 6 else address


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wait_after(beyond: int) -> timedelta:
    """How long after so many failures beyond those that cost nothing."""
    return (
        min(timedelta(seconds=2 ** min(beyond, 20)), LONGEST_WAIT) if beyond >= 0 else timedelta()
    )


def count(
    connection: Connection, key: str, failures: int, next_at: datetime, now: datetime
) -> None:
    connection.execute(
        update(SignInAttempts)
        .where(SignInAttempts.key_sha256 == key)
        .values(failures=failures, failed_at=now, next_at=next_at)
    )


def forget_old(connection: Connection, now: datetime) -> None:
    """Remove what counts no more."""
    old = SignInAttempts.failed_at < now - FORGOTTEN_AFTER
    connection.execute(delete(SignInAttempts).where(old))
