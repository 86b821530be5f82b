"""The page of the calendar feeds, and the feeds themselves, which need no account."""

from flask import Blueprint, Response, flash, make_response, request, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.clock import utc_now
from aegis_web.errors import Invalid
from aegis_web.feeds import actions, queries
from aegis_web.feeds.ical import calendar_text
from aegis_web.jobs import queries as jobs
from aegis_web.jobs.addresses import new_key
from aegis_web.jobs.forms import one_line, read_request_key
from aegis_web.language import ENGLISH, N_, _, spoken
from aegis_web.web.pages import finish_reading, go_to, render

bp = Blueprint("feeds", __name__, url_prefix="/feeds")

UNKNOWN = N_(
    "There is no calendar feed at this address, or not any more: it was revoked. Ask for a new one."
)


@bp.get("")
def index() -> Response:
    """Which feeds there are, and the form of a new one."""
    return feeds_page()


@bp.post("")
def create() -> Response:
    """Make a feed, and show its address this one time."""
    name, tag = (one_line(request.form.get(field, "")) for field in ("name", "tag"))
    key = read_request_key(request.form) or new_key()
    try:
        token = actions.create_feed(name, tag, key, current_actor())
    except Invalid as invalid:
        return feeds_page(422, name=name, tag=tag, errors=invalid.errors)
    finish_reading()  # what this request has read is older than the feed
    return feeds_page(201, new_url=url_for("feeds.calendar", token=token, _external=True))


@bp.post("/<int:feed_id>/revoke")
def revoke(feed_id: int) -> Response:
    """End a feed."""
    name = actions.revoke_feed(feed_id, current_actor())
    flash(_("Revoked the feed “%(name)s”. Nobody can read it any more.", name=name), "success")
    return go_to(url_for("feeds.index"))


@bp.get("/<token>.ics")
def calendar(token: str) -> Response:
    """When jobs are due, for whoever knows the address; in English, as no account asks."""
    feed = queries.find_feed(token)
    if feed is None:
        return plain(_(UNKNOWN), 404, "text/plain")
    with spoken(ENGLISH):
        coming = queries.coming(feed.tag)
    finish_reading()
    actions.note_use(feed)
    title = f"Jobs: {feed.tag}" if feed.tag else "Jobs"
    text = calendar_text(
        coming,
        f"{title} ({request.host})",
        request.host,
        utc_now(),
        lambda job_id: url_for("jobs.show", job_id=job_id, _external=True),
    )
    return plain(text, 200, "text/calendar")


def feeds_page(
    status: int = 200,
    *,
    new_url: str | None = None,
    name: str = "",
    tag: str = "",
    errors: dict[str, str] | None = None,
) -> Response:
    """The page; `new_url`: of the feed that was just made."""
    return render(
        "feeds/index.html",
        status=status,
        feeds=queries.list_feeds(),
        tags=jobs.all_tags(),
        new_url=new_url,
        name=name,
        tag=tag,
        errors=errors or {},
        request_key=new_key(),
        days=queries.DAYS,
        most=queries.MOST_EVENTS,
    )


def plain(text: str, status: int, kind: str) -> Response:
    """An answer for programs; no page of ours stands around it."""
    response = make_response(text, status)
    response.headers["Content-Type"] = f"{kind}; charset=utf-8"
    return response
