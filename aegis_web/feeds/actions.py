"""What changes calendar feeds: making one, revoking one, noting that one was read."""

import secrets
from datetime import timedelta

from sqlalchemy import func, select, update

from aegis_web.accounts.queries import token_sha256
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import utc_now
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


def create_feed(name: str, tag: str, actor: Actor) -> str:
    """The token of a new feed of the jobs with that tag ("": of all); it is not kept.

    Raises: Invalid by field; Conflict when there are `MOST_FEEDS` already.
    """
    nameless = None if name else _("The feed needs a name. Write who reads it.")
    errors = {
        "name": nameless or text_error(_("The name"), name, NAME_LIMIT),
        "tag": text_error(_("The tag"), tag, TAG_LIMIT),
    }
    if wrong := {field: error for field, error in errors.items() if error}:
        raise Invalid(wrong)
    token = secrets.token_urlsafe(32)
    with transaction() as session:
        if session.scalars(select(func.count(Feed.id))).one() >= MOST_FEEDS:
            text = _(
                "There are %(count)s feeds. Revoke one that nobody reads first.", count=MOST_FEEDS
            )
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
    return token


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
