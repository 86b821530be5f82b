"""A bar of the timeline opens its run beside the chart."""

from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import expect

from aegis_web.clock import utc_now
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


def test_a_bar_opens_its_run_beside_the_chart(app: Flask, open_signed_in: OpenPage) -> None:
    at = utc_now() - timedelta(seconds=5)
    run = add_run(app, add_job(app), RunStatus.FAILED, at=at, error="ValueError: no price")
    page = open_signed_in(f"/timeline?day={at.date().isoformat()}")
    bar = page.locator(f'.ag-timeline-bars a[href="/runs/{run}"]')
    bar.click(force=True)
    beside = page.get_by_role("complementary", name="The chosen run")
    expect(beside).to_contain_text("ValueError: no price")
    expect(beside.get_by_role("link", name="Its page with its log")).to_have_attribute(
        "href", f"/runs/{run}"
    )
    assert_accessible_and_fits(page)
    page.keyboard.press("Escape")
    expect(beside).to_be_hidden()
