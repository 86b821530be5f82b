"""A broken job gets a successor, and its old arguments where they are wanted."""

import re
from typing import Any

import pytest
from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.jobs.models import JobVersion
from aegis_web.jobs.queries import registry
from aegis_web.jobs.successors import first_picks, successors
from tests.jobs.conftest import FORM, MakeJob, audit, change, stored, text_of
from tests.support.applications import Browser

GONE = "no service function is called reports.send_report: choose another"
OLD = {"recipients": "ann@example.org", "copies": 3, "colour": "blue"}


@pytest.fixture
def broken(app: Flask, make_job: MakeJob) -> int:
    """A job whose function is gone."""
    job_id = make_job(owner="Team Blue", retries=2)
    change(app, job_id, service="reports.send_report", arguments=OLD, problem=GONE)
    return job_id


def chosen(page: str, name: str) -> str:
    """What stands chosen in a field."""
    field = page.partition(f'name="{name}"')[2].partition("</select>")[0]
    return re.findall(r'<option value="([^"]*)" selected', field)[0]


def dropped(page: str) -> str:
    return page.partition('id="jobs-dropped"')[2].partition("</dl>")[0]


def posted(**changes: Any) -> dict[str, Any]:
    """What the form posts as it is first drawn, but for `changes`."""
    form = {
        "revision": "1",
        "service": "send_report",
        "from.recipient": "old.recipients",
        "from.day": "default",
        "from.copies": "old.copies",
        "arg.recipient": "",
        "arg.day": "",
        "arg.copies": "3",
    }
    return form | {name.replace("__", "."): value for name, value in changes.items()}


def test_the_likeliest_stands_chosen_and_what_is_left_over_is_named(
    admin: Browser, broken: int
) -> None:
    assert f'href="/jobs/{broken}/repair"' in text_of(admin.get(f"/jobs/{broken}"))
    page = text_of(admin.get(f"/jobs/{broken}/repair"))
    assert GONE in page
    assert chosen(page, "service") == "send_report"
    assert "Send a report (send_report): a similar name" in page
    assert chosen(page, "from.recipient") == "old.recipients"
    assert chosen(page, "from.copies") == "old.copies"
    assert chosen(page, "from.day") == "default"
    assert "colour" in dropped(page)
    assert "copies" not in dropped(page)


def test_saving_is_an_edit_that_leaves_the_rest_as_it_was(
    app: Flask, admin: Browser, broken: int
) -> None:
    before = stored(app, broken)
    assert admin.post(f"/jobs/{broken}/repair", data=posted()).status_code == 303
    job = stored(app, broken)
    assert (job.service, job.problem) == ("send_report", None)
    assert job.arguments == {"recipient": "ann@example.org", "copies": 3}
    kept = ("name", "owner", "trigger", "retries", "overlap", "next_run_at", "state")
    assert [getattr(job, name) for name in kept] == [getattr(before, name) for name in kept]
    with app.app_context(), transaction() as session:
        version = session.get_one(JobVersion, (broken, 2))
    assert version.note == "Repaired: send_report in place of reports.send_report"
    (entry,) = audit(app, broken)
    assert (entry.action, entry.before["service"]) == ("job.change", "reports.send_report")


