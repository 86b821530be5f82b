"""`H` in the form of a job: chosen by the name at first, kept afterwards."""

import time_machine
from flask import Flask

from aegis_web.engine.triggers import from_json
from aegis_web.jobs.actions import clone_job
from tests.jobs.conftest import ALICE, FORM, jobs, text_of
from tests.support.applications import Browser

HASHED = {**FORM, "cron": "H H * * *", "name": "Nightly report"}


def words_of(app: Flask, number: int = 0) -> str:
    return from_json(jobs(app)[number].trigger).words()


def test_the_preview_shows_what_will_be_stored(
    frozen: time_machine.Traveller, app: Flask, admin: Browser
) -> None:
    page = text_of(admin.get("/jobs/preview", query_string=HASHED))
    admin.post("/jobs", data=HASHED)
    assert words_of(app) in page
    assert jobs(app)[0].trigger["expression"] == "H H * * *"


def test_renaming_a_job_moves_it_not(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data=HASHED)
    before = jobs(app)[0]
    changed = {**HASHED, "name": "Another name", "revision": str(before.revision)}
    admin.post(f"/jobs/{before.id}", data=changed)
    after = jobs(app)[0]
    assert after.name == "Another name"
    assert after.trigger == before.trigger
    assert after.next_run_at == before.next_run_at


def test_a_clone_gets_values_of_its_own(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data=HASHED)
    with app.app_context():
        clone_job(jobs(app)[0].id, "k", ALICE)
    assert words_of(app, 0) != words_of(app, 1)
