"""Pausing everything: the form, the banner on each page, and the question when it goes on."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Pause
from tests.jobs.conftest import text_of
from tests.runs.rows import add_job
from tests.support.applications import Browser, signed_in

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
REASON = "The data centre <moves>"


def pauses(app: Flask) -> list[Pause]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Pause).order_by(Pause.id)))


def actions(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        query = select(AuditEntry.action).where(AuditEntry.subject == "everything")
        return list(session.scalars(query.order_by(AuditEntry.id)))


def banner(page: str) -> str:
    return page.partition('<div id="pauses-banner"')[2].partition("</div>")[0]


def test_the_jobs_page_offers_it_while_nothing_is_paused(admin: Browser) -> None:
    assert "Pause all…" in text_of(admin.get("/jobs"))
    assert "Until resumed" in text_of(admin.get("/pauses/new"))
    admin.post("/pauses", data={})
    assert "Pause all…" not in text_of(admin.get("/jobs"))


def test_every_page_says_who_paused_everything_why_and_until_when(
    any_app: Flask,
) -> None:
    admin = signed_in(any_app)
    job = add_job(any_app)
    answer = admin.post("/pauses", data={"reason": REASON, "lasting": "4h"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs")
    (pause,) = pauses(any_app)
    assert pause.reason == REASON
    assert pause.until_at is not None
    assert abs(pause.until_at - pause.from_at - timedelta(hours=4)) < timedelta(minutes=10)
    for path in ("/", "/jobs", f"/jobs/{job}", "/runs", "/services", "/calendars", "/account"):
        text = banner(text_of(admin.get(path)))
        for words in ("Everything is paused", REASON, "by alice@example.org", ", until <time"):
            assert words in text, path
    assert actions(any_app) == ["everything.pause"]


def test_without_a_pause_no_page_has_a_banner_that_asks(admin: Browser) -> None:
    assert "hx-get" not in banner(text_of(admin.get("/jobs")))
    assert "Everything is paused" not in text_of(admin.get("/jobs"))


def test_the_banner_leaves_by_itself_when_the_time_is_over(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    admin.post("/pauses", data={"lasting": "1h"})
    for headers in ({}, {"HX-Request": "true"}):
        assert "Everything is paused" in text_of(admin.get("/pauses", headers=headers))
    frozen.shift(timedelta(minutes=61))
    for headers in ({}, {"HX-Request": "true"}):
        assert "Everything is paused" not in text_of(admin.get("/pauses", headers=headers))


def test_strangers_do_not_learn_of_it(admin: Browser, client: Browser) -> None:
    admin.post("/pauses", data={"reason": REASON})
    page = client.get("/", follow_redirects=True)
    assert "Everything is paused" not in text_of(page)
    for path in ("/pauses", "/pauses/new", "/pauses/resume"):
        assert client.get(path).status_code == 303


def test_resuming_asks_about_the_fire_times_that_passed(
    frozen: time_machine.Traveller, app: Flask, admin: Browser
) -> None:
    add_job(app, "One", next_run_at=NOON + timedelta(hours=1))
    add_job(app, "Two", next_run_at=NOON + timedelta(hours=2))
    admin.post("/pauses", data={})
    assert "No fire time passed" in text_of(admin.get("/pauses/resume"))
    frozen.shift(timedelta(minutes=190))
    page = text_of(admin.get("/pauses/resume"))
    assert "5 fire times passed" in page
    assert re.findall(r'name="catch_up" value="(\w+)"', page) == ["none", "latest", "all"]
    admin.post("/pauses/resume", data={"catch_up": "latest"})
    (pause,) = pauses(app)
    assert (pause.catch_up, pause.until_at) == ("latest", NOON + timedelta(minutes=190))
    assert "Everything is paused" not in text_of(admin.get("/jobs"))
    assert actions(app) == ["everything.pause", "everything.resume"]


def test_run_now_is_refused_meanwhile_and_says_why(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    admin.post("/pauses", data={"reason": REASON})
    page = text_of(admin.get(f"/jobs/{job}"))
    assert 'type="submit" disabled title="Everything is paused"' in page
    answer = admin.post(f"/jobs/{job}/run", data={"request_key": "k"})
    assert answer.status_code == 409
    assert REASON in text_of(answer)


def test_who_comes_second_is_told(app: Flask, admin: Browser) -> None:
    assert admin.get("/pauses/resume").status_code == 409
    assert admin.post("/pauses/resume").status_code == 409
    assert admin.post("/pauses", data={}).status_code == 303
    again = admin.post("/pauses", data={})
    assert again.status_code == 409
    assert "paused already, by alice@example.org" in text_of(again)
    assert len(pauses(app)) == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"reason": "r" * 501}, "at most 500"),
        ({"lasting": "ever"}, "Choose how long"),
        ({"lasting": "at", "until": "2020-01-01T10:00"}, "has passed"),
    ],
)
def test_what_cannot_be_comes_back_beside_its_field(
    app: Flask, admin: Browser, typed: dict[str, str], words: str
) -> None:
    answer = admin.post("/pauses", data={"reason": "Kept as typed.", **typed})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert typed.get("reason", "Kept as typed.") in text_of(answer)
    assert pauses(app) == []


def test_an_unknown_choice_resumes_nothing(app: Flask, admin: Browser) -> None:
    admin.post("/pauses", data={})
    assert admin.post("/pauses/resume", data={"catch_up": "some"}).status_code == 422
    assert pauses(app)[0].until_at is None
