"""What a change would do is shown before it is saved, and every version can be had back."""

import re

import pytest
from flask import Flask
from sqlalchemy import delete, select

from aegis_web.extensions import transaction
from aegis_web.jobs.models import JobVersion
from tests.jobs.conftest import FORM, MakeJob, audit, change, stored, text_of
from tests.support.applications import Browser, MakeApp, signed_in

HTMX = {"HX-Request": "true"}
ROWS = re.compile(r'<tr><th scope="row">(.*?)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>')
SECRET = {**FORM, "service": "call_partner", "arg.token": "s3cr3t"}


def versions(app: Flask, job_id: int) -> list[JobVersion]:
    with app.app_context(), transaction() as session:
        query = select(JobVersion).where(JobVersion.job_id == job_id)
        return list(session.scalars(query.order_by(JobVersion.number)))


def made(admin: Browser, form: dict[str, str]) -> tuple[str, int]:
    """The path and the number of a new job."""
    path = admin.post("/jobs", data=form).headers["Location"]
    return path, int(path.rpartition("/")[2])


def test_each_change_is_a_version_with_its_reason(app: Flask, admin: Browser) -> None:
    path, job_id = made(admin, FORM)
    changed = {**FORM, "cron": "0 5 * * *", "revision": "1", "note": "The board reads earlier"}
    assert admin.post(path, data=changed).status_code == 303
    first, second = versions(app, job_id)
    assert (first.number, second.number) == (1, 2)
    assert first.definition["trigger"]["expression"] == "0 9 * * 1-5"
    assert second.definition["trigger"]["expression"] == "0 5 * * *"
    assert (second.note, second.made_by) == ("The board reads earlier", "alice@example.org")
    assert first.from_at < second.from_at
    assert audit(app, job_id)[-1].after["note"] == "The board reads earlier"


def test_what_changes_nothing_and_a_pause_are_no_version(app: Flask, admin: Browser) -> None:
    path, job_id = made(admin, FORM)
    admin.post(path, data={**FORM, "revision": "1"})
    admin.post(f"{path}/pause", data={"reason": "Holidays", "lasting": ""})
    admin.post(f"{path}/resume", data={"catch_up": "none"})
    assert len(versions(app, job_id)) == 1


def test_a_reason_that_is_too_long_is_refused_and_nothing_is_lost(
    app: Flask, admin: Browser
) -> None:
    path, job_id = made(admin, FORM)
    form = {**FORM, "owner": "Team Red", "revision": "1", "note": "x" * 501}
    answer = admin.post(path, data=form)
    assert answer.status_code == 422
    assert "at most 500" in text_of(answer)
    assert "Team Red" in text_of(answer)
    assert len(versions(app, job_id)) == 1


def test_a_review_shows_fields_and_fire_times_and_saves_nothing(app: Flask, admin: Browser) -> None:
    path, job_id = made(admin, {**FORM, "cron": "0 9 * * *"})
    form = {**FORM, "cron": "0 9,17 * * *", "owner": "Team Red", "revision": "1"}
    page = text_of(admin.post(f"{path}/review", data=form, headers=HTMX))
    assert "Team Blue" in page
    assert "Team Red" in page
    assert "14 gained" in page
    assert "0 lost" in page
    assert "Save these changes" in page
    assert stored(app, job_id).owner == "Team Blue"


def test_a_review_tells_the_name_of_a_job_from_an_argument_called_so(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_SERVICES="tests.browser.shop")
    admin = signed_in(app)
    greet = {**FORM, "service": "shop.greet", "arg.name": "Ann", "arg.times": "3"}
    path, _ = made(admin, {**greet, "arg.mood": "calm", "arg.since": ""})
    form = {**greet, "arg.mood": "calm", "arg.since": "", "name": "Greetings", "revision": "1"}

    renamed = text_of(admin.post(f"{path}/review", data=form, headers=HTMX))
    assert ROWS.findall(renamed) == [("Name", "Daily report", "Greetings")]
    changed = {**form, "name": FORM["name"], "arg.name": "Bob"}
    page = text_of(admin.post(f"{path}/review", data=changed, headers=HTMX))
    assert ROWS.findall(page) == [("Argument Name", "Ann", "Bob")]
    admin.post(path, data=form)
    kept = text_of(admin.get(f"{path}/versions?old=1&new=2"))
    assert ("Name", "Daily report", "Greetings") in ROWS.findall(kept)


def test_a_review_of_too_many_fire_times_says_how_many(admin: Browser) -> None:
    path, _ = made(admin, {**FORM, "cron": "* * * * *", "zone": "UTC"})
    form = {**FORM, "cron": "*/2 * * * *", "zone": "UTC", "revision": "1"}
    page = text_of(admin.post(f"{path}/review", data=form, headers=HTMX))
    assert "20,160 now, then 10,080" in page.replace("\u202f", ",")


