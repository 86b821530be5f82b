"""Skipping any of the next ten fire times, and letting them run after all."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from aegis_web.clock import to_us
from aegis_web.extensions import transaction
from aegis_web.jobs.models import JobSkip
from tests.jobs.conftest import FORM, MakeJob, audit, cron_trigger, text_of
from tests.support.applications import Browser, signed_in

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(app: Flask, frozen: time_machine.Traveller) -> Browser:
    """The browser of Alice, an administrator, who has signed in at that noon."""
    return signed_in(app)


@pytest.fixture
def job(frozen: time_machine.Traveller, make_job: MakeJob) -> int:
    """A job of every hour; it is noon."""
    return make_job(trigger=cron_trigger("0 * * * *"))


def skip(admin: Browser, job: int, hours: int, reason: str = "", verb: str = "skip") -> int:
    """Ask for the fire time so many hours after noon; the status of the answer."""
    data = {"fire_at": str(to_us(NOON + hours * HOUR)), "reason": reason}
    return int(admin.post(f"/jobs/{job}/{verb}", data=data).status_code)


def skipped(app: Flask) -> list[datetime]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(JobSkip.fire_at).order_by(JobSkip.fire_at)))


def line(page: str, hours: int) -> str:
    """The page's line about one fire time."""
    start = page.index(f'id="fire-{to_us(NOON + hours * HOUR)}"')
    return page[start : page.index("</li>", start)]


def test_each_of_the_next_ten_can_be_skipped_and_taken_back(
    app: Flask, admin: Browser, job: int
) -> None:
    assert text_of(admin.get(f"/jobs/{job}")).count('form="jobs-skip" name="fire_at"') == 10
    assert skip(admin, job, 3, " Servers <move>. ") == 303
    assert skip(admin, job, 10) == 303
    page = text_of(admin.get(f"/jobs/{job}"))
    assert "Tue 10 Mar 2026, 15:00 UTC" in line(page, 3).partition("<s>")[2].partition("</s>")[0]
    assert "Will be skipped" in line(page, 3)
    assert "alice@example.org</bdi>: <bdi>Servers <move>." in line(page, 3)
    assert "Run it after all" in line(page, 10)
    assert "<s>" not in line(page, 4)
    assert "Skip this one" in line(page, 4)
    assert skip(admin, job, 3, verb="unskip") == 303
    assert skipped(app) == [NOON + 10 * HOUR]
    noted = [(each.action, (each.after or each.before)["reason"]) for each in audit(app, job)]
    why = "Servers <move>."
    assert noted == [("job.skip", why), ("job.skip", ""), ("job.unskip", why)]


def test_a_form_that_is_open_meanwhile_can_still_be_saved(
    app: Flask, admin: Browser, job: int
) -> None:
    skip(admin, job, 3)
    form = {**FORM, "cron": "0 * * * *", "zone": "UTC", "revision": "1"}
    assert admin.post(f"/jobs/{job}", data=form).status_code == 303
    assert skipped(app) == [NOON + 3 * HOUR]


def test_list_and_first_page_say_so_of_the_next_one_alone(admin: Browser, job: int) -> None:
    skip(admin, job, 2)
    assert ">will be skipped<" not in text_of(admin.get("/jobs"))
    assert "as somebody asked" not in text_of(admin.get("/"))
    skip(admin, job, 1)
    assert ">will be skipped<" in text_of(admin.get("/jobs"))
    assert "as somebody asked" in text_of(admin.get("/"))


def test_the_outlook_is_about_the_first_that_runs(admin: Browser, job: int) -> None:
    said = "The first of them that runs is Tue 15:00 UTC."
    skip(admin, job, 2)
    assert "first of them that runs" not in text_of(admin.get(f"/jobs/{job}"))
    skip(admin, job, 1)
    assert said in text_of(admin.get(f"/jobs/{job}"))
    for hours in range(3, 11):
        skip(admin, job, hours)
    assert "All of these are skipped." in text_of(admin.get(f"/jobs/{job}"))


def test_another_trigger_drops_what_it_does_not_name_and_says_so(
    app: Flask, admin: Browser, job: int
) -> None:
    skip(admin, job, 1)
    skip(admin, job, 2)
    form = {**FORM, "cron": "0 */2 * * *", "zone": "UTC", "revision": "1"}
    review = text_of(admin.post(f"/jobs/{job}/review", data=form, headers=HTMX))
    warning = review.partition("To be skipped now, and no fire time then:")[2].partition("</p>")[0]
    assert "Tue 13:00 UTC" in warning
    assert "14:00" not in warning
    admin.post(f"/jobs/{job}", data=form)
    page = text_of(admin.get(f"/jobs/{job}"))
    assert "Tue 13:00 UTC was to be skipped and is no fire time any more." in page
    assert skipped(app) == [NOON + 2 * HOUR]
    assert audit(app, job)[-1].before["skips"] == ["2026-03-10T13:00:00+00:00"]
    admin.post(f"/jobs/{job}/versions/1/restore", data={"revision": "2"})
    assert skipped(app) == [NOON + 2 * HOUR]


def test_a_pause_keeps_them_and_says_so(app: Flask, admin: Browser, job: int) -> None:
    skip(admin, job, 2)
    admin.post(f"/jobs/{job}/pause", data={"reason": "", "lasting": ""})
    page = re.sub("<[^>]+>", "", text_of(admin.get(f"/jobs/{job}")))
    assert "Those that are to be skipped stay so: Tue 10 Mar 2026, 14:00 UTC." in page
    assert skip(admin, job, 3) == 409
    assert skip(admin, job, 2, verb="unskip") == 303
    assert skipped(app) == []


def test_one_that_has_passed_since_the_page_was_made_is_not_skipped(
    frozen: time_machine.Traveller, app: Flask, admin: Browser, job: int
) -> None:
    frozen.shift(HOUR + timedelta(minutes=1))
    answer = admin.post(f"/jobs/{job}/skip", data={"fire_at": str(to_us(NOON + HOUR))})
    assert answer.status_code == 409
    assert "it may have just passed" in text_of(answer)
    assert skipped(app) == []
    assert audit(app, job) == []


def test_what_cannot_be_understood_is_refused_in_words(
    app: Flask, admin: Browser, job: int
) -> None:
    for verb in ("skip", "unskip"):
        for fire_at in ("", "soon", "-1", "9" * 40, "1.5"):
            answer = admin.post(f"/jobs/{job}/{verb}", data={"fire_at": fire_at})
            assert answer.status_code == 422
            assert "reload the page" in text_of(answer)
    assert skip(admin, job, 1, "x" * 501) == 422
    assert skipped(app) == []
