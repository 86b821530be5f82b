"""Running again what a run did: at once, or with some of its arguments changed."""

from flask import Flask
from sqlalchemy import select

from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job
from aegis_web.jobs.queries import vault
from aegis_web.runs.models import RunDetails
from tests.jobs.conftest import FORM, MakeJob, runs, text_of
from tests.support.applications import Browser

OWN = {"custom": "1", "request_key": "first", "arg.token": "s3cret-of-this-run", "arg.path": "/a"}
PARTNER = {**FORM, "name": "Partner", "service": "call_partner", "arg.token": "of-the-job"}


def partner_run(admin: Browser) -> tuple[str, str]:
    """The address of a job, and that of a run of it with a secret of its own."""
    job = admin.post("/jobs", data=PARTNER).headers["Location"]
    return job, admin.post(f"{job}/run", data=OWN).headers["Location"]


def given(app: Flask, address: str) -> dict[str, str]:
    """What a run was given for itself alone, its secret opened."""
    with app.app_context(), transaction() as session:
        number = int(address.rpartition("/")[2])
        stored = session.scalar(select(RunDetails.arguments).where(RunDetails.run_id == number))
        assert stored is not None
        return {**stored, "token": vault().decrypt(stored["token"]["sealed"])}


def test_a_run_with_own_arguments_runs_again_in_one_click(app: Flask, admin: Browser) -> None:
    job, run = partner_run(admin)
    number = run.rpartition("/")[2]
    page = text_of(admin.get(run))
    assert f'name="again" value="{number}"' in page
    again = admin.post(f"{job}/run", data={"request_key": "second", "again": number})
    assert given(app, again.headers["Location"]) == {"token": "s3cret-of-this-run", "path": "/a"}


def test_the_form_begins_with_the_arguments_of_the_run_and_keeps_its_secret(
    app: Flask, admin: Browser
) -> None:
    job, run = partner_run(admin)
    number = run.rpartition("/")[2]
    assert f'{job}/run?again={number}"' in text_of(admin.get(run))
    page = text_of(admin.get(f"{job}/run?again={number}"))
    assert f"As run {number} had them." in page
    assert 'name="arg.path" value="/a"' in page
    assert "s3cret" not in page
    edited = {**OWN, "request_key": "second", "again": number, "arg.token": "", "arg.path": "/b"}
    again = admin.post(f"{job}/run", data=edited)
    assert given(app, again.headers["Location"]) == {"token": "s3cret-of-this-run", "path": "/b"}


def test_arguments_that_no_longer_fit_come_back_in_the_form(app: Flask, admin: Browser) -> None:
    job, run = partner_run(admin)
    with app.app_context(), transaction() as session:
        stored = session.scalars(select(RunDetails)).one()
        stored.arguments = {**(stored.arguments or {}), "region": "eu"}
    number = run.rpartition("/")[2]
    answer = admin.post(f"{job}/run", data={"request_key": "second", "again": number})
    assert answer.status_code == 422
    assert "region" in text_of(answer)
    assert 'name="arg.path" value="/a"' in text_of(answer)
    assert len(runs(app)) == 1


def test_only_a_run_of_this_job_can_be_repeated(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    _, run = partner_run(admin)
    other = make_job("Another")
    for number, status in ((run.rpartition("/")[2], 404), ("9" * 18, 404), ("x", 422)):
        assert admin.get(f"/jobs/{other}/run?again={number}").status_code == status
        sent = {"request_key": "second", "again": number}
        assert admin.post(f"/jobs/{other}/run", data=sent).status_code == status
    assert len(runs(app)) == 1
    with app.app_context(), transaction() as session:
        assert session.get_one(Job, other).name == "Another"
