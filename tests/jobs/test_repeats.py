"""A save whose answer was lost is sent again, by a person or by the browser: nothing is doubled."""

from typing import Any

import pytest
from flask import Flask

from tests.jobs.conftest import FORM, MakeJob, audit, jobs, stored, text_of
from tests.support.applications import Browser, signed_in

INTERVAL = {**FORM, "trigger": "interval", "every": "5", "unit": "minutes", "start": ""}
SECRET = {**FORM, "service": "call_partner", "arg.token": "s3cr3t-t0k3n"}
HASHED = {**FORM, "cron": "H 2 * * *"}
GROUPED = {**FORM, "group": "partners", "group_limit": "3"}


@pytest.mark.parametrize("form", [FORM, INTERVAL, SECRET, HASHED, GROUPED])
def test_the_same_form_of_a_new_job_makes_one_job(
    app: Flask, admin: Browser, form: dict[str, Any]
) -> None:
    first, again = (admin.post("/jobs", data=form) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert again.headers["Location"] == first.headers["Location"]
    assert len(jobs(app)) == 1


@pytest.mark.parametrize(
    ("form", "field", "text"),
    [
        (FORM, "cron", "0 10 * * 1-5"),
        (FORM, "arg.copies", "3"),
        (FORM, "tags", "ops"),
        (INTERVAL, "start", "2026-01-01T00:00"),
        (SECRET, "arg.token", "another"),
        (GROUPED, "group_limit", "4"),
    ],
)
def test_another_form_with_the_same_name_is_refused(
    app: Flask, admin: Browser, form: dict[str, Any], field: str, text: str
) -> None:
    admin.post("/jobs", data=form)
    answer = admin.post("/jobs", data={**form, field: text})
    assert answer.status_code == 422
    assert "already a job with this name" in text_of(answer)


def test_somebody_else_s_same_form_is_refused(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data=FORM)
    assert signed_in(app, "bob@example.org").post("/jobs", data=FORM).status_code == 422


@pytest.mark.parametrize("form", [FORM, INTERVAL])
def test_the_same_change_is_saved_once(
    app: Flask, admin: Browser, make_job: MakeJob, form: dict[str, Any]
) -> None:
    job_id = make_job("Daily report")
    first, again = (admin.post(f"/jobs/{job_id}", data={**form, "revision": "1"}) for _ in "12")
    assert (first.status_code, again.status_code) == (303, 303)
    assert stored(app, job_id).revision == 2
    assert len(audit(app, job_id)) == 1


def test_the_same_change_after_somebody_else_s_is_stale(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report")
    admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"})
    bob = signed_in(app, "bob@example.org")
    bob.post(f"/jobs/{job_id}", data={**FORM, "revision": "2"})
    assert admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"}).status_code == 409
