"""What a person sees of live pages: they follow, can be paused, fall back, and heal."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from aegis_web.clock import utc_now
from aegis_web.engine.ledger.finish import keep_results
from aegis_web.extensions import transaction
from aegis_web.runs.models import Run, RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser
REFUSED = "503"


def settle(app: Flask, run_id: int, status: RunStatus) -> None:
    with app.app_context(), transaction() as session:
        run = session.get_one(Run, run_id)
        run.status, run.finished_at = status, utc_now()
        session.flush()
        keep_results(session.connection(), [run.job_id])


def says(page: Page, words: str) -> None:
    expect(page.locator("#live")).to_contain_text(words)


def test_a_page_follows_what_happens_until_it_is_paused(
    app: Flask, open_signed_in: OpenPage
) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    page = open_signed_in("/runs")
    says(page, "Live")
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Pause live updates").click()
    says(page, "Paused")
    settle(app, run, RunStatus.FAILED)
    with page.expect_request("**/live/all"):
        page.get_by_role("button", name="Pause live updates").click()
    expect(page.locator(f"#run-{run}")).to_contain_text("Failed")
    expect(page.locator("#live")).to_be_hidden()  # nothing in the list goes any more


def test_without_a_stream_the_page_asks_by_the_clock(
    app: Flask, open_page: OpenPage, open_signed_in: OpenPage, address: str
) -> None:
    open_page.complaints.expect(REFUSED)  # type: ignore[attr-defined]
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    page = open_signed_in("/")
    page.clock.install()
    page.route("**/live/**", lambda route: route.fulfill(status=503, body="no room"))
    page.goto(f"{address}/runs/{run}")
    says(page, "Live, every 1 s")
    settle(app, run, RunStatus.SUCCEEDED)
    page.clock.run_for(1000)
    expect(page.locator("#runs-run")).to_contain_text("Succeeded")
    expect(page.locator("#run-log-poll[hx-get]")).to_have_count(0)  # nothing is under way any more


def test_a_lost_stream_says_so_and_heals(
    app: Flask, open_page: OpenPage, open_signed_in: OpenPage
) -> None:
    open_page.complaints.expect("ERR_FAILED")  # type: ignore[attr-defined]
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    page = open_signed_in("/")
    says(page, "Live")
    page.route("**/live/**", lambda route: route.abort())
    app.extensions["aegis.streams"]._watchers[0].over = True
    says(page, "Reconnecting…")
    page.unroute("**/live/**")
    says(page, "Live")
    settle(app, run, RunStatus.FAILED)
    expect(page.get_by_role("region", name="Needs attention")).to_contain_text("Nightly import")
