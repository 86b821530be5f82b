"""The form of a job that is there: what stays, what changes, and who comes second."""

import pytest
from flask import Flask

from aegis_web.engine.triggers import FieldsTrigger, zone_named
from aegis_web.jobs.models import Origin
from tests.jobs.conftest import FORM, MakeJob, audit, change, jobs, stored, text_of
from tests.support.applications import Browser, signed_in

HTMX = {"HX-Request": "true"}


def filled(page: str, field: str) -> str:
    """The value that the form shows in an input."""
    return page.partition(f'name="{field}" value="')[2].partition('"')[0]


def test_the_form_shows_the_job_as_it_is(admin: Browser) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    page = text_of(admin.get(f"{path}/edit"))
    shown = {name: filled(page, name) for name in ("name", "cron", "zone", "tags", "owner")}
    assert shown == {name: FORM[name] for name in shown}
    assert filled(page, "arg.recipient") == "ann@example.org"
    assert filled(page, "time") == "09:00"


def test_saving_changes_the_job_and_notes_before_and_after(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report")
    answer = admin.post(f"/jobs/{job_id}", data={**FORM, "owner": "Team Red", "revision": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job_id}")
    job = stored(app, job_id)
    assert (job.owner, job.service, job.revision) == ("Team Red", "send_report", 2)
    (entry,) = audit(app, job_id)
    assert (entry.action, entry.actor) == ("job.change", "alice@example.org")
    assert entry.before["owner"] == ""
    assert entry.after["owner"] == "Team Red"


def test_saving_unchanged_keeps_the_anchor_to_the_microsecond(app: Flask, admin: Browser) -> None:
    interval = {**FORM, "trigger": "interval", "every": "5", "unit": "minutes"}
    path = admin.post("/jobs", data=interval).headers["Location"]
    job_id = int(path.rpartition("/")[2])
    precise = {**stored(app, job_id).trigger, "anchor": "2026-01-01T00:00:07.123456+00:00"}
    change(app, job_id, trigger=precise)
    start = filled(text_of(admin.get(f"{path}/edit")), "start")
    assert start == "2026-01-01T01:00:07"
    admin.post(path, data={**interval, "start": start, "revision": "1", "owner": "New"})
    assert (stored(app, job_id).trigger, stored(app, job_id).owner) == (precise, "New")


def test_a_secret_left_empty_stays(app: Flask, admin: Browser) -> None:
    form = {**FORM, "service": "call_partner", "arg.token": "s3cr3t"}
    path = admin.post("/jobs", data=form).headers["Location"]
    job_id = int(path.rpartition("/")[2])
    before = stored(app, job_id).arguments
    answer = admin.post(path, data={**form, "arg.token": "", "arg.path": "/new", "revision": "1"})
    assert answer.status_code == 303
    after = stored(app, job_id).arguments
    assert (after["token"], after["path"]) == (before["token"], "/new")


def test_a_secret_does_not_go_along_to_another_function(app: Flask, admin: Browser) -> None:
    form = {**FORM, "service": "call_partner", "arg.token": "s3cr3t"}
    path = admin.post("/jobs", data=form).headers["Location"]
    job_id = int(path.rpartition("/")[2])
    change(app, job_id, service="tidy_up")
    answer = admin.post(path, data={**form, "arg.token": "", "revision": "1"})
    assert answer.status_code == 422
    assert "fill it in" in text_of(answer)


def test_who_saves_second_sees_both_and_changes_nothing(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report")
    bob = signed_in(app, "bob@example.org")
    theirs = {**FORM, "owner": "Team Bob", "cron": "0 5 * * *", "revision": "1"}
    assert bob.post(f"/jobs/{job_id}", data=theirs).status_code == 303
    answer = admin.post(f"/jobs/{job_id}", data={**FORM, "owner": "Team Alice", "revision": "1"})
    page = text_of(answer)
    assert answer.status_code == 409
    assert "bob@example.org changed it" in page
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert table.index("Team Bob") < table.index("Team Alice")
    assert "At 05:00 (Europe/Berlin)" in table.replace("Every day at 05:00", "At 05:00")
    assert "Description" not in table  # the same in both
    assert filled(page, "owner") == "Team Alice"
    assert stored(app, job_id).owner == "Team Bob"


def test_who_saves_second_may_save_anyway(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job("Daily report")
    admin.post(f"/jobs/{job_id}", data={**FORM, "owner": "First", "revision": "1"})
    stale = admin.post(f"/jobs/{job_id}", data={**FORM, "owner": "Second", "revision": "1"})
    revision = filled(text_of(stale), "revision")
    assert revision == "2"
    again = admin.post(f"/jobs/{job_id}", data={**FORM, "owner": "Second", "revision": revision})
    assert again.status_code == 303
    assert stored(app, job_id).owner == "Second"


def test_a_wrong_form_does_not_hide_that_it_is_stale(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Daily report")
    admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"})
    wrong = admin.post(f"/jobs/{job_id}", data={**FORM, "cron": "x", "revision": "1"})
    assert wrong.status_code == 422
    assert filled(text_of(wrong), "revision") == "1"


def test_a_form_without_revision_is_stale(admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job("Daily report")
    for revision in ("", "0", "x", "9" * 40):
        answer = admin.post(f"/jobs/{job_id}", data={**FORM, "revision": revision})
        assert answer.status_code == 409


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_what_was_typed_survives_the_deletion_of_the_job(
    app: Flask, admin: Browser, make_job: MakeJob, headers: dict[str, str]
) -> None:
    job_id = make_job("Nightly")
    admin.post(f"/jobs/{job_id}/delete")
    typed = {**FORM, "name": "Typed for long", "revision": "1"}
    answer = admin.post(f"/jobs/{job_id}", data=typed, headers=headers)
    assert answer.status_code == 404
    assert "The job “Nightly” was deleted meanwhile." in text_of(answer)
    assert 'value="Typed for long"' in answer.text
    assert 'action="/jobs"' in answer.text  # and becomes a new job
    assert len(jobs(app)) == 1


def test_a_job_declared_in_code_says_so_and_keeps_its_trigger(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    declared = FieldsTrigger({"hour": "6", "minute": "30"}, zone_named("UTC"))
    job_id = make_job("Daily report", trigger=declared)
    change(app, job_id, origin=Origin.CODE)
    page = text_of(admin.get(f"/jobs/{job_id}/edit"))
    assert "This job is declared in code" in page
    assert 'value="keep" checked' in page
    kept = {**FORM, "trigger": "keep", "zone": "UTC", "revision": "1"}
    assert admin.post(f"/jobs/{job_id}", data=kept).status_code == 303
    assert stored(app, job_id).trigger == declared.to_json()
    ended = {**kept, "ends": "2031-01-01T00:00", "revision": "2"}
    assert admin.post(f"/jobs/{job_id}", data=ended).status_code == 303
    assert stored(app, job_id).trigger["ends_at"] == "2031-01-01T00:00:00+00:00"
    moved = {**kept, "zone": "Asia/Tokyo", "revision": "3"}
    assert admin.post(f"/jobs/{job_id}", data=moved).status_code == 303
    assert stored(app, job_id).trigger == {**declared.to_json(), "zone": "Asia/Tokyo"}


def test_the_limits_of_a_trigger_survive_the_form_to_the_microsecond(
    app: Flask, admin: Browser
) -> None:
    path = admin.post("/jobs", data=FORM).headers["Location"]
    job_id = int(path.rpartition("/")[2])
    limits = {
        "starts_at": "2026-01-01T11:00:00.250000+00:00",
        "ends_at": "2030-12-31T23:00:00+00:00",
    }
    limited = {**stored(app, job_id).trigger, **limits}
    change(app, job_id, trigger=limited)
    page = text_of(admin.get(f"{path}/edit"))
    shown = {"starts": filled(page, "starts"), "ends": filled(page, "ends")}
    assert shown == {"starts": "2026-01-01T12:00", "ends": "2031-01-01T00:00"}
    admin.post(path, data={**FORM, **shown, "cron": "0 7 * * *", "revision": "1"})
    assert stored(app, job_id).trigger == {**limited, "expression": "0 7 * * *"}
    admin.post(path, data={**FORM, "cron": "0 7 * * *", "revision": "2"})
    assert not stored(app, job_id).trigger.keys() & limits.keys()


def test_a_finished_job_can_be_described_and_revived(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    once = {"kind": "date", "at": "2026-01-01T10:00:00+00:00", "zone": "UTC"}
    job_id = make_job("Daily report")
    change(app, job_id, trigger=once, trigger_kind="date", state="finished", next_run_at=None)
    form = {**FORM, "trigger": "once", "once": "2026-01-01T10:00", "zone": "UTC", "revision": "1"}
    assert admin.post(f"/jobs/{job_id}", data=form).status_code == 303
    assert stored(app, job_id).state == "finished"
    again = {**form, "once": "2031-01-01T10:00", "revision": "2"}
    assert admin.post(f"/jobs/{job_id}", data=again).status_code == 303
    assert stored(app, job_id).state == "active"
