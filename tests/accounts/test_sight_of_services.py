"""Service functions that work on all jobs are closed to accounts that see only some."""

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.extensions import db
from aegis_web.runs.models import Kind, Run
from tests.support.applications import signed_in

from .test_sight import Two, job_form, two

__all__ = ["two"]

CLOSED = "This is about all jobs"
OF_ALL_JOBS = {
    "back_up_database",
    "check_audit",
    "check_ledger",
    "copy_off_site",
    "daily_report",
    "make_forecast",
    "prove_backups",
    "prune_history",
}


def test_what_tells_of_all_jobs_or_changes_them_is_marked(app: Flask) -> None:
    functions = app.extensions["aegis.registry"].functions.values()
    offered = {one.name for one in functions if one.category in ("Upkeep", "Reports")}
    assert {one.name for one in functions if one.of_all_jobs} == offered
    assert offered <= OF_ALL_JOBS


@pytest.mark.parametrize("service", ["daily_report", "prune_history"])
def test_no_job_and_no_trial_of_it_is_made(two: Two, service: str) -> None:
    form = job_form(name="Peephole", tags="ours", service=service)
    client = two.browser()
    for path in ("/jobs", f"/jobs/{two.ours}", "/jobs/try"):
        answer = client.post(path, data={**form, "revision": "1"})
        assert (answer.status_code, CLOSED in answer.text) == (422, True), path
    assert two.job(two.ours).service != service
    with two.app.app_context():
        assert db.session.scalar(select(Run.id).where(Run.kind == Kind.TRIAL)) is None


def test_no_former_version_brings_it_back(two: Two) -> None:
    report = job_form(name="Report", tags="ours", service="daily_report")
    carol = signed_in(two.app, "carol@example.org")
    made = carol.post("/jobs", data=report).headers["Location"]
    carol.post(made, data=job_form(name="Report", tags="ours", revision="1"))
    answer = two.browser().post(f"{made}/versions/1/restore", data={"revision": "2"})
    assert (answer.status_code, CLOSED in answer.text) == (409, True)


def test_the_picker_offers_what_may_be_chosen(two: Two) -> None:
    search = "/jobs/new?q=report"
    assert 'value="daily_report"' in signed_in(two.app, "carol@example.org").get(search).text
    assert 'value="daily_report"' not in two.browser().get(search).text
