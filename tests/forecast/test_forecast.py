"""The Forecast page, and the job that makes what it shows."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from aegis_web.extensions import transaction
from aegis_web.forecast.actions import make_forecast
from aegis_web.forecast.load import Expected
from aegis_web.forecast.models import Forecast
from aegis_web.forecast.queries import newest_forecast
from aegis_web.jobs.models import Calendar, JobState
from aegis_web.pauses.actions import pause_everything
from aegis_web.runs.models import RunStatus
from tests.jobs.conftest import ALICE, change, cron_trigger, runs, text_of
from tests.runs.rows import add_job, add_run, add_skip
from tests.support.applications import Browser, signed_in
from tests.support.clocks import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(app: Flask, frozen: Any) -> Browser:
    return signed_in(app)


def made(app: Flask) -> Expected:
    """A forecast, made now."""
    with app.app_context():
        expected = make_forecast()
    assert expected is not None
    return expected


def add_nightly(app: Flask, name: str = "Nightly", text: str = "0 2 * * *", **values: Any) -> int:
    """A job with a cron trigger in UTC."""
    trigger = cron_trigger(text)
    row = {"trigger": trigger.to_json(), "next_run_at": trigger.next_after(NOON), **values}
    return add_job(app, name, **row)


def test_only_jobs_that_will_fire_are_in_it(any_app: Flask, frozen: Any) -> None:
    with any_app.app_context(), transaction() as session:
        freeze = {"name": "Freeze", "from": "2026-03-11T00:00", "until": "2026-03-13T00:00"}
        session.add(Calendar(id=1, name="Freezes", zone="UTC", periods=[freeze]))
    add_nightly(any_app, "Plain")
    add_nightly(any_app, "Frozen", calendar_id=1)
    skipped = add_nightly(any_app, "Skipped")
    add_skip(any_app, skipped, NOON + 14 * HOUR)
    add_skip(any_app, skipped, NOON + 14 * HOUR + 2 * DAY)
    add_nightly(any_app, "Paused", state=JobState.PAUSED)
    add_nightly(any_app, "Back", state=JobState.PAUSED, pause_until=NOON + 4 * DAY)
    add_nightly(any_app, "Broken", problem="Its function is missing.")
    add_nightly(any_app, "Ended", state=JobState.FINISHED, next_run_at=None)
    add_nightly(any_app, "Deleted", deleted_at=NOON)
    add_nightly(any_app, "Odd", trigger={"kind": "moon"})
    expected = made(any_app)
    assert sum(expected.starts) == 7 + 5 + 5 + 3
    assert (expected.jobs, expected.not_counted) == (4, 4)


def test_while_all_is_paused_it_begins_with_the_end_of_the_pause(app: Flask, frozen: Any) -> None:
    add_nightly(app)
    with app.app_context():
        pause_everything(ALICE, "moving house", NOON + 3 * DAY)
    assert sum(made(app).starts) == 4


def test_a_run_usually_lasts_as_long_as_the_good_ones(any_app: Flask, frozen: Any) -> None:
    job = add_nightly(any_app, text="*/5 * * * *")
    for day, (status, minutes) in enumerate(
        [(RunStatus.SUCCEEDED, 6), (RunStatus.SUCCEEDED, 7), (RunStatus.SUCCEEDED, 8),
         (RunStatus.FAILED, 1), (RunStatus.FAILED, 1)]
    ):  # fmt: skip
        at = NOON - (day + 1) * DAY
        add_run(any_app, job, status, at, finished_at=at + timedelta(minutes=minutes))
    (skip,) = made(any_app).skips
    assert (skip.job_id, skip.took, skip.gap) == (job, 420, 300)


def test_the_newest_takes_the_place_of_the_one_before(any_app: Flask, frozen: Any) -> None:
    made(any_app)
    add_nightly(any_app)
    made(any_app)
    with any_app.app_context(), transaction() as session:
        assert session.scalar(select(func.count()).select_from(Forecast)) == 1


def test_it_stops_when_told_and_keeps_what_was(app: Flask, frozen: Any) -> None:
    add_nightly(app)
    made(app)
    frozen.move_to(NOON + HOUR)
    with app.app_context():
        assert make_forecast(lambda done, total: done < total / 2) is None
        kept = newest_forecast()
    assert kept is not None
    assert kept.made_at == NOON


def test_each_hour_says_in_the_zone_of_the_viewer_what_is_to_come(
    app: Flask, admin: Browser
) -> None:
    for number in range(5):
        add_nightly(app, f"Nightly {number}")
    made(app)
    admin.set_cookie("aegis_zone", "Asia/Kathmandu")  # 5 h 45 min before UTC
    page = text_of(admin.get("/forecast"))
    assert "Wed 11, 07:00 UTC+05:45: 5 starts, at most 5 at once" in page
    table = page.partition("The same as a table")[2]
    assert "5 (5)" in table
    assert "Wed 07:45 UTC+05:45" in table
    together = admin.get("/forecast?show=together", headers=HTMX)
    assert text_of(together).lstrip().startswith('<div id="forecast-forecast"')
    assert "At once by day and hour: at most 5" in text_of(together)


def test_pile_ups_and_skips_lead_to_their_jobs(app: Flask, admin: Browser) -> None:
    ids = [add_nightly(app, f"<Nightly {number}>") for number in range(5)]
    slow = add_nightly(app, "Slow", "*/5 * * * *")
    add_run(app, slow, at=NOON - DAY, finished_at=NOON - DAY + timedelta(minutes=7))
    made(app)
    change(app, ids[0], deleted_at=NOON)
    page = text_of(admin.get("/forecast"))
    crowded = page.partition('id="pile-ups"')[2].partition('id="skips"')[0]
    assert "6 jobs" in crowded
    assert "7 times in the 7 days" in crowded
    assert [f'href="/jobs/{number}"' in crowded for number in ids] == [False, *[True] * 4]
    assert "&lt;Nightly 1&gt;" in admin.get("/forecast").get_data(as_text=True)
    assert "and 1 more" in crowded
    skipped = page.partition('id="skips"')[2]
    assert f'href="/jobs/{slow}"' in skipped
    assert "It usually takes 7 m 00 s but is due every 5 m 00 s, while the run before" in skipped


def test_it_teaches_before_the_first_and_says_when_nothing_is_to_come(
    app: Flask, admin: Browser
) -> None:
    assert "No forecast yet" in text_of(admin.get("/forecast"))
    made(app)
    assert "Nothing is to come" in text_of(admin.get("/forecast"))


def test_an_old_one_says_so(app: Flask, admin: Browser, frozen: Any) -> None:
    add_nightly(app)
    made(app)
    assert "This forecast is old" not in text_of(admin.get("/forecast"))
    frozen.move_to(NOON + 3 * HOUR)
    page = text_of(admin.get("/forecast"))
    assert "This forecast is old" in page
    assert "3 h ago" in page


def test_compute_now_asks_for_a_run_of_its_job(app: Flask, admin: Browser) -> None:
    assert "Compute now" not in text_of(admin.get("/forecast"))
    job = add_job(app, "Make the forecast", service="make_forecast", arguments={})
    assert f'action="/jobs/{job}/run"' in text_of(admin.get("/forecast"))
    admin.post(f"/jobs/{job}/run", data={"request_key": "a" * 32})
    assert [run.job_id for run in runs(app)] == [job]
