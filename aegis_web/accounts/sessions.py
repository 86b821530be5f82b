"""Browsers that have signed in: what the server keeps of each, and how it ends.

The cookie holds a key of 256 random bits, the database its SHA-256: who reads the database cannot
sign in with it, and who ends the row has ended the session in every process at its next request.
Source: OWASP Session Management Cheat Sheet; ASVS 5.0, V7.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from aegis_web.accounts.models import Account, AccountSession
from aegis_web.accounts.queries import token_sha256
from aegis_web.clock import utc_now
from aegis_web.config import Settings

SEEN_EVERY = timedelta(minutes=1)  # how exactly a session's last use is known
LONGEST_AGENT = 300


@dataclass(frozen=True)
class Limits:
    """How long a session lives."""

    idle: timedelta  # without use
    age: timedelta  # at most, whatever its use

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            timedelta(hours=settings.session_idle_hours), timedelta(days=settings.session_days)
        )


@dataclass(frozen=True)
class Kept:
    """One session as the server keeps it."""

    id: int  # another one may get it once this has ended
    key_sha256: str
    account_id: int
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str
    data: str


ONE = AccountSession
LIVING = select(
    ONE.id,
    ONE.key_sha256,
    ONE.account_id,
    ONE.created_at,
    ONE.seen_at,
    ONE.address,
    ONE.agent,
    ONE.data,
).where(ONE.seen_at > bindparam("used_after"), ONE.created_at > bindparam("begun_after"))
BY_KEY = LIVING.where(ONE.key_sha256 == bindparam("key"))  # made once: each request asks it


def find_session(session: Session, key: str, limits: Limits) -> Kept | None:
    """The session that the key of a cookie opens, if it lives. One query by index."""
    now = utc_now()
    values = {
        "key": token_sha256(key),
        "used_after": now - limits.idle,
        "begun_after": now - limits.age,
    }
    row = session.execute(BY_KEY, values).one_or_none()
    return None if row is None else Kept(*row)


def sessions_of(session: Session, account_id: int, limits: Limits) -> list[Kept]:
    """The living sessions of an account, the latest used first."""
    wanted = living(limits).where(AccountSession.account_id == account_id)
    latest = (AccountSession.seen_at.desc(), AccountSession.id.desc())
    return [Kept(*row) for row in session.execute(wanted.order_by(*latest))]


def living(limits: Limits) -> Select[*tuple[Any, ...]]:
    """The sessions that have not run out, in the fields of `Kept`."""
    now = utc_now()
    return LIVING.params(used_after=now - limits.idle, begun_after=now - limits.age)


def living_among(connection: Connection, keys: set[str], limits: Limits) -> set[str]:
    """Those of the sessions, by the SHA-256 of their keys, that live and whose accounts may act."""
    if not keys:
        return set()
    wanted = living(limits).join(Account).where(ONE.key_sha256.in_(keys), Account.active)
    return {row.key_sha256 for row in connection.execute(wanted)}


def begin_session(
    engine: Engine, uniquifier: str, data: str, address: str, agent: str, limits: Limits
) -> str | None:
    """Keep a new session of the account with this `fs_uniquifier`: the key for its cookie.

    None when there is no such account any more. Sessions that have run out are removed.
    """
    key, now = secrets.token_urlsafe(32), utc_now()
    with engine.begin() as connection:
        wanted = select(Account.id).where(Account.fs_uniquifier == uniquifier)
        account_id = connection.scalar(wanted)
        if account_id is None:
            return None
        forget_old(connection, now, limits)
        connection.execute(
            insert(AccountSession).values(
                key_sha256=token_sha256(key),
                account_id=account_id,
                created_at=now,
                seen_at=now,
                address=address,
                agent=agent[:LONGEST_AGENT],
                data=data,
            )
        )
    return key


def forget_old(connection: Connection, now: datetime, limits: Limits) -> None:
    """Remove the sessions that have run out."""
    connection.execute(
        delete(AccountSession).where(
            or_(
                AccountSession.seen_at <= now - limits.idle,
                AccountSession.created_at <= now - limits.age,
            )
        )
    )


def change_session(
    engine: Engine, kept: Kept, *, data: str | None = None, seen: bool = False
) -> None:
    """Keep other data of a session, or that somebody has just used it; one that ended stays so."""
    values: dict[str, object] = {}
    if data is not None:
        values["data"] = data
    if seen:
        values["seen_at"] = utc_now()
    if values:
        with engine.begin() as connection:
            connection.execute(update(AccountSession).where(*is_this(kept)).values(**values))


def end_session(engine: Engine, kept: Kept) -> None:
    """End one session."""
    with engine.begin() as connection:
        connection.execute(delete(AccountSession).where(*is_this(kept)))


def is_this(kept: Kept) -> tuple[ColumnElement[bool], ...]:
    """The conditions for its row, and for no later one that has got its number."""
    return AccountSession.id == kept.id, AccountSession.key_sha256 == kept.key_sha256


def end_sessions(session: Session, account_id: int, *, but: int | None = None) -> int:
    """End the sessions of an account, but one of them; how many. With the caller's transaction."""
    gone = delete(AccountSession).where(
        AccountSession.account_id == account_id, AccountSession.id != (but or 0)
    )
    return int(session.execute(gone).rowcount)  # type: ignore[attr-defined]
