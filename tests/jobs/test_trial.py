"""Trying a service function out from the form of a job: one run of it, and no job."""

from typing import Any

from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.jobs import listing
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.models import JobState
from aegis_web.runs.models import Kind, RunDetails
from tests.jobs.conftest import MakeJob, jobs, runs, text_of
from tests.support.applications import Browser

HTMX = {"HX-Request": "true"}
REPORT = {"service": "send_report", "arg.recipient": "ops@example.org", "request_key": "k"}


def details(app: Flask, run_id: int) -> RunDetails:
    with app.app_context(), transaction() as session:
        return session.get_one(RunDetails, run_id)


def test_a_trial_is_one_run_with_the_typed_arguments_and_no_job(app: Flask, admin: Browser) -> None:
    form: dict[str, Any] = {**REPORT, "name": "", "cron": "nonsense"}
    for _ in range(2):  # pressed twice
        answer = admin.post("/jobs/try", data=form, headers=HTMX)
        assert answer.status_code == 200
    (run,) = runs(app)
    assert (run.kind, run.requested_by) == (Kind.TRIAL, "alice@example.org")
    assert details(app, run.id).arguments == {"recipient": "ops@example.org"}
    part = text_of(answer)
    assert "Queued" in part
    assert f'data-live="/live/runs/{run.id}"' in part
    assert f'hx-get="/jobs/try/{run.id}"' in part  # and it asks how it goes
    with app.test_request_context():
        assert "Trial: Send a report" not in {
            row.name for row in listing.list_jobs(JobFilter()).rows
        }
    assert [job.state for job in jobs(app) if job.name.startswith("Trial")] == [JobState.FINISHED]
    assert "· trial" in text_of(admin.get("/runs"))
    assert "A trial belongs to no job." in text_of(admin.get(f"/runs/{run.id}"))


def test_two_trials_of_a_function_share_what_stands_for_it(app: Flask, admin: Browser) -> None:
    for key in ("one", "two"):
        admin.post("/jobs/try", data={**REPORT, "request_key": key}, headers=HTMX)
    assert len({run.job_id for run in runs(app)}) == 1
    assert len(runs(app)) == 2


def test_wrong_arguments_are_named_and_nothing_runs(app: Flask, admin: Browser) -> None:
    wrong = {**REPORT, "arg.recipient": "", "arg.copies": "many"}
    answer = admin.post("/jobs/try", data=wrong, headers=HTMX)
    assert answer.status_code == 422
    part = text_of(answer)
    assert "It was not tried" in part
    assert "<li>Recipient: " in part
    assert "<li>Copies: " in part
    assert runs(app) == []


def test_without_a_function_it_says_so(app: Flask, admin: Browser) -> None:
    answer = admin.post("/jobs/try", data={"service": "gone"}, headers=HTMX)
    assert answer.status_code == 422
    assert "Choose what the job runs first" in text_of(answer)


def test_without_script_it_leads_to_the_run(app: Flask, admin: Browser) -> None:
    answer = admin.post("/jobs/try", data=REPORT)
    (run,) = runs(app)
    assert answer.location == f"/runs/{run.id}"
    assert admin.get(f"/jobs/try/{run.id}").location == f"/runs/{run.id}"


def test_the_stored_secret_of_an_edited_job_is_tried(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job(service="call_partner", arguments={"token": "s3cret-token"})
    form = {"service": "call_partner", "arg.token": "", "arg.path": "/new", "job_id": str(job_id)}
    assert admin.post("/jobs/try", data=form, headers=HTMX).status_code == 200
    (run,) = runs(app)
    given = details(app, run.id).arguments
    assert given is not None
    assert given["path"] == "/new"
    assert "s3cret-token" not in str(given)
    other = {**form, "job_id": ""}
    assert admin.post("/jobs/try", data=other, headers=HTMX).status_code == 422
