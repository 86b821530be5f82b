"""What the door asks the database."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

from flask import current_app
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from aegis_web.accounts.models import ADMIN, Role, SetupLink, account_roles
from aegis_web.clock import utc_now
from aegis_web.extensions import db

SETUP_LINK_LIFE = timedelta(minutes=15)
SEEN = "aegis.has_administrator"


def administrator_exists() -> bool:
    """Whether set-up is done. One query until it is; none afterwards."""
    if not current_app.extensions.get(SEEN):
        current_app.extensions[SEEN] = has_administrator(db.session)
    return bool(current_app.extensions[SEEN])


def has_administrator(session: Session) -> bool:
    """Whether an account with the role admin is there, switched on or off."""
    holder = select(account_roles.c.account_id).join(Role).where(Role.name == ADMIN)
    return bool(session.scalar(select(exists(holder))))


def setup_link_works(token: str) -> bool:
    """Whether `token` may still make the first administrator. Two queries."""
    return find_link(db.session.scalars(select(SetupLink)).all(), token) is not None


def find_link(links: Sequence[SetupLink], token: str) -> SetupLink | None:
    """The one of `links` that `token` opens and that is not too old, in constant time."""
    digest = token_sha256(token)
    oldest = utc_now() - SETUP_LINK_LIFE
    matching = [link for link in links if hmac.compare_digest(link.token_sha256, digest)]
    return next((link for link in matching if link.made_at > oldest), None)


def token_sha256(token: str) -> str:
    """What is stored of a link's token. Unsalted: the token has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
