"""The previews of the form: next fire times, the cron builder, another function's arguments."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from aegis_web.jobs.trigger_form import DAYS, TriggerFields, cron_days, days_of
from tests.jobs.conftest import FORM, MakeJob, cron_trigger, jobs, make_calendar, text_of
from tests.support.applications import Browser

CRON = {"trigger": "cron", "cron": "0 9 * * 1-5", "zone": "Europe/Berlin"}


def test_it_says_the_trigger_in_words_with_ten_fire_times(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    page = text_of(admin.get("/jobs/preview", query_string=CRON))
    assert page.lstrip().startswith('<div id="jobs-preview"')
    assert "At 09:00, Monday to Friday" in page
    assert page.count("<li>") == 10
    assert "Wed 11 Mar 2026, 09:00 CET" in page


def test_it_shows_the_viewers_time_beside_the_jobs(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    admin.set_cookie("aegis_zone", "America/New_York")
    page = text_of(admin.get("/jobs/preview", query_string=CRON))
    assert "America/New_York" in page
    assert "Wed 04:00 EDT" in page
    admin.set_cookie("aegis_zone", "Europe/Berlin")
    assert "for you" not in text_of(admin.get("/jobs/preview", query_string=CRON))


def test_it_names_both_abbreviations_over_a_clock_change(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    weekly = {**CRON, "cron": "0 9 * * 1"}
    page = text_of(admin.get("/jobs/preview", query_string=weekly))
    assert "Mon 23 Mar 2026, 09:00 CET" in page
    assert "Mon 30 Mar 2026, 09:00 CEST" in page


def test_times_between_minutes_have_their_seconds(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    often = {**CRON, "trigger": "interval", "every": "20", "unit": "seconds"}
    page = text_of(admin.get("/jobs/preview", query_string=often))
    assert len(set(re.findall(r"\d\d:\d\d:\d\d CET", page))) == 10


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cron": "0 9 * * 1-5 *"}, "has five fields"),
        ({"cron": "0 0 30 2 *"}, "never fires"),
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"trigger": "once", "once": "2020-01-01T00:00"}, "has passed"),
        ({"trigger": "nonsense"}, "Choose how"),
    ],
)
def test_it_says_what_is_wrong_in_place_of_the_times(
    admin: Browser, changed: dict[str, str], words: str
) -> None:
    answer = admin.get("/jobs/preview", query_string={**CRON, **changed})
    assert answer.status_code == 200
    assert words in text_of(answer)
    assert "<li>" not in text_of(answer)


def test_it_marks_the_fire_times_that_fall_into_a_blackout(
    frozen: time_machine.Traveller, app: Flask, admin: Browser
) -> None:
    period = {"name": "Freeze", "from": "2026-03-12T00:00", "until": "2026-03-13T09:00"}
    calendar = make_calendar(app, "Releases", period)
    typed = {**CRON, "calendar": str(calendar)}
    for page in (
        text_of(admin.get("/jobs/preview", query_string=typed)),
        text_of(admin.post("/jobs/new", data={**FORM, **typed})),
    ):
        lines = page.partition('<ol class="ag-times')[2].split("</li>")
        assert [line.count("skipped: Freeze") for line in lines[:5]] == [0, 1, 0, 0, 0]
    assert "skipped" not in text_of(admin.get("/jobs/preview", query_string=CRON))
    path = admin.post("/jobs", data={**FORM, **typed}).headers["Location"]
    lines = text_of(admin.get(path)).partition('<ol class="ag-times')[2].split("</li>")
    assert ["Blackout" in line for line in lines[:5]] == [False, True, False, False, False]


@pytest.mark.parametrize("calendar", ["", "77", "x", "-1", "9" * 40])
def test_an_unknown_calendar_forbids_nothing_in_the_preview(admin: Browser, calendar: str) -> None:
    answer = admin.get("/jobs/preview", query_string={**CRON, "calendar": calendar})
    assert answer.status_code == 200
    assert text_of(answer).count("<li>") == 10


def test_it_may_be_posted_too(admin: Browser) -> None:
    assert "At 09:00" in text_of(admin.post("/jobs/preview", data=CRON))


def test_the_builder_writes_the_expression(admin: Browser) -> None:
    typed = {**CRON, "time": "07:30", "days": ["1", "2", "3", "6", "0"], "build": "1"}
    page = text_of(admin.get("/jobs/preview", query_string=typed))
    assert page.lstrip().startswith('<div id="jobs-trigger"')
    assert 'name="cron" value="30 7 * * 1-3,6,7"' in page


@pytest.mark.parametrize(
    ("typed", "words"),
    [({"time": "25:00", "days": ["1"]}, "not a time of day"), ({"time": "07:30"}, "No day")],
)
def test_the_builder_says_what_it_misses_and_leaves_the_expression(
    admin: Browser, typed: dict[str, object], words: str
) -> None:
    page = text_of(admin.get("/jobs/preview", query_string={**CRON, **typed, "build": "1"}))
    assert words in page
    assert 'name="cron" value="0 9 * * 1-5"' in page


def test_an_example_is_written_into_the_field(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/preview", query_string={**CRON, "preset": "0 8 * * 1"}))
    assert 'name="cron" value="0 8 * * 1"' in page
    assert 'name="time" value="08:00"' in page


def test_without_script_the_buttons_redraw_the_form_and_store_nothing(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    before = len(jobs(app))
    typed = {**FORM, "time": "07:30", "days": ["1"], "build": "1", "revision": "1"}
    for path in ("/jobs/new", f"/jobs/{job_id}/edit"):
        page = text_of(admin.post(path, data=typed))
        assert 'name="cron" value="30 7 * * 1"' in page
        assert 'value="Daily report"' in page
        assert 'name="arg.recipient" value="ann@example.org"' in page
    assert len(jobs(app)) == before


def test_another_function_brings_its_arguments_and_defaults_and_keeps_what_was_typed(
    admin: Browser,
) -> None:
    typed = {**FORM, "service": "call_partner", "retry_errors": "OSError"}
    page = text_of(admin.post("/jobs/new", data=typed, headers={"HX-Request": "true"}))
    assert page.lstrip().startswith('<form id="jobs-form"')
    assert 'name="arg.token"' in page
    assert 'type="password"' in page
    assert re.search(r'name="grace" value=""[^>]*placeholder="2m"', page)
    assert 'name="retry_errors" value="OSError"' in page
    assert 'value="Daily report"' in page


@pytest.mark.parametrize("name", ["", "os.system", "%00", "x" * 9000])
def test_an_unknown_function_has_none(admin: Browser, name: str) -> None:
    answer = admin.post("/jobs/new", data={**FORM, "service": name.replace("%00", "\0")})
    assert answer.status_code == 200
    assert "Choose what the job runs" in text_of(answer)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (("1", "2", "3", "4", "5"), "1-5"),
        (tuple(DAYS), "*"),
        (("1", "3", "5"), "1,3,5"),
        (("6", "0"), "6,7"),
        (("5", "6", "0"), "5-7"),
        (("0",), "7"),
    ],
)
def test_days_become_a_short_field_and_come_back(days: tuple[str, ...], text: str) -> None:
    assert cron_days(days) == text
    assert days_of(text) == days


@pytest.mark.parametrize(
    ("cron", "time", "days"),
    [
        ("5 7 * * *", "07:05", tuple(DAYS)),
        ("0 9 * * mon-fri", "09:00", ("1", "2", "3", "4", "5")),
        ("0 9 1 * *", "", ()),
        ("*/5 * * * *", "", ()),
        ("@daily", "00:00", tuple(DAYS)),
        ("99 9 * * *", "", ()),
        ("0 9 * * fri#2", "", ()),
    ],
)
def test_the_builder_shows_what_it_could_have_written(
    cron: str, time: str, days: tuple[str, ...]
) -> None:
    fields = TriggerFields(cron=cron).with_builder_of_cron()
    assert (fields.time, fields.days) == (time, days)


def test_the_builder_follows_the_typed_expression(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/preview", query_string={**CRON, "time": "23:00", "days": "0"}))
    assert 'id="jobs-builder" hx-swap-oob="outerMorph"' in page
    assert 'name="time" value="09:00"' in page
    assert re.findall(r'name="days" value="(\d)" checked', page) == ["1", "2", "3", "4", "5"]
    assert "says more than" not in page


def test_the_builder_says_when_the_expression_is_richer(admin: Browser) -> None:
    for cron in ("0 9 1 * *", "*/5 * * * *", "H 9 * * *"):
        page = text_of(admin.get("/jobs/preview", query_string={**CRON, "cron": cron}))
        assert 'name="time" value=""' in page
        assert "The expression says more than a time and days can" in page
    page = text_of(admin.get("/jobs/preview", query_string={**CRON, "cron": "0 9"}))
    assert "says more than" not in page


def test_it_marks_what_changes_of_the_clock_do(
    frozen: time_machine.Traveller, admin: Browser
) -> None:
    sundays = {**CRON, "cron": "30 2 * * 0"}
    lines = text_of(admin.get("/jobs/preview", query_string=sundays)).split("<li>")[1:]
    moved = [line for line in lines if "clocks go" in line]
    assert len(moved) == 1
    assert "Sun 29 Mar 2026, 03:00 CEST" in moved[0]
    assert "clocks go forward at 02:00: runs at 03:00 instead of 02:30" in moved[0]
    assert "Clocks go back on Sunday 25 October 2026 at 03:00" in lines[-1]


def test_a_trigger_that_has_ended_has_no_times(
    frozen: time_machine.Traveller, admin: Browser, make_job: MakeJob
) -> None:
    half_past = cron_trigger("30 12 * * *")
    end = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    job_id = make_job(trigger=replace(half_past, ends_at=end))
    frozen.shift(timedelta(hours=1))
    assert "None: its time has passed." in text_of(admin.get(f"/jobs/{job_id}/edit"))
