"""Calendar feeds: what they say, read by a parser of our own; who may read them; their page."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from aegis_web.accounts.queries import token_sha256
from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import transaction
from aegis_web.feeds import queries
from aegis_web.feeds.models import Feed
from aegis_web.jobs.models import Calendar, JobState
from tests.jobs.conftest import cron_trigger, text_of
from tests.runs.rows import add_job, add_run, add_skip
from tests.support.applications import Browser, signed_in
from tests.support.browsers import OpenPage, assert_accessible_and_fits
from tests.support.clocks import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAME = "Straße; “Übertrag”, \\ <Rechnungen> 🚚 " + "und noch mehr davon " * 5


@pytest.fixture
def admin(app: Flask, frozen: Any) -> Browser:
    return signed_in(app)


@pytest.fixture
def any_admin(any_app: Flask, frozen: Any) -> Browser:
    return signed_in(any_app)


def add(app: Flask, name: str, cron: str = "0 2 * * *", zone: str = "UTC", **values: Any) -> int:
    trigger = cron_trigger(cron, zone)
    row = {"trigger": trigger.to_json(), "next_run_at": trigger.next_after(NOON), **values}
    return add_job(app, name, **row)


def make_feed(admin: Browser, tag: str = "") -> str:
    """The address of a new feed, as the page shows it this one time."""
    return address_in(admin.post("/feeds", data={"name": "Ann's phone", "tag": tag}))


def address_in(answer: TestResponse) -> str:
    assert answer.status_code == 201
    shown = re.search(
        r'id="feed-address">http://localhost(/feeds/[\w-]{43}\.ics)<', text_of(answer)
    )
    assert shown is not None
    return shown[1]


def kept(app: Flask) -> list[Feed]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Feed).order_by(Feed.id)))


def events(client: FlaskClient, address: str) -> list[Mapping[str, str]]:
    """The events of a feed, each by property; fails where the text is not as RFC 5545 wants it."""
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    found: list[dict[str, str]] = []
    calendar: dict[str, str] = {}
    for name, value in parsed(answer.get_data()):
        if (name, value) == ("BEGIN", "VEVENT"):
            found.append({})
        elif name not in ("BEGIN", "END"):
            place = found[-1] if found else calendar
            assert name not in place
            place[name] = value
    assert calendar["VERSION"] == "2.0"
    assert calendar["PRODID"]
    for event in found:
        assert {"UID", "DTSTAMP", "SUMMARY"} < event.keys()
    assert len({event["UID"] for event in found}) == len(found)
    return found


def parsed(text: bytes) -> list[tuple[str, str]]:
    """The content lines, unfolded, as name (with parameters) and unescaped value."""
    assert text.endswith(b"END:VCALENDAR\r\n")
    lines = text[:-2].split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    whole = text[:-2].replace(b"\r\n ", b"").decode().split("\r\n")
    assert (whole[0], whole[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    found = []
    for line in whole:
        name, colon, value = line.partition(":")
        assert colon
        assert re.fullmatch(r"[A-Z-]+(;[A-Z]+=[A-Z-]+)*", name)
        found.append((name, re.sub(r"\\([\\;,n])", lambda m: m[1].replace("n", "\n"), value)))
    return found


def starts(found: list[Mapping[str, str]]) -> list[datetime]:
    return [
        datetime.strptime(event["DTSTART"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for event in found
    ]


def test_each_fire_time_is_an_event_as_long_as_usual(any_app: Flask, any_admin: Browser) -> None:
    job = add(any_app, NAME, zone="Europe/Berlin")
    add_run(any_app, job, at=NOON - DAY, finished_at=NOON - DAY + timedelta(minutes=7))
    found = events(any_app.test_client(), make_feed(any_admin))
    assert starts(found) == [NOON + 13 * HOUR + number * DAY for number in range(14)]
    assert found[0]["DTEND"] == "20260311T010700Z"
    assert found[0]["SUMMARY"] == NAME
    assert found[0]["URL"] == f"http://localhost/jobs/{job}"
    assert found[0]["UID"] == f"job-{job}-20260311T010000Z@localhost"
    assert found[0]["DTSTAMP"] == "20260310T120000Z"
    assert found[0]["DESCRIPTION"] == "Every day at 02:00 (Europe/Berlin)"


def test_it_is_in_english_whatever_the_calendar_program_asks_for(
    app: Flask, admin: Browser
) -> None:
    add(app, "Nightly")
    address = make_feed(admin)
    german = admin.get(address, headers={"Accept-Language": "de"})
    assert german.get_data() == admin.get(address).get_data()
    assert "DESCRIPTION:Every day at 02:00 (UTC)" in german.text


def test_what_takes_less_than_a_minute_is_a_minute_long(app: Flask, admin: Browser) -> None:
    add_run(app, add(app, "Quick"), at=NOON - DAY)
    first, *_ = events(app.test_client(), make_feed(admin))
    assert (first["DTSTART"], first["DTEND"]) == ("20260311T020000Z", "20260311T020100Z")


def test_a_job_that_is_due_more_often_than_hourly_is_one_event_a_day(
    app: Flask, admin: Browser
) -> None:
    job = add(app, "Often", "*/5 * * * *", "Europe/Berlin")
    found = events(app.test_client(), make_feed(admin))
    assert [event["SUMMARY"] for event in found[:2]] == ["Often: 131 runs", "Often: 288 runs"]
    assert found[0]["DTSTART;VALUE=DATE"] == "20260310"
    assert found[0]["DTEND;VALUE=DATE"] == "20260311"
    assert found[0]["UID"] == f"job-{job}-20260310@localhost"
    assert len(found) == 15


def test_only_what_will_run_is_in_it(any_app: Flask, any_admin: Browser) -> None:
    with any_app.app_context(), transaction() as session:
        freeze = {"name": "Freeze", "from": "2026-03-11T00:00", "until": "2026-03-24T00:00"}
        session.add(Calendar(id=1, name="Freezes", zone="UTC", periods=[freeze]))
    shop = ["shop"]
    frozen = add(any_app, "Frozen", tags=shop, calendar_id=1)
    skipped = add(any_app, "Skipped", "0 3 * * 3", tags=shop)
    add_skip(any_app, skipped, NOON + 15 * HOUR)
    by_hand = add(any_app, "By hand", "0 4 * * 3", tags=shop, next_run_at=NOON + HOUR)
    for name, values in {
        "Other": {"tags": ["ops"]},
        "Paused": {"state": JobState.PAUSED},
        "Broken": {"problem": "Its function is missing."},
        "Deleted": {"deleted_at": NOON},
        "Late": {"next_run_at": NOON + 20 * DAY},
    }.items():
        add(any_app, name, **{"tags": shop, **values})
    found = events(any_app.test_client(), make_feed(any_admin, "shop"))
    number = [int(event["UID"].split("-")[1]) for event in found]
    assert list(zip(number, starts(found), strict=True)) == [
        (by_hand, NOON + HOUR),
        (by_hand, NOON + 16 * HOUR),
        (skipped, NOON + 7 * DAY + 15 * HOUR),
        (by_hand, NOON + 7 * DAY + 16 * HOUR),
        (frozen, NOON + 13 * DAY + 14 * HOUR),
    ]


def test_of_too_many_the_first_are_in_it_and_it_says_so(
    app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_EVENTS", 20)
    for minute in range(15):
        add(app, f"Hourly {minute}", f"{minute} 18-20 * * *")
    address = make_feed(admin)
    found = events(app.test_client(), address)
    minutes = [*range(15), *range(60, 65)]
    assert starts(found) == [NOON + 6 * HOUR + timedelta(minutes=minute) for minute in minutes]
    lines = dict(parsed(app.test_client().get(address).get_data())[:9])
    assert lines["DESCRIPTION"].endswith("up to 2026-03-10 19:04 UTC.")


def test_a_stranger_needs_the_whole_address_and_can_only_read(app: Flask, admin: Browser) -> None:
    address, stranger = make_feed(admin), app.test_client()
    answer = stranger.get(address)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    for wrong in ("/feeds/x.ics", address[:-5] + ".ics", "/feeds/%00.ics"):
        refused = stranger.get(wrong)
        assert (refused.status_code, refused.mimetype) == (404, "text/plain")
        assert refused.text.startswith("There is no calendar feed at this address")
    assert stranger.post(address).status_code != 200
    assert stranger.get("/feeds").headers["Location"] == "/sign-in?next=/feeds"


def test_a_revoked_feed_is_gone_and_the_audit_has_both(app: Flask, admin: Browser) -> None:
    address = make_feed(admin, "shop")
    token = address.removeprefix("/feeds/").removesuffix(".ics")
    with app.app_context(), transaction() as session:
        feed = session.scalars(select(Feed)).one()
        assert feed.token_sha256 == token_sha256(token)
    assert token not in text_of(admin.get("/feeds"))
    answer = admin.post(f"/feeds/{feed.id}/revoke")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/feeds")
    assert app.test_client().get(address).status_code == 404
    assert admin.post(f"/feeds/{feed.id}/revoke").status_code == 404
    with app.app_context(), transaction() as session:
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action.like("feed.%"))).all()
    assert [(entry.action, entry.actor) for entry in noted] == [
        ("feed.create", "alice@example.org"), ("feed.revoke", "alice@example.org"),
    ]  # fmt: skip
    assert noted[0].after == noted[1].before == {"name": "Ann's phone", "tag": "shop"}


def test_a_feed_that_is_sent_again_is_one_with_one_address(
    any_app: Flask, any_admin: Browser
) -> None:
    form = {"name": "Ann's phone", "tag": "shop", "request_key": "k"}
    page = text_of(any_admin.get("/feeds"))
    assert re.search(r'name="request_key" value="[\w-]{16}"', page)
    first, again = (address_in(any_admin.post("/feeds", data=form)) for _ in range(2))
    assert again == first
    assert len(kept(any_app)) == 1
    others = [
        address_in(browser.post("/feeds", data={**form, **values}))
        for browser, values in (
            (any_admin, {"request_key": "l"}),
            (any_admin, {"tag": "ops"}),
            (signed_in(any_app, "bob@example.org"), {}),
        )
    ]
    assert len({first, *others}) == len(kept(any_app)) == 4


def test_a_form_that_is_sent_again_brings_no_revoked_address_back(
    app: Flask, admin: Browser
) -> None:
    form = {"name": "Ann's phone", "tag": "", "request_key": "k"}
    address = address_in(admin.post("/feeds", data=form))
    admin.post(f"/feeds/{kept(app)[0].id}/revoke")
    assert address_in(admin.post("/feeds", data=form)) != address
    assert app.test_client().get(address).status_code == 404


def test_its_last_use_is_noted_once_a_minute(app: Flask, admin: Browser, frozen: Any) -> None:
    address = make_feed(admin)
    assert "never read" in text_of(admin.get("/feeds"))
    for seconds, noted in [(0, 0), (59, 0), (60, 60)]:
        frozen.move_to(NOON + timedelta(seconds=seconds))
        app.test_client().get(address)
        with app.app_context(), transaction() as session:
            assert session.scalars(select(Feed.used_at)).one() == NOON + timedelta(seconds=noted)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"name": " ", "tag": "ops"}, "The feed needs a name. Write who reads it."),
        ({"name": "x" * 101, "tag": "ops"}, "The name has 101 characters"),
        ({"name": "a\0b", "tag": "ops"}, "cannot be shown"),
        ({"name": "Ann", "tag": "t" * 51}, "The tag has 51 characters"),
        ({}, "The feed needs a name"),
    ],
)
def test_bad_input_is_refused_beside_its_field(
    app: Flask, admin: Browser, typed: dict[str, str], message: str
) -> None:
    answer = admin.post("/feeds", data=typed)
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert "No feeds yet" in text_of(answer)
    if typed.get("tag") == "ops":
        assert '<option value="ops" selected translate="no">' in text_of(answer)


@pytest.mark.browser
def test_the_page_is_accessible_and_fits(app: Flask, open_signed_in: OpenPage) -> None:
    add(app, "Nightly", tags=["shop"])
    page = open_signed_in("/feeds")
    assert_accessible_and_fits(page)
    page.get_by_label("Who reads it").fill("Ann's phone")
    page.get_by_label("Jobs", exact=True).select_option("shop")
    page.get_by_role("button", name="Make the feed").click()
    page.get_by_role("button", name="Copy address").wait_for()
    assert_accessible_and_fits(page)
