"""What changes calendar feeds: making one, revoking one, noting that one was read."""

import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aegis_web.accounts.queries import token_sha256
from aegis_web.audit.models import Actor, AuditEntry, audit_entry
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import Conflict, Invalid, NotFound
from aegis_web.extensions import transaction
from aegis_web.feeds.models import Feed
from aegis_web.feeds.queries import FeedRow
from aegis_web.jobs.definition import TAG_LIMIT, text_error
from aegis_web.language import _
from aegis_web.runs.filters import LARGEST_KEY

NAME_LIMIT = 100  # characters
MOST_FEEDS = 200
NOTED_EVERY = timedelta(minutes=1)


def create_feed(name: str, tag: str, request_key: str, actor: Actor) -> str:
    """The token of a new feed of the jobs with that tag ("": of all); it is not kept.

    The same `request_key` gives the same feed and token again.
    Raises: Invalid by field; Conflict when there are `MOST_FEEDS` already.
    """
    nameless = None if name else _("The feed needs a name. Write who reads it.")
    errors = {
        "name": nameless or text_error(_("The name"), name, NAME_LIMIT),
        "tag": text_error(_("The tag"), tag, TAG_LIMIT),
    }
    if wrong := {field: error for field, error in errors.items() if error}:
        raise Invalid(wrong)
    try:
        with transaction() as session:
            token = token_for(session, f"{name}\0{tag}\0{request_key}", actor)
            query = select(Feed.id).where(Feed.token_sha256 == token_sha256(token))
            if session.scalar(query) is None:
                add_feed(session, name, tag, token, actor)
    except IntegrityError:
        pass  # the same request was quicker on another way
    return token


def add_feed(session: Session, name: str, tag: str, token: str, actor: Actor) -> None:
    """Store a feed and note who made it. Raises: Conflict when there are `MOST_FEEDS` already."""
    if session.scalars(select(func.count(Feed.id))).one() >= MOST_FEEDS:
        text = _("There are %(count)s feeds. Revoke one that nobody reads first.", count=MOST_FEEDS)
        raise Conflict(text)
    feed = Feed(
        name=name,
        tag=tag,
        token_sha256=token_sha256(token),
        made_at=utc_now(),
        made_by=actor.name,
    )
    session.add(feed)
    session.flush()
    after = {"name": name, "tag": tag}
    session.add(audit_entry(actor, "feed.create", f"feed:{feed.id}", None, after))


def token_for(session: Session, request: str, actor: Actor) -> str:
    """The token that this request makes: a secret, but the same one when it is sent again.

    A revocation between the two changes it, so that no address that was revoked comes back.
    """
    query = select(func.max(AuditEntry.id)).where(AuditEntry.action == "feed.revoke")
    text = f"feed\0{actor.account_id}\0{session.scalar(query)}\0{request}"
    digest = hmac.digest(settings().secret_key.encode(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def revoke_feed(feed_id: int, actor: Actor) -> str:
    """End a feed for good; its name. Raises: NotFound."""
    with transaction() as session:
        feed = session.get(Feed, feed_id) if feed_id <= LARGEST_KEY else None
        if feed is None:
            raise NotFound(_("There is no such feed, or not any more."))
        before = {"name": feed.name, "tag": feed.tag}
        session.delete(feed)
        session.add(audit_entry(actor, "feed.revoke", f"feed:{feed_id}", before, None))
        return feed.name


def note_use(feed: FeedRow) -> None:
    """Keep when a feed was read, at most once a minute."""
    now = utc_now()
    if feed.used_at is not None and now - feed.used_at < NOTED_EVERY:
        return
    with transaction() as session:
        session.execute(update(Feed).where(Feed.id == feed.id).values(used_at=now))