def test_a_repair_that_is_sent_again_is_saved_once(app: Flask, admin: Browser, broken: int) -> None:
    with app.app_context(), transaction() as session:
        version = session.get_one(JobVersion, (broken, 1))
        version.definition = {**version.definition, "arguments": OLD}
    first, again = (admin.post(f"/jobs/{broken}/repair", data=posted()) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert again.headers["Location"] == first.headers["Location"]
    assert (stored(app, broken).revision, len(audit(app, broken))) == (2, 1)
    other = admin.post(f"/jobs/{broken}/repair", data=posted(from__copies="default"))
    assert other.status_code == 409
    assert stored(app, broken).revision == 2


def test_a_typed_value_is_taken_and_what_is_wrong_comes_back_beside_its_field(
    app: Flask, admin: Browser, broken: int
) -> None:
    wrong = posted(from__copies="value", arg__copies="many", from__day="old.colour")
    answer = admin.post(f"/jobs/{broken}/repair", data={**wrong, "from.recipient": "old.nobody"})
    page = text_of(answer)
    assert answer.status_code == 422
    assert "whole number" in page.partition('id="field-arg-copies-error"')[2].partition("</div>")[0]
    assert "not a date" in page.partition('id="field-from-day-error"')[2].partition("</div>")[0]
    assert "Choose where" in page.partition('id="field-from-recipient-error"')[2][:60]
    assert 'value="many"' in page
    assert stored(app, broken).problem
    typed = posted(from__copies="value", arg__copies="9")
    assert admin.post(f"/jobs/{broken}/repair", data=typed).status_code == 303
    assert stored(app, broken).arguments["copies"] == 9


def test_another_choice_redraws_what_is_dropped_and_stores_nothing(
    app: Flask, admin: Browser, broken: int
) -> None:
    form = posted(from__copies="default")
    page = text_of(admin.post(f"/jobs/{broken}/repair/redraw", data=form))
    assert "copies" in dropped(page)
    assert chosen(page, "from.copies") == "default"
    page = text_of(admin.get(f"/jobs/{broken}/repair?service=tidy_up"))
    assert "It takes no arguments" in page
    assert all(name in dropped(page) for name in OLD)
    nobody = text_of(admin.get(f"/jobs/{broken}/repair?service=nobody"))
    assert "no service function is called nobody" in nobody.lower()
    assert stored(app, broken).revision == 1


def test_a_secret_is_carried_over_and_never_shown(app: Flask, admin: Browser) -> None:
    form = {**FORM, "service": "call_partner", "arg.token": "s3cr3t", "arg.path": "/rates"}
    job_id = int(admin.post("/jobs", data=form).headers["Location"].rpartition("/")[2])
    sealed = stored(app, job_id).arguments["token"]
    old = {"api_key": sealed, "path": "/rates"}
    change(app, job_id, service="partners.call", arguments=old, problem="gone")
    page = text_of(admin.get(f"/jobs/{job_id}/repair?service=call_partner"))
    assert chosen(page, "from.token") == "old.api_key"
    assert "Take the old “api_key”: ••••••" in page
    assert "s3cr3t" not in page
    assert sealed["sealed"] not in page
    change(app, job_id, arguments={"path": sealed})
    other = text_of(admin.get(f"/jobs/{job_id}/repair?service=call_partner"))
    assert sealed["sealed"] not in other
    change(app, job_id, arguments=old)
    taken = {"from.token": "old.api_key", "from.path": "old.api_key"}
    data = {"revision": "1", "service": "call_partner", **taken}
    refused = admin.post(f"/jobs/{job_id}/repair", data=data)
    assert refused.status_code == 422  # a secret fits no plain text
    assert sealed["sealed"] not in text_of(refused)
    data["from.path"] = "old.path"
    assert admin.post(f"/jobs/{job_id}/repair", data=data).status_code == 303
    assert stored(app, job_id).arguments == {"token": sealed, "path": "/rates"}


def test_a_repair_over_somebody_elses_change_is_refused_and_kept_as_typed(
    app: Flask, admin: Browser, broken: int
) -> None:
    change(app, broken, revision=2, updated_by="bob@example.org")
    form = posted(from__copies="value", arg__copies="9")
    answer = admin.post(f"/jobs/{broken}/repair", data=form)
    page = text_of(answer)
    assert answer.status_code == 409
    assert "bob@example.org changed this job" in page
    assert 'name="revision" value="2"' in page
    assert chosen(page, "from.copies") == "value"
    assert 'value="9"' in page
    assert stored(app, broken).problem


def test_a_policy_that_the_successor_forbids_is_named(
    app: Flask, admin: Browser, broken: int
) -> None:
    change(app, broken, on_lost="rerun")
    answer = admin.post(f"/jobs/{broken}/repair", data=posted())
    assert answer.status_code == 422
    assert "If its process dies" in text_of(answer)


def test_a_job_that_is_whole_is_edited_and_one_that_is_gone_is_not_found(
    admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    answer = admin.get(f"/jobs/{job_id}/repair")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job_id}/edit")
    assert admin.get("/jobs/99/repair").status_code == 404


def test_guesses_are_the_same_function_then_near_names_then_the_same_arguments(app: Flask) -> None:
    with app.app_context():
        known = registry()

        def named(service: str, *arguments: str) -> list[tuple[str, str]]:
            found = successors(service, dict.fromkeys(arguments, 1), known)
            return [(each.function.name, each.why) for each in found]

        assert named("send_report", "to")[0] == ("send_report", "the same function")
        assert named("mails.send_reports")[0] == ("send_report", "a similar name")
        assert named("zzz", "recipient", "day", "copies") == [("send_report", "the same arguments")]
        assert named("report.send")[0] == ("send_report", "a similar name")
        assert named("zzz") == []
        function = known.functions["send_report"]
        assert first_picks(function, {"copies": "many", "copy": 4}) == {
            "recipient": "value",
            "day": "default",
            "copies": "old.copy",
        }
        assert first_picks(function, {"copies": "many"})["copies"] == "value"
