"""Many jobs at once: asked by name, each in a transaction of its own, and taken back."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.jobs import bulk_views
from aegis_web.jobs.models import JobState
from aegis_web.runs.models import Reason, RunStatus
from tests.jobs.conftest import MakeJob, audit, change, cron_trigger, jobs, runs, stored, text_of
from tests.support.applications import Browser, signed_in


@pytest.fixture
def three(make_job: MakeJob) -> list[int]:
    return [make_job(name) for name in ("<One>", "Two", "Three")]


def bulk(admin: Browser, verb: str, numbers: list[int], **values: Any) -> str:
    """Do it; the address that follows."""
    answer = admin.post("/jobs/bulk", data={"verb": verb, "job": numbers, **values})
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def undo(admin: Browser, address: str) -> None:
    page = admin.get(address).get_data(as_text=True)
    token = re.search(r'name="undo" value="([^"]+)"', page)
    assert token is not None
    answer = admin.post("/jobs/bulk/undo", data={"undo": token[1]})
    assert answer.status_code == 303


def test_it_asks_with_the_names_and_the_number(admin: Browser, three: list[int]) -> None:
    query = "&".join(f"job={number}" for number in three)
    answer = admin.get(f"/jobs/bulk?verb=delete&{query}")
    assert "Delete 3 jobs?" in text_of(answer)
    assert "&lt;One&gt;" in answer.get_data(as_text=True)
    assert "Pause one job?" in text_of(admin.get(f"/jobs/bulk?verb=pause&job={three[0]}"))


def test_a_pause_is_made_and_taken_back(app: Flask, admin: Browser, three: list[int]) -> None:
    address = bulk(admin, "pause", three[:2], reason="Deploy")
    states = [job.state for job in jobs(app)]
    assert states == [JobState.PAUSED, JobState.PAUSED, JobState.ACTIVE]
    assert stored(app, three[0]).pause_reason == "Deploy"
    assert "Paused 2 jobs." in text_of(admin.get(address))
    undo(admin, address)
    assert {job.state for job in jobs(app)} == {JobState.ACTIVE}
    assert [entry.action for entry in audit(app, three[0])] == ["job.pause", "job.resume"]


def test_a_resume_asks_what_becomes_of_all_that_passed(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    with time_machine.travel("2026-03-10T12:00:00Z", tick=False):
        numbers = [make_job(name, trigger=cron_trigger("0 * * * *")) for name in ("One", "Two")]
    for number in numbers:
        change(app, number, state=JobState.PAUSED)
    page = text_of(admin.get(f"/jobs/bulk?verb=resume&job={numbers[0]}&job={numbers[1]}"))
    assert "fire times passed while they were paused" in page
    address = bulk(admin, "resume", numbers, catch_up="latest")
    assert sum(run.status == RunStatus.QUEUED for run in runs(app)) == 2
    undo(admin, address)
    assert {job.state for job in jobs(app)} == {JobState.PAUSED}


def test_a_tag_is_given_to_those_that_lack_it_and_taken_from_them_only(
    app: Flask, admin: Browser, three: list[int]
) -> None:
    change(app, three[0], tags=["night", "ops"])
    address = bulk(admin, "tag", three, tag=" night ")
    assert [job.tags for job in jobs(app)] == [["night", "ops"], ["night"], ["night"]]
    undo(admin, address)
    assert [job.tags for job in jobs(app)] == [["night", "ops"], [], []]


@pytest.mark.parametrize("tag", ["", "a,b"])
def test_a_tag_that_is_none_is_asked_for_again(
    app: Flask, admin: Browser, three: list[int], tag: str
) -> None:
    answer = admin.post("/jobs/bulk", data={"verb": "tag", "job": three, "tag": tag})
    assert answer.status_code == 422
    assert "Write one tag, without a comma." in text_of(answer)
    assert "<One>" in text_of(answer)


def test_what_cannot_be_changed_is_named_and_the_others_are(
    app: Flask, admin: Browser, three: list[int]
) -> None:
    change(app, three[1], state=JobState.PAUSED)
    bulk(admin, "tag", three, tag="x" * 51)
    page = text_of(admin.get(bulk(admin, "pause", three)))
    assert "“Two”: This job is paused, not active" in page
    assert "Paused 2 jobs." in page


def test_runs_wait_five_seconds_and_can_be_taken_back(
    app: Flask, admin: Browser, three: list[int]
) -> None:
    before = utc_now()
    address = bulk(admin, "run", three, request_key="once")
    bulk(admin, "run", three, request_key="once")
    made = runs(app)
    assert len(made) == 3
    for run in made:
        assert run.not_before is not None
        assert (run.not_before - before).total_seconds() >= 5
    assert "Starting in five seconds: 3 jobs." in text_of(admin.get(address))
    undo(admin, address)
    assert {run.status for run in runs(app)} == {RunStatus.CANCELLED}


def test_deleted_jobs_come_back_and_what_passed_meanwhile_is_skipped(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    numbers = [make_job(name, trigger=cron_trigger("* * * * *")) for name in ("One", "Two")]
    make_job("Three")
    address = bulk(admin, "delete", numbers)
    assert "One" not in text_of(admin.get("/jobs")).partition("<tbody")[2]
    change(app, numbers[0], deleted_at=utc_now() - timedelta(minutes=5))
    undo(admin, address)
    job = stored(app, numbers[0])
    assert job.deleted_at is None
    assert job.state == JobState.ACTIVE
    assert job.next_run_at is not None
    assert job.next_run_at > utc_now()
    passed = [run for run in runs(app) if run.job_id == numbers[0]]
    assert len(passed) == 5
    assert {(run.status, run.reason) for run in passed} == {(RunStatus.SKIPPED, Reason.DELETED)}


def test_a_deleted_job_whose_name_is_taken_by_now_stays_deleted(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    number = make_job("One")
    address = bulk(admin, "delete", [number])
    make_job("One")
    undo(admin, address)
    assert stored(app, number).deleted_at is not None
    assert "It cannot come back." in text_of(admin.get("/jobs"))


def test_an_undo_is_offered_for_half_a_minute(
    app: Flask, admin: Browser, three: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = bulk(admin, "pause", three)
    token = address.partition("undo=")[2]
    monkeypatch.setattr(bulk_views, "UNDO_SECONDS", -1)
    assert 'name="undo"' not in text_of(admin.get(address))
    answer = admin.post("/jobs/bulk/undo", data={"undo": token})
    assert answer.status_code == 409
    assert admin.post("/jobs/bulk/undo", data={"undo": "forged"}).status_code == 409


@pytest.mark.parametrize("query", ["verb=pause", "verb=pause&job=x", "verb=pause&job=999"])
def test_no_job_is_refused_in_words(admin: Browser, query: str) -> None:
    answer = admin.get(f"/jobs/bulk?{query}")
    assert answer.status_code == 409
    assert "No job is chosen" in text_of(answer)


def test_an_unknown_verb_and_too_many_jobs_are_refused(admin: Browser, three: list[int]) -> None:
    assert admin.get(f"/jobs/bulk?verb=burn&job={three[0]}").status_code == 422
    many = [str(number) for number in range(501)]
    assert admin.post("/jobs/bulk", data={"verb": "pause", "job": many}).status_code == 422


def test_the_list_has_a_box_for_each_job(admin: Browser, three: list[int]) -> None:
    page = text_of(admin.get("/jobs"))
    for number in three:
        assert f'name="job" value="{number}" form="jobs-bulk"' in page


def test_nobody_takes_back_what_another_did(app: Flask, admin: Browser, three: list[int]) -> None:
    address = bulk(admin, "delete", three)
    bob = signed_in(app, "bob@example.org")
    assert 'name="undo"' not in text_of(bob.get(address))
    token = address.partition("undo=")[2]
    assert bob.post("/jobs/bulk/undo", data={"undo": token}).status_code == 409
    undo(admin, address)
