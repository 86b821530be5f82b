"""The policies of a job: set in its form, said on its page, carried wherever a job goes."""

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.errors import Invalid
from aegis_web.extensions import transaction
from aegis_web.jobs.actions import create_job, update_job
from aegis_web.jobs.groups import group_limits
from aegis_web.jobs.models import Group, Job
from tests.jobs.conftest import (
    ALICE,
    FORM,
    MakeJob,
    audit,
    definition,
    jobs,
    make_calendar,
    stored,
    text_of,
)
from tests.support.applications import Browser, signed_in

TYPED: dict[str, Any] = {
    "service": "fetch_rates",
    "overlap": "replace",
    "max_running": "2",
    "group": "partners",
    "group_limit": "3",
    "priority": "0",
    "queue_limit": "50",
    "catch_up": "none",
    "grace": "10m",
    "timeout": "15m",
    "retries": "4",
    "retry_delay": "30",
    "retry_backoff": "exponential",
    "retry_errors": "ConnectionError, myshop.Busy",
    "on_lost": "rerun",
    "jitter": "2m",
}
STORED: dict[str, Any] = {
    "overlap": "replace",
    "max_running": 2,
    "group_name": "partners",
    "priority": 0,
    "queue_limit": 50,
    "catch_up": "none",
    "grace_seconds": 600,
    "timeout_seconds": 900,
    "retries": 4,
    "retry_delay_seconds": 30,
    "retry_backoff": "exponential",
    "retry_errors": ["ConnectionError", "myshop.Busy"],
    "on_lost": "rerun",
    "jitter_seconds": 120,
}


def policies(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in STORED}


def limit_of(app: Flask, group: str) -> int:
    with app.app_context(), transaction() as session:
        return session.get_one(Group, group).max_running


def chosen(page: str, name: str) -> list[str]:
    """The values of the radio buttons that are pressed."""
    return re.findall(rf'name="{name}" value="([^"]*)" checked', page)


def filled(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def test_each_policy_is_stored_as_it_was_typed(app: Flask, admin: Browser) -> None:
    calendar = make_calendar(app)
    answer = admin.post("/jobs", data={**FORM, **TYPED, "calendar": str(calendar)})
    assert answer.status_code == 303
    (job,) = jobs(app)
    assert policies(job) == STORED
    assert job.calendar_id == calendar
    assert limit_of(app, "partners") == 3


def test_the_form_shows_each_policy_again_and_stands_open(app: Flask, admin: Browser) -> None:
    typed = {**TYPED, "calendar": str(make_calendar(app))}
    path = admin.post("/jobs", data={**FORM, **typed}).headers["Location"]
    page = text_of(admin.get(f"{path}/edit"))
    assert '<details class="ag-fold-card" id="jobs-policies" open>' in page
    for name in ("overlap", "priority", "catch_up", "on_lost"):
        assert chosen(page, name) == [typed[name]]
    for name in ("max_running", "group", "queue_limit", "grace", "timeout", "retries", "jitter"):
        assert filled(page, name) == typed[name]
    assert '<option value="exponential" selected>' in page
    assert filled(page, "retry_delay") == "30s"
    assert filled(page, "retry_errors") == typed["retry_errors"]
    assert f'<option value="{typed["calendar"]}" selected>Freeze</option>' in page
    assert '<option value="partners">3 at once</option>' in page


def test_saving_the_form_unchanged_changes_nothing(app: Flask, admin: Browser) -> None:
    path = admin.post("/jobs", data={**FORM, **TYPED}).headers["Location"]
    job_id = int(path.rpartition("/")[2])
    again = {**FORM, **TYPED, "group_limit": "", "revision": "1"}
    assert admin.post(path, data=again).status_code == 303
    assert policies(stored(app, job_id)) == STORED
    assert limit_of(app, "partners") == 3
    assert audit(app, job_id) == []


def test_the_page_says_every_policy_as_a_sentence(app: Flask, admin: Browser) -> None:
    calendar = make_calendar(app)
    answer = admin.post("/jobs", data={**FORM, **TYPED, "calendar": str(calendar)})
    page = text_of(admin.get(answer.headers["Location"]))
    for sentence in (
        "Up to 2 run at once. Beyond that: the old run is stopped, then the new one starts.",
        "partners: at most 3 of its runs at once",
        "High",
        "At most 50; a fire time beyond that is skipped.",
        "None of them runs; they are noted as missed.",
        "10m",
        "15m for each attempt",
        "It is tried again up to 4 times, 30s later, then twice as long each time; only after "
        "ConnectionError, myshop.Busy.",
        "The run is tried again.",
        "It does not run in the periods of “Freeze”.",
        "It starts up to 2m after the fire time.",
    ):
        assert sentence in page
    assert f'href="/calendars/{calendar}/edit"' in page


def test_an_empty_field_is_what_the_function_is_registered_with(app: Flask, admin: Browser) -> None:
    page = text_of(admin.get("/jobs/new?service=fetch_rates"))
    assert re.search(r'name="retries" value=""[^>]*placeholder="2"', page)
    assert re.search(r'name="timeout" value=""[^>]*placeholder="1m 30s"', page)
    admin.post("/jobs", data={**FORM, "service": "fetch_rates"})
    (job,) = jobs(app)
    assert (job.retries, job.timeout_seconds) == (2, None)
    page = text_of(admin.get(f"/jobs/{job.id}"))
    assert "It is tried again up to 2 times, 1m later." in page
    assert "1m 30s for each attempt" in page
    form = text_of(admin.get(f"/jobs/{job.id}/edit"))
    assert '<details class="ag-fold-card" id="jobs-policies">' in form


def test_only_an_idempotent_function_is_offered_to_run_again(admin: Browser) -> None:
    rerun = '<input type="radio" class="form-selectgroup-input" name="on_lost" value="rerun"{}>'
    page = text_of(admin.get("/jobs/new?service=send_report"))
    assert rerun.format(" disabled") in page
    assert "register it with idempotent=True" in page
    page = text_of(admin.get("/jobs/new?service=fetch_rates"))
    assert rerun.format("") in page
    assert "register it" not in page


def test_a_new_group_runs_one_at_a_time(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data={**FORM, "group": "partners"})
    assert limit_of(app, "partners") == 1


def test_a_groups_limit_counts_for_all_its_jobs_and_its_change_is_noted(
    app: Flask, admin: Browser
) -> None:
    admin.post("/jobs", data={**FORM, "group": "partners", "group_limit": "2"})
    admin.post("/jobs", data={**FORM, "name": "Second", "group": "partners", "group_limit": "5"})
    first, second = jobs(app)
    for job in (first, second):
        assert "at most 5 of its runs" in text_of(admin.get(f"/jobs/{job.id}"))
    with app.app_context(), transaction() as session:
        query = select(AuditEntry).where(AuditEntry.subject == "group:partners")
        noted = [
            (e.action, e.before, e.after) for e in session.scalars(query.order_by(AuditEntry.id))
        ]
    assert noted == [
        ("group.create", None, {"max_running": 2}),
        ("group.change", {"max_running": 2}, {"max_running": 5}),
    ]


def test_groups_and_calendars_are_kept_on_both_databases(any_app: Flask) -> None:
    calendar = make_calendar(any_app)
    values = {"service": "prune_history", "group_name": "partners", "calendar_id": calendar}
    with any_app.app_context():
        first = create_job(definition("First", **values, group_limit=2), ALICE)
        create_job(definition("Second", **values), ALICE)
    assert limit_of(any_app, "partners") == 2
    with any_app.app_context():
        update_job(first, 1, definition("First", **values, group_limit=7), ALICE)
        assert group_limits() == {"partners": 7}
        with pytest.raises(Invalid, match="not there any more"):
            create_job(definition("Third", **{**values, "calendar_id": 77}), ALICE)
    assert stored(any_app, first).calendar_id == calendar


def test_a_refused_job_leaves_no_group_behind(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    make_job("Daily report")
    assert admin.post("/jobs", data={**FORM, "group": "new"}).status_code == 422
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Group)).all() == []


