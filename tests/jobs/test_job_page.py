"""The page of one job, and what its buttons do."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask

from aegis_web.engine.decide import BACKLOG_CAP
from aegis_web.engine.triggers import IntervalTrigger
from aegis_web.jobs.models import JobState, Origin
from aegis_web.runs.models import Reason, RunStatus
from tests.jobs.conftest import (
    FORM,
    MakeJob,
    audit,
    change,
    cron_trigger,
    jobs,
    runs,
    stored,
    text_of,
)
from tests.support.applications import Browser

HTMX = {"HX-Request": "true"}


def test_it_says_when_what_and_by_whom(admin: Browser) -> None:
    path = admin.post("/jobs", data={**FORM, "timeout": "15m"}).headers["Location"]
    page = text_of(admin.get(path))
    for words in (
        "At 09:00, Monday to Friday",
        "Europe/Berlin",
        "Send a report",
        "ann@example.org",
        "Team Blue",
        "What the board reads.",
        "The new run is skipped.",
        "15m",
        "by alice@example.org",
        "No runs yet",
    ):
        assert words in page
    assert page.count("CET") + page.count("CEST") >= 5


def test_htmx_gets_only_the_part_that_changes(admin: Browser, make_job: MakeJob) -> None:
    answer = admin.get(f"/jobs/{make_job()}", headers=HTMX)
    assert text_of(answer).lstrip().startswith('<div id="jobs-live"')


def test_it_polls_only_while_something_may_happen(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    watches = f'data-live="/live/jobs/{job_id}" data-poll='
    assert f'{watches}"10"' in text_of(admin.get(f"/jobs/{job_id}"))
    admin.post(f"/jobs/{job_id}/run", data={"request_key": "k"})
    assert f'{watches}"2"' in text_of(admin.get(f"/jobs/{job_id}"))
    idle = make_job("Idle")
    change(app, idle, state=JobState.PAUSED)
    assert "data-live=" not in text_of(admin.get(f"/jobs/{idle}"))


def test_a_broken_job_says_why_and_how_to_mend_it(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    change(app, job_id, problem="broken", service="gone")
    page = text_of(admin.get(f"/jobs/{job_id}"))
    assert (
        "no service function is called gone: choose another, give one this alias, or name its "
        "module in AEGIS_SERVICES." in page
    )
    assert "Repair…" in page
    answer = admin.post(f"/jobs/{job_id}/run")
    assert answer.status_code == 409
    assert "is broken and cannot run" in text_of(answer)
    assert runs(app) == []


def test_two_clicks_on_run_now_make_one_run(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    key = re.search(r'name="request_key" value="([^"]+)"', text_of(admin.get(f"/jobs/{job_id}")))
    assert key
    answers = [admin.post(f"/jobs/{job_id}/run", data={"request_key": key[1]}) for _ in range(2)]
    (run,) = runs(app)
    assert [answer.headers["Location"] for answer in answers] == [f"/runs/{run.id}"] * 2
    assert (run.status, run.requested_by) == (RunStatus.QUEUED, "alice@example.org")
    (entry,) = audit(app, job_id)
    assert (entry.action, entry.after) == ("job.run", {"run": run.id})


def test_each_page_has_a_key_of_its_own(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    keys = re.findall(r'name="request_key" value="([^"]+)"', text_of(admin.get("/jobs")))
    keys += re.findall(r'name="request_key" value="([^"]+)"', text_of(admin.get(f"/jobs/{job_id}")))
    assert len(set(keys)) == len(keys) > 1


def test_one_key_on_two_jobs_makes_two_runs(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    for name in ("One", "Two"):
        admin.post(f"/jobs/{make_job(name)}/run", data={"request_key": "same"})
    assert len({run.job_id for run in runs(app)}) == 2


@pytest.mark.parametrize("key", ["", "k" * 5000, "\0", "é"])
def test_an_odd_key_still_makes_one_run(
    app: Flask, admin: Browser, make_job: MakeJob, key: str
) -> None:
    answer = admin.post(f"/jobs/{make_job()}/run", data={"request_key": key})
    assert answer.status_code == 303
    assert len(runs(app)) == 1


def test_a_run_can_have_other_arguments(app: Flask, admin: Browser) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    page = text_of(admin.get(f"{path}/run"))
    assert 'name="arg.recipient" value="ann@example.org"' in page
    given = {"custom": "1", "request_key": "k", "arg.recipient": "bob@example.org"}
    answer = admin.post(f"{path}/run", data=given)
    assert answer.status_code == 303
    assert "bob@example.org" in text_of(admin.get(answer.headers["Location"]))
    assert jobs(app)[-1].arguments["recipient"] == "ann@example.org"


def test_wrong_arguments_for_a_run_come_back(app: Flask, admin: Browser) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    given = {"custom": "1", "request_key": "k", "arg.recipient": "bob", "arg.copies": "many"}
    answer = admin.post(f"{path}/run", data=given)
    assert answer.status_code == 422
    assert 'value="many"' in text_of(answer)
    assert 'value="k"' in text_of(answer)
    assert runs(app) == []


def test_pausing_stops_the_cursor_and_is_noted(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    assert admin.post(f"/jobs/{job_id}/pause").headers["Location"] == f"/jobs/{job_id}"
    assert stored(app, job_id).state == JobState.PAUSED
    assert [entry.action for entry in audit(app, job_id)] == ["job.pause"]


def test_the_list_gets_the_changed_row(admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    answer = admin.post(f"/jobs/{job_id}/pause", headers=HTMX)
    assert text_of(answer).lstrip().startswith(f'<tr role="row" id="job-{job_id}">')
    assert "Paused" in text_of(answer)


def test_pausing_twice_says_that_somebody_was_first(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    admin.post(f"/jobs/{job_id}/pause")
    answer = admin.post(f"/jobs/{job_id}/pause")
    assert answer.status_code == 409
    assert "somebody else was first" in text_of(answer)
    assert admin.post(f"/jobs/{job_id}/resume").status_code == 303
    assert admin.post(f"/jobs/{job_id}/resume").status_code == 409
    assert len(audit(app, job_id)) == 2


@pytest.mark.parametrize(("choice", "queued"), [("none", 0), ("latest", 1), ("all", 4), (None, 0)])
def test_resume_asks_about_the_fire_times_that_passed(
    frozen: time_machine.Traveller,
    app: Flask,
    admin: Browser,
    make_job: MakeJob,
    choice: str | None,
    queued: int,
) -> None:
    job_id = make_job(trigger=cron_trigger("*/10 * * * *"))
    admin.post(f"/jobs/{job_id}/pause")
    frozen.shift(timedelta(minutes=45))
    page = text_of(admin.get(f"/jobs/{job_id}"))
    assert "4 fire times have passed" in page
    assert "Run all 4" in page
    assert "4 passed" in text_of(admin.get("/jobs?q=Nightly"))
    admin.post(f"/jobs/{job_id}/resume", data={"catch_up": choice} if choice else {})
    statuses = [run.status for run in runs(app)]
    assert statuses == [RunStatus.SKIPPED] * (4 - queued) + [RunStatus.QUEUED] * queued
    assert {run.reason for run in runs(app) if run.status == RunStatus.SKIPPED} <= {Reason.PAUSED}
    assert stored(app, job_id).next_run_at == datetime(2026, 3, 10, 12, 50, tzinfo=UTC)


def test_resume_after_a_long_pause_says_how_many_can_run(
    frozen: time_machine.Traveller, admin: Browser, make_job: MakeJob
) -> None:
    every_second = IntervalTrigger(1, "seconds", datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
    job_id = make_job(trigger=every_second)
    admin.post(f"/jobs/{job_id}/pause")
    frozen.shift(timedelta(seconds=BACKLOG_CAP + 234))
    page = text_of(admin.get(f"/jobs/{job_id}"))
    assert f"Run the newest {BACKLOG_CAP:,}" in page


def test_an_unknown_choice_at_resume_changes_nothing(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    admin.post(f"/jobs/{job_id}/pause")
    answer = admin.post(f"/jobs/{job_id}/resume", data={"catch_up": "some"})
    assert answer.status_code == 422
    assert stored(app, job_id).state == JobState.PAUSED


def test_a_clone_is_paused_and_its_form_opens(app: Flask, admin: Browser) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    answer = admin.post(f"{path}/clone")
    original, copy = jobs(app)[-2:]
    assert answer.headers["Location"] == f"/jobs/{copy.id}/edit"
    assert (copy.name, copy.state) == ("Daily report (copy)", JobState.PAUSED)
    for name in ("service", "arguments", "trigger", "tags", "owner", "description"):
        assert getattr(copy, name) == getattr(original, name)
    admin.post(f"{path}/clone")
    admin.post(f"/jobs/{copy.id}/clone")
    assert [job.name for job in jobs(app)][-2:] == [
        "Daily report (copy 2)",
        "Daily report (copy 3)",
    ]


def test_a_clone_that_is_sent_again_is_one_copy(app: Flask, admin: Browser) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    keys = re.findall(r'/clone".*?name="request_key" value="([^"]+)"', admin.get(path).text)
    (key,) = keys
    first, again = (admin.post(f"{path}/clone", data={"request_key": key}) for _ in range(2))
    assert again.headers["Location"] == first.headers["Location"]
    menu = admin.get(f"{path}/menu", headers={"HX-Request": "true"}).text
    (other,) = re.findall(r'/clone".*?name="request_key" value="([^"]+)"', menu)
    admin.post(f"{path}/clone", data={"request_key": other})
    names = [job.name for job in jobs(app)]
    assert names[-2:] == ["Daily report (copy)", "Daily report (copy 2)"]


def test_a_clone_of_a_code_job_belongs_to_people(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("n" * 200)
    change(app, job_id, origin=Origin.CODE)
    admin.post(f"/jobs/{job_id}/clone")
    copy = jobs(app)[-1]
    assert (copy.origin, copy.declaration, len(copy.name)) == (Origin.USER, None, 200)


def test_a_clone_of_a_broken_job_is_broken(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    change(app, job_id, service="gone", problem="gone")
    admin.post(f"/jobs/{job_id}/clone")
    assert jobs(app)[-1].problem


def test_a_deleted_job_says_when_and_leads_to_its_runs(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Nightly")
    admin.post(f"/jobs/{job_id}/run", data={"request_key": "k"})
    answer = admin.post(f"/jobs/{job_id}/delete")
    assert answer.headers["Location"] == "/jobs"
    assert "Deleted the job “Nightly”" in text_of(admin.get("/jobs"))
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/edit", f"/jobs/{job_id}/run"):
        page = admin.get(path)
        assert page.status_code == 404
        assert "This job was deleted" in text_of(page)
        assert f'href="/runs?job={job_id}"' in text_of(page)
    assert [run.status for run in runs(app)] == [RunStatus.CANCELLED]
    assert [entry.action for entry in audit(app, job_id)] == ["job.run", "job.delete"]


@pytest.mark.parametrize("verb", ["pause", "resume", "clone", "delete", "run"])
def test_nothing_can_be_done_with_a_deleted_job(
    app: Flask, admin: Browser, make_job: MakeJob, verb: str
) -> None:
    job_id = make_job()
    admin.post(f"/jobs/{job_id}/delete")
    noted = len(audit(app, job_id))
    assert admin.post(f"/jobs/{job_id}/{verb}").status_code == 404
    part = admin.post(f"/jobs/{job_id}/{verb}", headers=HTMX)
    assert part.status_code == 404
    assert "was deleted" in text_of(part)
    assert part.headers["HX-Reswap"] == "none"
    assert len(audit(app, job_id)) == noted
    assert admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"}).status_code == 404


def test_a_declared_job_cannot_be_deleted(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    change(app, job_id, origin=Origin.CODE)
    answer = admin.post(f"/jobs/{job_id}/delete")
    assert answer.status_code == 409
    assert "would come back at the next start" in text_of(answer)
    assert stored(app, job_id).deleted_at is None
    change(app, job_id, declared=False)
    assert "no longer declares this job" in text_of(admin.get(f"/jobs/{job_id}"))
    assert admin.post(f"/jobs/{job_id}/delete").status_code == 303


@pytest.mark.parametrize("verb", ["pause", "resume", "clone", "delete"])
def test_getting_an_action_changes_nothing(
    app: Flask, admin: Browser, make_job: MakeJob, verb: str
) -> None:
    job_id = make_job()
    assert admin.get(f"/jobs/{job_id}/{verb}").status_code == 405
    assert stored(app, job_id).revision == 1
