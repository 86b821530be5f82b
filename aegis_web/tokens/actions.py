"""What changes tokens: making one, revoking one, and being shown one."""

import hmac
import secrets
import string
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.accounts.queries import token_sha256
from aegis_web.audit.models import Actor, AuditEntry, audit_entry
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import db, transaction
from aegis_web.language import _
from aegis_web.tokens.models import Token
from aegis_web.tokens.scopes import SCOPES

NAME_LIMIT = 100  # characters
MOST_TOKENS = 200
LONGEST_DAYS = 3650
NOTED_EVERY = timedelta(minutes=1)
MARK = "aegis"  # so that scanners for leaked secrets know one when they see it
LETTERS = string.ascii_lowercase + string.digits


def make_token(
    actor: Actor, name: str, scopes: Sequence[str], days: str, request_key: str = ""
) -> str:
    """The text of a new token; it is not kept. `days` "": until it is revoked.

    The same `request_key` gives the same token again; "" always another one.
    Raises: Invalid by field; Conflict when there are `MOST_TOKENS` already.
    """
    errors = {
        "name": None if 0 < len(name) <= NAME_LIMIT else _("Say what uses it, in a few words."),
        "scopes": scopes_error(scopes),
        "days": days_error(days),
    }
    if wrong := {field: error for field, error in errors.items() if error}:
        raise Invalid(wrong)
    chosen = sorted(set(scopes))
    key = request_key or secrets.token_urlsafe(32)
    request = "\0".join([name, *chosen, days, key])
    try:
        prefix, secret = put_token(actor, name, chosen, days, request)
    except IntegrityError:  # the same request was quicker on another way, and is found now
        prefix, secret = put_token(actor, name, chosen, days, request)
    return f"{MARK}_{prefix}_{secret}"


def put_token(
    actor: Actor, name: str, scopes: list[str], days: str, request: str
) -> tuple[str, str]:
    """Prefix and secret of the token that this request makes, stored by now."""
    with transaction() as session:
        prefix, secret = parts_for(session, request, actor)
        known = select(Token.id).where(Token.secret_sha256 == token_sha256(secret))
        if session.scalar(known) is None:
            add_token(session, actor, name, scopes, days, prefix, secret)
    return prefix, secret


def parts_for(session: Session, request: str, actor: Actor) -> tuple[str, str]:
    """Prefix and secret of the token that this request makes: the same when it is sent again.

    A revocation between the two changes them, so that no token that was revoked comes back.
    """
    query = select(func.max(AuditEntry.id)).where(AuditEntry.action == "token.revoke")
    text = f"{actor.account_id}\0{session.scalar(query)}\0{request}"
    key = settings().secret_key.encode()
    shown = hmac.digest(key, f"token prefix\0{text}".encode(), "sha256")
    secret = hmac.digest(key, f"token secret\0{text}".encode(), "sha256")
    prefix = "".join(LETTERS[byte % len(LETTERS)] for byte in shown[:8])
    return prefix, urlsafe_b64encode(secret).decode().rstrip("=")


def add_token(
    session: Session,
    actor: Actor,
    name: str,
    scopes: list[str],
    days: str,
    prefix: str,
    secret: str,
) -> None:
    """Store a token and note who made it. Raises: Conflict when there are `MOST_TOKENS` already."""
    if session.scalars(select(func.count(Token.id))).one() >= MOST_TOKENS:
        raise Conflict(
            _("There are %(number)s tokens. Revoke one that nothing uses.", number=MOST_TOKENS)
        )
    now = utc_now()
    token = Token(
        prefix=prefix,
        secret_sha256=token_sha256(secret),
        account_id=actor.account_id,
        name=name,
        scopes=scopes,
        made_at=now,
        ends_at=now + timedelta(days=int(days)) if days else None,
    )
    session.add(token)
    session.flush()
    after = {"name": name, "prefix": prefix, "scopes": scopes, "days": days or None}
    session.add(audit_entry(actor, "token.create", f"token:{token.id}", None, after))


def revoke_token(actor: Actor, token_id: int) -> str:
    """End a token for good; its name. Raises: NotFound."""
    with transaction() as session:
        token = session.get(Token, token_id)
        if token is None:
            raise NotFound(_("There is no such token, or not any more."))
        before = {"name": token.name, "prefix": token.prefix, "scopes": token.scopes}
        session.delete(token)
        session.add(audit_entry(actor, "token.revoke", f"token:{token_id}", before, None))
        return token.name


def list_tokens() -> list[Token]:
    """All tokens, the newest first."""
    wanted = select(Token).order_by(Token.id.desc())
    return list(db.session.scalars(wanted).unique())


def open_token(session: Session, text: str) -> Token | None:
    """The token that `text` is, if it works: found by its prefix, compared in constant time."""
    mark, _rest, rest = text.partition("_")
    prefix, _rest, secret = rest.partition("_")
    found = session.scalars(select(Token).where(Token.prefix == prefix)).unique().one_or_none()
    kept = found.secret_sha256 if found else "0" * 64
    if not hmac.compare_digest(token_sha256(secret), kept) or found is None or mark != MARK:
        return None
    return found if works(found, utc_now()) else None


def works(token: Token, now: datetime) -> bool:
    """Whether it has not run out, and its account may still act."""
    return token.account.active and (token.ends_at is None or token.ends_at > now)


def note_use(token: Token, address: str) -> None:
    """Keep when and from where a token was used, at most once a minute."""
    now = utc_now()
    recent = token.used_at is not None and now - token.used_at < NOTED_EVERY
    if recent and token.used_from == address:
        return
    with transaction() as session:
        session.execute(
            update(Token).where(Token.id == token.id).values(used_at=now, used_from=address)
        )


def scopes_error(scopes: Sequence[str]) -> str | None:
    if not scopes:
        return _("Choose what it may do.")
    if unknown := set(scopes) - SCOPES.keys():
        return _("There is no scope %(name)s.", name=", ".join(sorted(unknown)))
    return None


def days_error(days: str) -> str | None:
    if not days or (days.isascii() and days.isdigit() and 0 < int(days[:6]) <= LONGEST_DAYS):
        return None
    return _("Write a number of days from 1 to %(most)s, or nothing.", most=LONGEST_DAYS)
