"""Pages between a desk and a phone: none scrolls sideways, and no table runs out of its card."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Page

from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from aegis_web.jobs.models import JobState
from aegis_web.ledger.models import LedgerAccount
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser
from tests.support.browsers import assert_fits

NAME = "Invoice synchronisation with the partner in Rotterdam"
PATHS = ("/", "/jobs", "/jobs/1", "/jobs/1/edit", "/runs", "/runs/1", "/failures", "/timeline",
         "/forecast", "/ledger", "/backups", "/account")  # fmt: skip
OVERFLOWS = """() => [...document.querySelectorAll(".card > .table-responsive, .card > div > \
.table-responsive")].filter((box) => box.scrollWidth > box.clientWidth + 1).length"""


@pytest.fixture
def midnight() -> Iterator[None]:
    """It is early on a Monday in Berlin, so that times name their days and are at their longest."""
    now = utc_now()
    sunday = now + timedelta(days=6 - now.weekday())
    with time_machine.travel(sunday.replace(hour=23, minute=30)):
        yield


@pytest.fixture
def jobs(midnight: None, app: Flask) -> None:
    """Jobs as a team has them: of every state, with runs and with an account in the ledger."""
    now = utc_now()
    paused = {"state": JobState.PAUSED, "pause_reason": "The partner moves to another data centre"}
    for number, values in enumerate(({}, paused, {"service": "gone", "problem": "gone"})):
        job = add_job(app, f"{NAME} {number}", zone="Europe/Berlin", tags=["billing"], **values)
        for hours in range(1, 9):
            error = "HTTPError: 502 Bad Gateway for https://api.partner.example/v2/invoices"
            status = RunStatus.FAILED if hours == 3 else RunStatus.SUCCEEDED
            add_run(app, job, status, now - timedelta(hours=hours), error=error)
        add_run(app, job, RunStatus.FAILED, error="ValueError: no price")
        with app.app_context(), transaction() as session:
            account = LedgerAccount(
                job_id=job, from_at=now - timedelta(days=30), until_at=now, expected=3045,
                succeeded=2940, failed=40, skipped=60, missed=5, cancelled=0, open=0,
                unexplained=0, checked_at=now,
            )  # fmt: skip
            session.add(account)


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("width", [360, 768, 992, 1240])
def test_every_page_fits(
    jobs: None,
    admin: Browser,
    open_signed_in: Callable[..., Page],
    address: str,
    width: int,
    language: str,
) -> None:
    admin.post("/account/preferences", data={"language": language})
    page = open_signed_in("/", width)
    for path in PATHS:
        page.goto(address + path)
        assert_fits(page)
        assert page.evaluate(OVERFLOWS) == 0, f"a table of {path} at {width} px"
        heading = page.locator("h1 bdi, h1").first
        lines = heading.evaluate(
            "(h) => h.getClientRects().length && h.scrollWidth - h.clientWidth"
        )
        assert lines <= 1, f"the heading of {path} at {width} px"
