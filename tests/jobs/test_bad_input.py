"""What cannot be a job: each field is named in plain words, what was typed stays, nothing is
stored and nothing breaks."""

from typing import Any

import pytest
from flask import Flask

from aegis_web.jobs.definition import NAME_LIMIT
from tests.jobs.conftest import FORM, MakeJob, change, jobs, stored, text_of
from tests.support.applications import Browser

ONCE = {"trigger": "once"}
EVERY = {"trigger": "interval", "unit": "hours"}
CASES: dict[str, tuple[dict[str, Any], str, str]] = {  # what is typed, the field, its message
    "no name": ({"name": " "}, "name", "The job needs a name"),
    "a name that nobody can see": ({"name": "\u200b\u2060"}, "name", "The job needs a name"),
    "a name of 50 kB": ({"name": "n" * 50_000}, "name", "has 50,000 characters; at most 200"),
    "NUL in a name": ({"name": "a\0b"}, "name", "such as NUL"),
    "two lines as a name": ({"name": "a\nb"}, "name", "cannot be shown"),
    "NUL in a description": ({"description": "a\0b"}, "description", "such as NUL"),
    "a long description": ({"description": "d" * 10_001}, "description", "at most 10,000"),
    "a long owner": ({"owner": "o" * 201}, "owner", "at most 200"),
    "too many tags": ({"tags": ",".join(map(str, range(21)))}, "tags", "at most 20"),
    "a long tag": ({"tags": "t" * 51}, "tags", "at most 50"),
    "no service": ({"service": ""}, "service", "Choose one"),
    "an unknown service": (
        {"service": "os.system"},
        "service",
        "service function is called os.system",
    ),
    "a missing argument": ({"arg.recipient": ""}, "arg-recipient", "fill it in"),
    "a wrong argument": ({"arg.copies": "many"}, "arg-copies", "is not a whole number"),
    "a wrong date": ({"arg.day": "tomorrow"}, "arg-day", "date"),
    "four cron fields": ({"cron": "0 9 * *"}, "cron", "has five fields"),
    "an hour too many": ({"cron": "0 25 * * *"}, "cron", "25 is above 23"),
    "a day that never comes": ({"cron": "0 0 30 2 *"}, "cron", "never fires"),
    "no cron": ({"cron": ""}, "cron", "is empty"),
    "a cron of 50 kB": ({"cron": "* " * 25_000}, "cron", "at most 200"),
    "NUL in a cron": ({"cron": "0 9 * * \0"}, "cron", "not understood"),
    "no number": ({**EVERY, "every": "often"}, "every", "is not a whole number"),
    "nothing as a number": ({**EVERY, "every": ""}, "every", "Write a whole number"),
    "zero hours": ({**EVERY, "every": "0"}, "every", "from 1 to"),
    "a thousand years": ({**EVERY, "every": "9999999"}, "every", "from 1 to"),
    "an unknown unit": ({**EVERY, "every": "1", "unit": "moons"}, "every", "as the unit"),
    "a wrong start": ({**EVERY, "every": "1", "start": "soon"}, "start", "not a date and time"),
    "no date": ({**ONCE, "once": ""}, "once", "Choose the date"),
    "a past date": ({**ONCE, "once": "2020-01-01T10:00"}, "once", "has passed"),
    "a year far away": ({**ONCE, "once": "9999-12-31T23:59"}, "once", "out of reach"),
    "a date with offset": ({**ONCE, "once": "2031-01-01T10:00+02:00"}, "once", "offset"),
    "a skipped hour": ({**ONCE, "once": "2031-03-30T02:30"}, "once", "skip this time"),
    "an end before the start": (
        {"starts": "2031-05-01T00:00", "ends": "2031-04-01T00:00"},
        "ends",
        "The end lies before the start",
    ),
    "an end that has passed": ({"ends": "2020-01-01T00:00"}, "ends", "No fire time is left"),
    "a wrong end": ({"ends": "never"}, "ends", "not a date and time"),
    "a wrong start of cron": ({"starts": "soon"}, "starts", "not a date and time"),
    "no zone": ({"zone": ""}, "zone", "needs a time zone"),
    "an unknown zone": ({"zone": "Mars/Base"}, "zone", 'no time zone "Mars/Base"'),
    "a path as a zone": ({"zone": "../../etc/passwd"}, "zone", "no time zone"),
    "the zone of this machine": ({"zone": "localtime"}, "zone", "a zone of the list"),
    "a zone with leap seconds": ({"zone": "right/UTC"}, "zone", "a zone of the list"),
    "NUL in a zone": ({"zone": "UTC\0"}, "zone", "no time zone"),
    "an unknown trigger": ({"trigger": "whim"}, "trigger", "Choose how the job is triggered"),
    "a kept trigger of nothing": ({"trigger": "keep"}, "trigger", "Choose how"),
    "an unknown overlap": ({"overlap": "fight"}, "overlap", "Choose one of these"),
    "an unknown catch-up": ({"catch_up": "some"}, "catch_up", "Choose one of these"),
    "a wrong grace time": ({"grace": "a while"}, "grace", "is not a duration"),
    "a negative grace time": ({"grace": "-5m"}, "grace", "0 seconds up to 365 days"),
    "no time at all": ({"timeout": "0"}, "timeout", "1 second up to 30 days"),
    "a year as timeout": ({"timeout": "365d"}, "timeout", "1 second up to 30 days"),
    "a billion retries": ({"retries": "1000000000"}, "retries", "0 to 100 times"),
    "retries in words": ({"retries": "often"}, "retries", "is not a whole number"),
    "fewer than no retries": ({"retries": "-3"}, "retries", "0 to 100 times"),
    "a week between attempts": ({"retry_delay": "7d"}, "retry_delay", "up to 1 day"),
    "an odd back-off": ({"retry_backoff": "slow"}, "retry_backoff", "Choose one of these"),
    "what is no error": ({"retry_errors": "OSError, 2+2"}, "retry_errors", "the name of an error"),
    "a function that may not run twice": (
        {"on_lost": "rerun"},
        "on_lost",
        "Register send_report with @service(idempotent=True)",
    ),
    "no run at once": ({"max_running": "0"}, "max_running", "1 to 100 times at once"),
    "a group of nothing": ({"group": "g", "group_limit": "0"}, "group_limit", "1 to 1,000"),
    "a limit of no group": ({"group_limit": "3"}, "group", "needs a group"),
    "a long group": ({"group": "g" * 201}, "group", "at most 200"),
    "no queue at all": ({"queue_limit": "0"}, "queue_limit", "1 to 100,000"),
    "a spread beyond the next time": (
        {"cron": "*/5 * * * *", "jitter": "5m"},
        "jitter",
        "would reach the next fire time",
    ),
    "a calendar that is not there": ({"calendar": "77"}, "calendar", "is not there any more"),
    "an unknown priority": ({"priority": "9"}, "priority", "Choose one of these"),
    "half a second": ({"timeout": "0.5s"}, "timeout", "whole seconds"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_names_the_field_and_keeps_what_was_typed(
    app: Flask, admin: Browser, case: tuple[dict[str, Any], str, str]
) -> None:
    changed, field, message = case
    answer = admin.post("/jobs", data={**FORM, "description": "Kept as typed.", **changed})
    page = text_of(answer)
    assert answer.status_code == 422
    assert jobs(app) == []
    named = page.partition('role="alert"')[2].partition("</ul>")[0]
    assert f'href="#field-{field.replace("_", "-")}"' in named
    assert message in named
    for name, text in {**FORM, "description": "Kept as typed.", **changed}.items():
        if text.strip() and name in ("name", "cron", "tags", "owner", "description"):
            assert text.replace("\0", "\ufffd").strip()[:5000] in page.replace("\0", "\ufffd")


def test_all_that_is_wrong_is_said_at_once(admin: Browser) -> None:
    wrong = {"name": "", "cron": "x", "zone": "UTC", "arg.copies": "x", "grace": "x"}
    page = text_of(admin.post("/jobs", data={**FORM, **wrong}))
    listed = page.partition("Please correct")[2].partition("</ul>")[0]
    order = [listed.index(word) for word in ("Name", "Copies", "Cron expression", "May start")]
    assert order == sorted(order)


@pytest.mark.parametrize("name", ["Nightly", "nightly", " NIGHTLY "])
def test_a_name_that_is_taken_is_refused(
    app: Flask, admin: Browser, make_job: MakeJob, name: str
) -> None:
    make_job("Nightly")
    answer = admin.post("/jobs", data={**FORM, "name": name})
    assert answer.status_code == 422
    assert "already a job with this name" in text_of(answer)
    assert len(jobs(app)) == 1


def test_capital_letters_of_any_script_do_not_count(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    make_job("Ünïque Ёлка")
    answer = admin.post("/jobs", data={**FORM, "name": "üNÏQUE ёлка"})
    assert answer.status_code == 422
    assert "already a job with this name" in text_of(answer)
    assert len(jobs(app)) == 1


def test_renaming_to_a_taken_name_is_refused(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    make_job("Nightly")
    job_id = make_job("Daily report")
    answer = admin.post(f"/jobs/{job_id}", data={**FORM, "name": "Nightly", "revision": "1"})
    assert answer.status_code == 422
    assert stored(app, job_id).name == "Daily report"


def test_the_longest_name_is_taken(app: Flask, admin: Browser) -> None:
    name = "ß" * NAME_LIMIT
    assert admin.post("/jobs", data={**FORM, "name": name}).status_code == 303
    assert jobs(app)[0].name == name


def test_an_empty_post_is_a_form_with_errors(admin: Browser) -> None:
    assert admin.post("/jobs", data={}).status_code == 422


def test_a_secret_does_not_come_back_with_the_errors(admin: Browser) -> None:
    secret = {"service": "call_partner", "arg.token": "s3cr3t", "name": ""}
    assert "s3cr3t" not in text_of(admin.post("/jobs", data={**FORM, **secret}))


@pytest.mark.parametrize("number", ["0", "77", "9223372036854775807", "9" * 30, "-1", "x"])
def test_a_job_that_never_was_is_not_found(admin: Browser, number: str) -> None:
    for path in (f"/jobs/{number}", f"/jobs/{number}/edit", f"/jobs/{number}/run"):
        assert admin.get(path).status_code == 404
    for verb in ("pause", "resume", "clone", "delete", "run"):
        assert admin.post(f"/jobs/{number}/{verb}").status_code in (404, 405)


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=%25_%5C",
        "q=" + "x" * 5000,
        "tag=%00",
        "state=nonsense",
        "kind=x&origin=y&order=z",
        "after=1",
        "after=1~2~3~4",
        "after=99999999999999999999~1~1",
        "before=x~y",
        "order=name&after=1~a~b",
        "service=%F0%9F%9A%80",
    ],
)
def test_no_filter_breaks_the_list(admin: Browser, make_job: MakeJob, query: str) -> None:
    make_job()
    assert admin.get(f"/jobs?{query}").status_code == 200


def test_a_broken_job_is_repaired_in_its_form(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report")
    change(app, job_id, service="gone.away", problem="There is no service function.")
    page = text_of(admin.get(f"/jobs/{job_id}/edit"))
    assert "This job is broken" in page
    assert "gone.away</span> is not there." in page
    assert admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"}).status_code == 303
    assert (stored(app, job_id).problem, stored(app, job_id).service) == (None, "send_report")
