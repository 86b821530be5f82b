"""The form of a job in German, and what stays English because it is stored."""

from html import unescape

from flask import Flask
from sqlalchemy import select

from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job
from tests.runs.rows import add_job
from tests.support.applications import Browser

GERMAN = {"Accept-Language": "de"}
WHAT = {"service": "check_certificate", "name": "Zertifikat", "arg.host": "example.org"}
WHEN = {"trigger": "cron", "cron": "*/15 9-17 * * 1-5", "zone": "Europe/Berlin"}


def posted(admin: Browser, path: str, **changed: str) -> str:
    answer = admin.post(path, data={**WHAT, **WHEN, **changed}, headers=GERMAN)
    return unescape(answer.text)


def test_a_form_is_refused_in_german(admin: Browser) -> None:
    wrong = {"name": "", "arg.host": "", "arg.port": "x", "zone": "Mars", "grace": "5 zz"}
    page = posted(admin, "/jobs", **wrong)
    for sentence in (
        "Der Job braucht einen Namen.",
        "fehlt: bitte ausfüllen",
        "ist keine ganze Zahl: angegeben ist 'x'",
        "Es gibt keine Zeitzone „Mars“. Beispiel: Europe/Berlin.",
        "Das ist keine Dauer: schreiben Sie sie wie 90s, 15m, 1h 30m oder 2d.",
    ):
        assert sentence in page
    page = posted(admin, "/jobs", trigger="interval", every="0", unit="hours")
    assert "Das Intervall muss eine ganze Zahl von 1 bis 87.600 Stunden sein." in page


def test_policies_and_what_a_change_does_are_told_in_german(admin: Browser) -> None:
    posted(admin, "/jobs", retries="3", retry_delay="1m", max_running="2", group="netz")
    page = unescape(admin.get("/jobs/1", headers=GERMAN).text)
    assert "Alle 15 Minuten von 09:00 bis 17:45, Montag bis Freitag" in page
    assert "Bis zu 2 laufen gleichzeitig. Darüber hinaus wird der neue Lauf übersprungen." in page
    assert "Wird bis zu 3-mal wiederholt, 1m später." in page
    assert "netz: höchstens 1 ihrer Läufe gleichzeitig" in page
    page = posted(admin, "/jobs/1/review", cron="0 9 * * *", revision="1")
    assert "Täglich um 09:00 (Europe/Berlin)" in page
    assert "350 fallen weg" in page


def test_why_a_job_is_broken_is_stored_in_english_and_told_in_german(
    app: Flask, admin: Browser
) -> None:
    job_id = add_job(app, "Old", service="gone.function", problem="old")
    admin.post(f"/jobs/{job_id}/clone", headers=GERMAN)
    with app.app_context(), transaction() as session:
        copy = session.scalars(select(Job).order_by(Job.id.desc())).first()
        assert copy is not None
        assert copy.problem is not None
        assert copy.problem.startswith("no service function is called gone.function: choose")
        copy_id = copy.id
    page = unescape(admin.get(f"/jobs/{copy_id}/edit", headers=GERMAN).text)
    assert "keine Funktion heißt gone.function: wählen Sie eine andere" in page
