"""The notes on an error that jobs share, for who sees some of them only."""

from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.failures.fingerprint import fingerprint
from aegis_web.failures.models import Acknowledgement
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_run
from tests.support.applications import signed_in

from .test_sight import ERROR, Two, two

__all__ = ["two"]

NOTE = "Their salaries are wrong"
CAROL = "carol@example.org"


def acknowledge(app: Flask) -> None:
    carol = signed_in(app, CAROL)
    path = f"/failures/{fingerprint(ERROR)}/acknowledge"
    assert carol.post(path, data={"note": NOTE}).status_code == 303
    assert NOTE in carol.get("/failures").text


def test_a_note_on_ones_own_jobs_is_shown(two: Two) -> None:
    acknowledge(two.app)
    assert NOTE in two.browser().get("/failures").text


def test_a_note_that_is_about_foreign_jobs_too_is_not(two: Two) -> None:
    add_run(two.app, two.theirs, RunStatus.FAILED, error=ERROR)
    acknowledge(two.app)
    page = two.browser().get("/failures").text
    assert NOTE not in page
    assert CAROL in page  # it is known for their own job


def test_ones_own_note_is_shown_whatever_else_it_is_about(two: Two) -> None:
    add_run(two.app, two.theirs, RunStatus.FAILED, error=ERROR)
    acknowledge(two.app)
    bob = two.browser()
    path = f"/failures/{fingerprint(ERROR)}/acknowledge"
    assert bob.post(path, data={"note": "We look into it"}).status_code == 303
    assert "We look into it" in bob.get("/failures").text


def test_an_acknowledgement_of_foreign_jobs_alone_is_not(two: Two) -> None:
    add_run(two.app, two.theirs, RunStatus.FAILED, error=ERROR)
    acknowledge(two.app)
    with two.app.app_context(), transaction() as session:
        session.get_one(Acknowledgement, fingerprint(ERROR)).jobs = [two.theirs]
    page = two.browser().get("/failures").text
    assert NOTE not in page
    assert CAROL not in page
