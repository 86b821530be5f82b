"""The form of a new job, from the empty one to the stored job."""

import re
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask

from aegis_web.jobs.models import JobState
from tests.jobs.conftest import FORM, MakeJob, jobs, text_of
from tests.support.applications import Browser


def test_the_empty_form_offers_the_service_functions(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/new"))
    assert 'name="choose" value="call_partner"' in page
    assert "Choose what the job runs" in page


def test_a_service_function_can_be_chosen_beforehand(admin: Browser) -> None:
    page = text_of(admin.get("/jobs/new?service=send_report"))
    assert 'name="arg.recipient"' in page
    assert '<input type="hidden" name="service" value="send_report">' in page


def test_a_posted_form_makes_a_job_and_leads_to_its_page(app: Flask, admin: Browser) -> None:
    answer = admin.post("/jobs", data=FORM)
    (job,) = jobs(app)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job.id}")
    assert (job.key, job.name, job.service) == ("daily-report", "Daily report", "send_report")
    assert job.arguments == {"recipient": "ann@example.org", "day": None, "copies": 2}
    assert (job.tags, job.owner) == (["ops", "reports"], "Team Blue")
    assert (job.trigger["expression"], job.zone) == ("0 9 * * 1-5", "Europe/Berlin")
    assert (job.state, job.created_by) == (JobState.ACTIVE, "alice@example.org")


def test_a_secret_is_stored_encrypted_and_never_shown(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data={**FORM, "service": "call_partner", "arg.token": "s3cr3t-t0k3n"})
    (job,) = jobs(app)
    assert "s3cr3t" not in str(job.arguments)
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/edit"):
        assert "s3cr3t" not in text_of(admin.get(path))


def test_an_empty_grace_time_is_what_the_service_function_asks_for(
    app: Flask, admin: Browser
) -> None:
    admin.post("/jobs", data={**FORM, "service": "call_partner", "arg.token": "x"})
    assert jobs(app)[0].grace_seconds == 120


def test_policies_are_stored_in_seconds(app: Flask, admin: Browser) -> None:
    policies = {"overlap": "queue", "catch_up": "none", "grace": "1h 30m", "timeout": "90"}
    admin.post("/jobs", data={**FORM, **policies})
    (job,) = jobs(app)
    assert (job.overlap, job.catch_up) == ("queue", "none")
    assert (job.grace_seconds, job.timeout_seconds) == (5400, 90)


def test_an_interval_counts_from_the_start_in_the_jobs_zone(app: Flask, admin: Browser) -> None:
    fields = {"trigger": "interval", "every": "3", "unit": "days", "start": "2031-05-01T08:00"}
    admin.post("/jobs", data={**FORM, **fields})
    (job,) = jobs(app)
    assert job.trigger["anchor"] == "2031-05-01T06:00:00+00:00"
    assert job.next_run_at == datetime(2031, 5, 1, 6, tzinfo=UTC)


def test_an_interval_without_start_counts_from_now(
    frozen: time_machine.Traveller, app: Flask, admin: Browser
) -> None:
    admin.post("/jobs", data={**FORM, "trigger": "interval", "every": "5", "unit": "minutes"})
    (job,) = jobs(app)
    assert job.trigger["anchor"] == "2026-03-10T12:00:00+00:00"
    assert job.next_run_at == datetime(2026, 3, 10, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize("trigger", ["cron", "interval"])
def test_a_trigger_has_a_start_and_an_end_in_the_jobs_zone(
    app: Flask, admin: Browser, trigger: str
) -> None:
    limits = {"starts": "2031-05-01T00:00", "ends": "2031-06-01T00:00"}
    interval = {"every": "3", "unit": "days", "start": "2031-05-01T08:00"}
    admin.post("/jobs", data={**FORM, **interval, **limits, "trigger": trigger})
    (job,) = jobs(app)
    assert job.trigger["ends_at"] == "2031-05-31T22:00:00+00:00"
    assert job.next_run_at is not None
    assert job.next_run_at.date().isoformat() == "2031-05-01"


def test_once_is_a_time_in_the_jobs_zone(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data={**FORM, "trigger": "once", "once": "2031-12-24T18:00"})
    assert jobs(app)[0].next_run_at == datetime(2031, 12, 24, 17, tzinfo=UTC)


def test_two_names_with_one_slug_get_two_keys(app: Flask, admin: Browser) -> None:
    for name in ("A b", "a-B", "a_b!"):
        admin.post("/jobs", data={**FORM, "name": name})
    assert [job.key for job in jobs(app)] == ["a-b", "a-b-2", "a-b-3"]


@pytest.mark.parametrize("name", ["🚀 Launch", "تقرير يومي", "日次レポート", "'\"><script>x"])
def test_any_script_may_stand_in_a_name(app: Flask, admin: Browser, name: str) -> None:
    answer = admin.post("/jobs", data={**FORM, "name": name})
    assert answer.status_code == 303
    assert jobs(app)[0].name == name
    for path in ("/jobs", answer.headers["Location"], f"{answer.headers['Location']}/edit"):
        page = admin.get(path)
        assert name in text_of(page)
        assert b"<script>x" not in page.data


def test_htmx_gets_the_address_of_the_new_job_instead_of_a_redirect(admin: Browser) -> None:
    answer = admin.post("/jobs", data=FORM, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert re.fullmatch(r"/jobs/\d+", answer.headers["HX-Redirect"])


def test_a_refused_form_comes_back_as_a_part_for_htmx(admin: Browser) -> None:
    answer = admin.post("/jobs", data={**FORM, "name": ""}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert text_of(answer).lstrip().startswith('<form id="jobs-form"')


def test_a_deleted_jobs_name_is_free_again(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job("Daily report")
    admin.post(f"/jobs/{job_id}/delete")
    assert admin.post("/jobs", data=FORM).status_code == 303
    assert [job.key for job in jobs(app)] == ["daily-report", "daily-report"]


def test_a_stranger_is_sent_to_the_door(client: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    for path in ("/jobs", "/jobs/new", f"/jobs/{job_id}", f"/jobs/{job_id}/edit"):
        assert client.get(path).status_code == 303
        assert b"Nightly" not in client.get(path).data


def test_without_its_token_nothing_is_made(app: Flask, admin: Browser) -> None:
    admin.csrf_token = None
    assert admin.post("/jobs", data=FORM).status_code == 400
    assert jobs(app) == []
