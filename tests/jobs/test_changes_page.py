"""What was done to a job, by whom and when, before and after in words."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import update

from aegis_web.audit.models import AuditEntry
from aegis_web.clock import to_us
from tests.jobs.conftest import FORM, MakeJob, change, cron_trigger, stored, text_of
from tests.support.applications import Browser, signed_in
from tests.support.tampering import past_the_triggers

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECRET = {**FORM, "service": "call_partner", "arg.token": "s3cr3t"}


@pytest.fixture
def admin(app: Flask, frozen: time_machine.Traveller) -> Browser:
    """The browser of Alice, an administrator, who has signed in at that noon."""
    return signed_in(app)


def told(admin: Browser, job: int, query: str = "") -> list[str]:
    """The entries of the page, newest first, each as its words."""
    page = text_of(admin.get(f"/jobs/{job}/audit{query}"))
    parts = re.findall(r'<li class="list-group-item" id="change-.*?</li>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", part).split()) for part in parts]


def made(admin: Browser, form: dict[str, str]) -> int:
    """The number of a new job."""
    return int(admin.post("/jobs", data=form).headers["Location"].rpartition("/")[2])


def test_an_edit_is_told_field_by_field_with_its_reason(
    admin: Browser, frozen: time_machine.Traveller
) -> None:
    job = made(admin, FORM)
    form = {**FORM, "cron": "0 5 * * *", "owner": "", "retries": "2", "note": "The board asked"}
    admin.post(f"/jobs/{job}", data={**form, "revision": "1"})
    frozen.shift(timedelta(minutes=1))
    admin.post(f"/jobs/{job}", data={**form, "retry_delay": "5m", "revision": "2"})
    later, changed, created = told(admin, job)
    assert "up to 2 times, 1m later. It is tried again up to 2 times, 5m later." in later
    assert "Created" in created
    assert "Changed Tue 10 Mar 2026, 13:00 CET" in changed
    assert "alice@example.org The board asked" in changed
    assert "Owner Team Blue –" in changed
    assert (
        "If it fails It is not tried again. It is tried again up to 2 times, 1m later." in changed
    )
    assert "05:00" in changed
    assert "Description" not in changed


def test_each_other_action_is_told_in_its_words(
    app: Flask, admin: Browser, frozen: time_machine.Traveller, make_job: MakeJob
) -> None:
    job = make_job(trigger=cron_trigger("0 * * * *"))
    fire = {"fire_at": str(to_us(NOON + timedelta(hours=2))), "reason": "Stock & count"}
    admin.post(f"/jobs/{job}/skip", data=fire)
    admin.post(f"/jobs/{job}/unskip", data=fire)
    admin.post(f"/jobs/{job}/pause", data={"reason": "They move", "lasting": "4h"})
    admin.post(f"/jobs/{job}/resume", data={"catch_up": "none"})
    run = admin.post(f"/jobs/{job}/run", data={"request_key": "k"}).headers["Location"]
    ran, resumed, paused, unskipped, skipped, _ = told(admin, job)
    assert "Run by hand Run 1" in ran
    assert f'href="{run}"' in text_of(admin.get(f"/jobs/{job}/audit"))
    assert "State: Paused → Active" in resumed
    assert "Fire times passed meanwhile: Run none of them" in resumed
    assert "They move" in paused
    assert "State: Active → Paused until Tue 10 Mar 2026, 16:00 UTC" in paused
    assert "Tue 10 Mar 2026, 14:00 UTC: Is skipped → Runs" in unskipped
    assert "Stock & count" in skipped
    assert "Tue 10 Mar 2026, 14:00 UTC: Runs → Is skipped" in skipped


def test_secrets_are_never_shown_and_their_change_is(app: Flask, admin: Browser) -> None:
    job = made(admin, SECRET)
    admin.post(f"/jobs/{job}", data={**SECRET, "arg.token": "0ther", "revision": "1"})
    changed = told(admin, job)[0]
    assert "A secret among its arguments •••••• another one" in changed
    page = text_of(admin.get(f"/jobs/{job}/audit"))
    sealed = stored(app, job).arguments["token"]["sealed"]
    assert all(secret not in page for secret in ("s3cr3t", "0ther", sealed))


def test_what_another_release_wrote_is_shown_as_it_stands(app: Flask, admin: Browser) -> None:
    job = made(admin, FORM)
    admin.post(f"/jobs/{job}", data={**FORM, "overlap": "queue", "revision": "1"})
    written = {"overlap": "queue", "catch_up": "perhaps"}
    with past_the_triggers(app) as connection:
        entry = update(AuditEntry).where(AuditEntry.action == "job.change")
        connection.execute(entry.values(after=written))
    assert "catch_up none perhaps" in told(admin, job)[0]


def test_twenty_are_shown_and_a_link_leads_to_the_older(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job = make_job()
    make_job("Another")
    for _ in range(10):
        admin.post(f"/jobs/{job}/pause", data={"reason": "", "lasting": ""})
        admin.post(f"/jobs/{job}/resume", data={"catch_up": "none"})
    assert len(told(admin, job)) == 20
    page = text_of(admin.get(f"/jobs/{job}/audit"))
    older = re.search(r'href="/jobs/\d+/audit(\?before=\d+)"', page)
    assert older is not None
    (created,) = told(admin, job, older[1])
    assert "Created" in created
    assert "Nothing older" in text_of(admin.get(f"/jobs/{job}/audit?before=1"))
    assert admin.get(f"/jobs/{job}/audit?before=x").status_code == 200
    assert admin.get("/jobs/99/audit").status_code == 404
    fragment = admin.get(f"/jobs/{job}/audit", headers={"HX-Request": "true"})
    assert text_of(fragment).lstrip().startswith('<div id="jobs-audit"')


def test_the_names_of_a_function_that_is_gone_are_shown_raw(app: Flask, admin: Browser) -> None:
    job = made(admin, FORM)
    admin.post(f"/jobs/{job}", data={**FORM, "arg.copies": "7", "revision": "1"})
    assert "Copies 2 7" in told(admin, job)[0]
    change(app, job, service="gone.away")
    assert told(admin, job)[0].count("2 7") == 1