def test_a_clone_has_the_same_policies(app: Flask, admin: Browser) -> None:
    calendar = make_calendar(app)
    typed = {**FORM, **TYPED, "calendar": str(calendar)}
    path = admin.post("/jobs", data=typed).headers["Location"]
    admin.post(f"{path}/clone")
    _, copy = jobs(app)
    assert policies(copy) == STORED
    assert copy.calendar_id == calendar


@pytest.mark.parametrize("name", ["retries", "timeout", "overlap", "group"])
def test_who_saves_second_sees_the_policies_of_both(
    app: Flask, admin: Browser, make_job: MakeJob, name: str
) -> None:
    job_id = make_job("Daily report")
    bob = signed_in(app, "bob@example.org")
    typed = {"retries": "4", "timeout": "15m", "overlap": "replace", "group": "partners"}
    theirs = {**FORM, name: typed[name], "revision": "1"}
    assert bob.post(f"/jobs/{job_id}", data=theirs).status_code == 303
    answer = admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"})
    assert answer.status_code == 409
    table = text_of(answer).partition("<tbody>")[2].partition("</tbody>")[0]
    words = {
        "retries": "up to 4 times",
        "timeout": "15m for each attempt",
        "overlap": "The old run is stopped",
        "group": "partners: at most 1",
    }
    assert words[name] in table
    assert table.count("<tr>") == 1


def test_a_changed_policy_is_noted_before_and_after(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report", service="send_report", arguments={"recipient": "ann"})
    admin.post(f"/jobs/{job_id}", data={**FORM, "retries": "3", "revision": "1"})
    (entry,) = audit(app, job_id)
    assert (entry.before["retries"], entry.after["retries"]) == (0, 3)


def test_what_a_new_job_has_stays_in_sight_where_something_else_is_chosen(admin: Browser) -> None:
    other = {"overlap": "run", "priority": "0", "retry_delay": "5m", "grace": "90"}
    page = text_of(admin.post("/jobs/new", data={**FORM, **other}))
    for word in ("Skip the new run", "Run the latest one", "Normal", "Mark the run as lost"):
        assert f"{word} (default)" in page
    assert page.count("(default)") == 5
    assert "Empty: 1m." in page
    assert "Empty: up to the next fire time, at most 1 hour." in page
