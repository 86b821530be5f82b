"""The Forecast page in a real browser."""

from datetime import timedelta

import pytest
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.forecast.actions import make_forecast
from tests.jobs.conftest import cron_trigger
from tests.runs.rows import add_job, add_run
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


def test_the_page_is_accessible_and_fits(app: Flask, open_signed_in: OpenPage) -> None:
    trigger = cron_trigger("*/15 * * * *")
    values = {"trigger": trigger.to_json(), "next_run_at": trigger.next_after(utc_now())}
    for number in range(5):
        add_job(app, f"Often {number}", **values)
    slow = add_job(app, "Slow", **values)
    add_run(app, slow, started_at=utc_now() - timedelta(hours=1), finished_at=utc_now())
    with app.app_context():
        make_forecast()
    for theme in ("light", "dark"):
        page = open_signed_in("/forecast", theme=theme)
        page.get_by_text("The same as a table").click()
        assert_accessible_and_fits(page)
