"""A job whose stored trigger nobody can read is kept, explained and repaired in the browser."""

import re
from typing import Any

import pytest
from flask import Flask

from aegis_web.engine.changes import problem_of
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobState, JobVersion
from aegis_web.jobs.queries import registry
from tests.jobs.conftest import FORM, MakeJob, change, stored, text_of
from tests.support.applications import Browser
from tests.support.everywhere import pages

UNREADABLE = {
    "a kind of another release": {"kind": "lunar", "zone": "UTC", "phase": 3},
    "no JSON object": ["cron", "0 2 * * *"],
    "a zone that this machine does not know": {
        "kind": "cron",
        "expression": "0 2 * * *",
        "zone": "Mars/Base",
    },
    "an expression that is none": {"kind": "cron", "expression": "99 * * * *", "zone": "UTC"},
    "a part that is missing": {"kind": "interval", "every": 5, "zone": "UTC"},
}
GERMAN = {"Accept-Language": "de"}


def broken(app: Flask, make_job: MakeJob, trigger: Any) -> int:
    """A job with that trigger, as the next start finds it."""
    job_id = make_job(owner="Team Blue", tags=("ops",))
    zone = trigger["zone"] if isinstance(trigger, dict) else "UTC"
    change(app, job_id, trigger=trigger, zone=zone)
    with app.app_context(), transaction() as session:
        job = session.get_one(Job, job_id)
        job.problem = problem_of(job, registry())
        assert job.problem
    return job_id


@pytest.mark.parametrize("trigger", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_every_page_shows_the_job_and_its_trigger_can_be_chosen_anew(
    app: Flask, admin: Browser, make_job: MakeJob, trigger: Any
) -> None:
    job_id = broken(app, make_job, trigger)
    seen = list(pages(admin, "/", of_a_kind=2))
    assert f"/jobs/{job_id}" in {path for path, _ in seen}
    assert {path: answer.status_code for path, answer in seen if answer.status_code >= 400} == {}
    for path in ("/", "/jobs", f"/jobs/{job_id}"):
        page = text_of(admin.get(path))
        assert "its trigger cannot be read" in page
        assert f'href="/jobs/{job_id}/repair"' in page
    form = admin.get(f"/jobs/{job_id}/repair", follow_redirects=True)
    assert form.request.path == f"/jobs/{job_id}/edit"
    assert "Choose when it is to run; the rest of it is as it was" in text_of(form)
    assert stored(app, job_id).trigger == trigger
    posted = {**FORM, "revision": "1"}
    review = text_of(admin.post(f"/jobs/{job_id}/review", data=posted))
    assert "A trigger that cannot be read (" in review
    assert admin.post(f"/jobs/{job_id}", data=posted).status_code == 303
    job = stored(app, job_id)
    assert (job.problem, job.state) == (None, JobState.ACTIVE)
    assert (job.trigger["expression"], job.zone) == ("0 9 * * 1-5", "Europe/Berlin")
    assert job.next_run_at is not None


def test_the_form_shows_what_can_be_read_of_it_and_refuses_what_cannot_be_used(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = broken(app, make_job, UNREADABLE["a zone that this machine does not know"])
    page = text_of(admin.get(f"/jobs/{job_id}/edit"))
    assert 'name="cron" value="0 2 * * *"' in page
    assert 'name="zone" value="Mars/Base"' in page
    answer = admin.post(f"/jobs/{job_id}", data={**FORM, "zone": "Mars/Base", "revision": "1"})
    assert answer.status_code == 422
    assert 'There is no time zone "Mars/Base"' in text_of(answer)
    assert stored(app, job_id).problem


def test_it_is_explained_in_german(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = broken(app, make_job, UNREADABLE["a kind of another release"])
    page = text_of(admin.get(f"/jobs/{job_id}", headers=GERMAN))
    assert "Die Art 'lunar' gibt es nicht. Wählen Sie eine von diesen: cron" in page
    assert "Ein nicht lesbarer Zeitplan" in page


def test_one_whose_start_has_not_looked_at_it_yet_breaks_no_page(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    change(app, job_id, trigger={"kind": "lunar"})
    for path in ("/", "/jobs", "/timeline", f"/jobs/{job_id}", f"/jobs/{job_id}/edit"):
        assert admin.get(path).status_code == 200, path
    assert "its trigger cannot be read" in text_of(admin.get(f"/jobs/{job_id}/edit"))


@pytest.mark.parametrize("trigger", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_needs_its_trigger_says_why_it_cannot_be_done(
    app: Flask, admin: Browser, make_job: MakeJob, trigger: Any
) -> None:
    job_id = broken(app, make_job, trigger)
    refused = admin.post(f"/jobs/{job_id}/clone", data={"request_key": "once"})
    assert refused.status_code == 409
    text = text_of(refused)
    assert "The job cannot be cloned: its trigger cannot be read." in text
    assert "Repair it first." in text
    with app.app_context(), transaction() as session:
        version = session.query(JobVersion).filter_by(job_id=job_id).one()
        version.definition = {**version.definition, "trigger": trigger}
    revision = {"revision": str(stored(app, job_id).revision)}
    refused = admin.post(f"/jobs/{job_id}/versions/1/restore", data=revision)
    assert refused.status_code == 409
    assert "Version 1 cannot be restored:" in text_of(refused)
    assert stored(app, job_id).problem


@pytest.mark.parametrize("trigger", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_deleted_one_stays_away_and_says_why(
    app: Flask, admin: Browser, make_job: MakeJob, trigger: Any
) -> None:
    job_id = broken(app, make_job, trigger)
    page = admin.post("/jobs/bulk", data={"verb": "delete", "job": job_id}, follow_redirects=True)
    token = re.search(r'name="undo" value="([^"]+)"', page.text)
    assert token is not None
    answer = admin.post("/jobs/bulk/undo", data={"undo": token[1]}, follow_redirects=True)
    assert answer.status_code == 200
    assert "It cannot come back: its trigger cannot be read." in text_of(answer)
    assert stored(app, job_id).deleted_at is not None