def test_a_review_of_nothing_offers_nothing_to_save(admin: Browser) -> None:
    path, _ = made(admin, FORM)
    page = text_of(admin.post(f"{path}/review", data={**FORM, "revision": "1"}, headers=HTMX))
    assert "This changes nothing" in page
    assert "Save these changes" not in page


def test_a_review_names_what_is_wrong_in_the_form_itself(admin: Browser) -> None:
    path, _ = made(admin, FORM)
    form = {**FORM, "cron": "61 * * * *", "revision": "1"}
    answer = admin.post(f"{path}/review", data=form, headers=HTMX)
    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#jobs-form"
    assert 'aria-describedby="field-cron-error' in text_of(answer)


def test_a_review_says_that_a_secret_is_another_and_shows_neither(admin: Browser) -> None:
    path, _ = made(admin, SECRET)
    form = {**SECRET, "arg.token": "0ther", "revision": "1"}
    page = text_of(admin.post(f"{path}/review", data=form, headers=HTMX))
    assert "another one" in page
    assert "0ther" not in page
    assert "s3cr3t" not in page


def test_a_version_comes_back_with_its_secrets(app: Flask, admin: Browser) -> None:
    path, job_id = made(admin, SECRET)
    before = stored(app, job_id)
    admin.post(path, data={**SECRET, "arg.token": "0ther", "cron": "0 5 * * *", "revision": "1"})
    answer = admin.post(f"{path}/versions/1/restore", data={"revision": "2"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    after = stored(app, job_id)
    assert (after.arguments, after.trigger) == (before.arguments, before.trigger)
    assert [version.note for version in versions(app, job_id)] == ["", "", "Version 1 restored"]


def test_a_version_restored_over_somebody_elses_change_is_refused(
    app: Flask, admin: Browser
) -> None:
    path, job_id = made(admin, FORM)
    admin.post(path, data={**FORM, "owner": "Team Red", "revision": "1"})
    answer = admin.post(f"{path}/versions/1/restore", data={"revision": "1"})
    assert answer.headers["Location"] == f"{path}/versions"
    assert "Nothing was restored" in text_of(admin.get(f"{path}/versions"))
    assert stored(app, job_id).owner == "Team Red"


def test_a_version_whose_name_is_taken_by_now_is_refused(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    path, job_id = made(admin, FORM)
    admin.post(path, data={**FORM, "name": "Report", "revision": "1"})
    make_job(FORM["name"])
    answer = admin.post(f"{path}/versions/1/restore", data={"revision": "2"})
    assert answer.status_code == 409
    assert "already a job with this name" in text_of(answer)
    assert stored(app, job_id).name == "Report"


def test_the_page_lists_versions_and_compares_any_two(admin: Browser) -> None:
    path, _ = made(admin, FORM)
    for revision, owner in enumerate(("Team Red", "Team Green"), start=1):
        admin.post(path, data={**FORM, "owner": owner, "revision": str(revision)})
    page = text_of(admin.get(f"{path}/versions"))
    assert page.index("Version 3") < page.index("Version 2") < page.index("Version 1")
    assert "The first one" in page
    compared = text_of(admin.get(f"{path}/versions?old=1&new=3"))
    part = compared[: compared.index("All versions")]
    assert "Team Blue" in part
    assert "Team Green" in part
    assert "Team Red" not in part
    assert "say the same" in text_of(admin.get(f"{path}/versions?old=2&new=2"))


@pytest.mark.parametrize("query", ["old=7&new=1", "old=1&new=99999999999999999999", "old=x&new=1"])
def test_versions_that_are_not_there_are_no_error_of_ours(admin: Browser, query: str) -> None:
    path, _ = made(admin, FORM)
    assert admin.get(f"{path}/versions?{query}").status_code in {200, 404}
    assert admin.post(f"{path}/versions/7/restore", data={"revision": "1"}).status_code == 404


def test_a_job_without_versions_says_so(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    job_id = make_job()
    with app.app_context(), transaction() as session:
        session.execute(delete(JobVersion))
    assert "No versions yet" in text_of(admin.get(f"/jobs/{job_id}/versions"))


def test_a_version_of_a_function_that_is_gone_is_still_readable(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    with app.app_context(), transaction() as session:
        version = session.get_one(JobVersion, (job_id, 1))
        version.definition = {**version.definition, "service": "gone.away"}
    change(app, job_id, owner="x")
    admin.post(f"/jobs/{job_id}", data={**FORM, "revision": "1"})
    assert "gone.away" in text_of(admin.get(f"/jobs/{job_id}/versions"))
    assert (
        admin.post(f"/jobs/{job_id}/versions/1/restore", data={"revision": "2"}).status_code < 400
    )
    assert stored(app, job_id).problem
