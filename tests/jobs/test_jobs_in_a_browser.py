"""What only a real browser shows of the list of jobs: charts that lead on, menus on demand."""

from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import expect

from aegis_web.clock import utc_now
from tests.runs.rows import add_job, add_run
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


def test_each_bar_of_a_chart_leads_to_its_run_by_pointer_and_by_keys(
    app: Flask, open_signed_in: OpenPage
) -> None:
    job, now = add_job(app), utc_now()
    runs = [add_run(app, job, at=now - timedelta(hours=9 - number)) for number in range(3)]
    page = open_signed_in("/jobs")
    chart = page.locator(f"#job-{job} [data-runs]")
    expect(chart).to_have_attribute("href", f"/runs?job={job}")
    chart.hover(position={"x": 115, "y": 13})
    expect(chart).to_have_attribute("href", f"/runs/{runs[2]}")
    page.mouse.move(0, 0)
    expect(chart).to_have_attribute("href", f"/runs?job={job}")
    chart.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    expect(chart).to_have_attribute("aria-label", f"Run {runs[1]}: Succeeded, 2.0 s")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{runs[1]}")


def test_a_row_is_paused_from_the_menu_that_it_fetches(
    app: Flask, open_signed_in: OpenPage
) -> None:
    add_job(app, "Other")
    add_job(app)
    page = open_signed_in("/jobs")
    page.get_by_role("button", name="More actions for Nightly import").click()
    expect(page.get_by_role("link", name="Why did it not run?")).to_be_visible()
    assert_accessible_and_fits(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Pause…").click()
    dialog = page.get_by_role("dialog", name="Pause Nightly import?")
    dialog.get_by_label("Reason").fill("The partner moves")
    dialog.get_by_role("button", name="Pause").click()
    expect(page.locator("#main")).to_contain_text("The partner moves")
    page.goto(page.url.rsplit("/", 1)[0])
    page.get_by_role("button", name="Run Nightly import now").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("#runs-run")).to_contain_text("Nightly import")
