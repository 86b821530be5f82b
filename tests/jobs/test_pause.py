"""Pausing a job with a reason and an end."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from aegis_web.jobs.models import JobState
from tests.jobs.conftest import MakeJob, audit, cron_trigger, stored, text_of
from tests.support.applications import Browser

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HTMX = {"HX-Request": "true"}


def test_the_dialog_asks_why_and_for_how_long(admin: Browser, make_job: MakeJob) -> None:
    page = text_of(admin.get(f"/jobs/{make_job()}"))
    dialog = page.partition('<dialog class="ag-dialog" id="job-pause"')[2].partition("</dialog>")[0]
    for name in ("reason", "lasting", "until"):
        assert f'name="{name}"' in dialog
    assert "Until resumed" in dialog


@pytest.mark.parametrize(
    ("typed", "until"),
    [
        ({}, None),
        ({"lasting": ""}, None),
        ({"lasting": "4h"}, NOON + timedelta(hours=4)),
        ({"lasting": "7d"}, NOON + timedelta(days=7)),
        ({"lasting": "at", "until": "2026-03-10T14:00"}, NOON + timedelta(hours=1)),
        ({"lasting": "", "until": "2026-03-10T14:00"}, None),
    ],
)
def test_a_pause_keeps_its_reason_and_its_end_in_the_viewers_zone(
    frozen: time_machine.Traveller,
    app: Flask,
    admin: Browser,
    make_job: MakeJob,
    typed: dict[str, str],
    until: datetime | None,
) -> None:
    admin.set_cookie("aegis_zone", "Europe/Berlin")
    job_id = make_job()
    admin.post(f"/jobs/{job_id}/pause", data={"reason": " The partner moves. ", **typed})
    job = stored(app, job_id)
    assert (job.state, job.pause_reason) == (JobState.PAUSED, "The partner moves.")
    assert job.pause_until == until
    (entry,) = audit(app, job_id)
    assert entry.after == {"reason": "The partner moves.", "until": until and until.isoformat()}


def test_page_and_list_say_why_and_until_when(
    frozen: time_machine.Traveller, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    admin.post(f"/jobs/{job_id}/pause", data={"reason": "Moving <house>", "lasting": "4h"})
    page = text_of(admin.get(f"/jobs/{job_id}"))
    assert "Moving <house>" in page
    assert re.search(r"until <time[^>]*>Tue 10 Mar 2026, 16:00 UTC</time>", page)
    assert "its catch-up policy then decides" in page
    row = text_of(admin.get("/jobs"))
    assert "Moving <house>" in row
    assert re.search(r"paused until <time[^>]*>Tue 16:00 UTC</time>", row)
    frozen.shift(timedelta(minutes=130))
    assert "2 fire times have passed so far." in text_of(admin.get(f"/jobs/{job_id}"))


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"reason": "r" * 501}, "reason", "at most 500"),
        ({"reason": "a\0b"}, "reason", "cannot be shown"),
        ({"lasting": "ever"}, "lasting", "Choose how long"),
        ({"lasting": "at", "until": ""}, "until", "Choose the date"),
        ({"lasting": "at", "until": "soon"}, "until", "not a date and time"),
        ({"lasting": "at", "until": "2020-01-01T10:00"}, "until", "has passed"),
        ({"lasting": "at", "until": "9999-01-01T10:00"}, "until", "out of reach"),
    ],
)
def test_what_cannot_be_comes_back_beside_its_field(
    app: Flask,
    admin: Browser,
    make_job: MakeJob,
    typed: dict[str, str],
    field: str,
    words: str,
) -> None:
    job_id = make_job()
    answer = admin.post(f"/jobs/{job_id}/pause", data={"reason": "Kept as typed.", **typed})
    page = text_of(answer)
    assert answer.status_code == 422
    error = page.partition(f'id="job-pause-{field}-error"')[2].partition("</div>")[0]
    assert words in error
    assert typed.get("reason", "Kept as typed.").replace("\0", "\ufffd") in page.replace(
        "\0", "\ufffd"
    )
    assert stored(app, job_id).state == JobState.ACTIVE
