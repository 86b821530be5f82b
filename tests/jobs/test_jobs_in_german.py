"""Numbers, names and times find their places in German sentences; what is stored stays English."""

from datetime import timedelta

import time_machine
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.jobs.actions import pause_job
from aegis_web.jobs.versions import find_version
from tests.jobs.conftest import ALICE, FORM, MakeJob, cron_trigger, text_of
from tests.support.applications import Browser

GERMAN = {"Accept-Language": "de"}


def test_one_and_several_jobs_are_told_apart(admin: Browser, make_job: MakeJob) -> None:
    one, two = make_job("<One>"), make_job("Two")
    asked = text_of(admin.get(f"/jobs/bulk?verb=delete&job={one}&job={two}", headers=GERMAN))
    assert "2 Jobs löschen?" in asked
    answer = admin.post("/jobs/bulk", data={"verb": "pause", "job": [one]}, headers=GERMAN)
    assert "Ein Job pausiert." in text_of(admin.get(answer.headers["Location"], headers=GERMAN))
    again = admin.post("/jobs/bulk", data={"verb": "pause", "job": [one]}, headers=GERMAN)
    page = admin.get(again.headers["Location"], headers=GERMAN).text
    assert "„&lt;One&gt;“: " in page


def test_what_passed_is_counted(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    with time_machine.travel(utc_now() - timedelta(hours=3), tick=True):
        job_id = make_job(trigger=cron_trigger("0 * * * *"))
        with app.app_context():
            pause_job(job_id, ALICE, "Deploy")
    page = text_of(admin.get(f"/jobs/{job_id}", headers=GERMAN))
    assert "Bisher sind 3 Startzeiten verstrichen; was aus ihnen wird, wählen Sie" in page
    assert "Er läuft nicht von selbst, bis ihn jemand fortsetzt." in page


def test_what_is_told_in_german_is_kept_in_english(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1", "reviewed": "1"}, headers=GERMAN)
    form = {"revision": "2"}
    answer = admin.post(f"/jobs/{job_id}/versions/1/restore", data=form, headers=GERMAN)
    page = text_of(admin.get(answer.headers["Location"], headers=GERMAN))
    assert "Version 1 ist wiederhergestellt." in page
    with app.app_context():
        newest = find_version(job_id, 3)
    assert newest is not None
    assert newest.note == "Version 1 restored"
