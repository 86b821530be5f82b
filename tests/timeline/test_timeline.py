"""The Timeline page: a day of all jobs on one axis, and the same as a table."""

import re
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.models import JobSkip, JobState
from aegis_web.runs.models import Kind, Reason, RunStatus
from aegis_web.timeline.queries import JobDay, day_of, timeline
from tests.jobs.conftest import text_of
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser, signed_in
from tests.support.clocks import NOON

TODAY = date(2026, 3, 10)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def admin(any_app: Flask, frozen: Any) -> Browser:
    return signed_in(any_app)


def day_in(app: Flask, day: date = TODAY, zone: str = "UTC") -> dict[str, JobDay]:
    """The jobs of a day by name."""
    with app.test_request_context():
        return {each.job.name: each for each in timeline(day, ZoneInfo(zone), JobFilter()).jobs}


def test_each_run_of_the_day_is_one_stretch(any_app: Flask, frozen: Any) -> None:
    job = add_job(any_app)
    first = add_run(any_app, job, RunStatus.SUCCEEDED, NOON - 6 * HOUR)
    add_run(any_app, job, RunStatus.FAILED, NOON - 3 * HOUR)
    add_run(any_app, job, RunStatus.SUCCEEDED, NOON - 13 * HOUR)  # the day before
    by_hand = {"fire_at": None, "kind": Kind.MANUAL, "queued_at": NOON - HOUR}
    asked = add_run(any_app, job, RunStatus.RUNNING, None, started_at=NOON - HOUR, **by_hand)
    stretches = day_in(any_app)["Nightly import"].stretches
    assert [stretch.from_at for stretch in stretches] == [NOON - h * HOUR for h in (6, 3, 1)]
    assert (stretches[0].run_id, stretches[2].run_id) == (first, asked)
    assert stretches[0].until_at - stretches[0].from_at == 2 * SECOND
    assert stretches[2].until_at == NOON  # it still goes


def test_runs_that_lie_close_are_one_stretch_with_their_numbers(
    any_app: Flask, frozen: Any
) -> None:
    job = add_job(any_app)
    for second in range(60):
        status = RunStatus.FAILED if second == 7 else RunStatus.SUCCEEDED
        add_run(any_app, job, status, NOON - HOUR + second * SECOND)
    (stretch,) = day_in(any_app)["Nightly import"].stretches
    assert stretch.counts == {RunStatus.SUCCEEDED: 59, RunStatus.FAILED: 1}
    assert stretch.run_id is None


def test_a_summary_row_counts_as_what_it_stands_for(any_app: Flask, frozen: Any) -> None:
    job = add_job(any_app)
    values = {"kind": Kind.SUMMARY, "range_from": NOON - 9 * HOUR, "range_count": 500}
    add_run(any_app, job, RunStatus.MISSED, NOON - HOUR, reason=Reason.BACKLOG, **values)
    assert day_in(any_app)["Nightly import"].counts == {RunStatus.MISSED: 500}


def test_the_next_hours_are_planned_as_long_as_runs_usually_take(
    any_app: Flask, frozen: Any
) -> None:
    job = add_job(any_app, next_run_at=NOON + HOUR)
    add_job(any_app, "Paused", state=JobState.PAUSED)
    every_minute = {"kind": "cron", "expression": "* * * * *", "zone": "UTC"}
    add_job(any_app, "Often", trigger=every_minute, next_run_at=NOON + HOUR / 60)
    add_run(any_app, job, RunStatus.SUCCEEDED, NOON - HOUR)
    days = day_in(any_app)
    planned = days["Nightly import"].planned
    assert [plan.from_at for plan in planned] == [NOON + h * HOUR for h in (1, 2, 3, 4, 5)]
    assert planned[0].until_at - planned[0].from_at == 2 * SECOND
    assert days["Paused"].planned == ()
    (often,) = days["Often"].planned
    assert often.count == 359
    with any_app.app_context(), transaction() as session:
        for hours in (1, 3):
            wish = JobSkip(job_id=job, fire_at=NOON + hours * HOUR, skipped_by="bob")
            session.add(wish)
    planned = day_in(any_app)["Nightly import"].planned
    assert [plan.skipped for plan in planned] == [True, False, True, False, False]
    assert day_in(any_app)["Nightly import"].next_planned == NOON + 2 * HOUR
    assert all(not each.planned for each in day_in(any_app, TODAY - timedelta(days=1)).values())


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 1), 24)]
)
def test_a_day_is_as_long_as_the_clock_says(day: date, hours: int) -> None:
    start, end = day_of(day, ZoneInfo("Europe/Berlin"))
    assert end - start == hours * HOUR


def test_a_bar_opens_its_run_and_a_merged_one_its_list(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app, "<Nightly> & more")
    run = add_run(any_app, job, RunStatus.FAILED, NOON - 6 * HOUR)
    ids = [add_run(any_app, job, RunStatus.SUCCEEDED, NOON - HOUR + n * SECOND) for n in range(3)]
    answer = admin.get("/timeline")
    page = answer.get_data(as_text=True)
    assert "&lt;Nightly&gt; &amp; more" in page
    assert f'href="/runs/{run}"' in page
    assert "1 failed, Tue 06:00 UTC, 2.0 s" in page
    merged = re.search(r'href="(/runs\?job=[^"]+)" tabindex="-1"', page)
    assert merged is not None
    listed = text_of(admin.get(merged[1].replace("&amp;", "&")))
    assert all(f'id="run-{each}"' in listed for each in ids)
    assert f'id="run-{run}"' not in listed


def test_the_table_says_what_the_bars_show(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app)
    for hours in (2, 3):
        add_run(any_app, job, RunStatus.SUCCEEDED, NOON - hours * HOUR)
    table = text_of(admin.get("/timeline")).partition("The same as a table")[2]
    assert "2 succeeded" in table
    assert "Tue 12:30 UTC" in table  # what is planned next


def test_days_and_pages_are_turned_and_the_filter_stays(any_app: Flask, admin: Browser) -> None:
    for number in range(51):
        add_job(any_app, f"Job {number:02}")
    page = text_of(admin.get("/timeline?day=2026-03-09&q=job"))
    assert 'href="/timeline?day=2026-03-08&q=job"' in page
    assert 'href="/timeline?q=job"' in page
    assert "Job 49" in page
    assert "Job 50" not in page
    older = re.search(r'href="([^"]+after=[^"]+)"', page)
    assert older is not None
    assert "Job 50" in text_of(admin.get(older[1]))


def test_only_today_looks_again(any_app: Flask, admin: Browser) -> None:
    add_job(any_app)
    assert 'data-poll="15"' in text_of(admin.get("/timeline"))
    assert "data-live=" not in text_of(admin.get("/timeline?day=2026-03-09"))


def test_it_is_told_in_german(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app)
    for second in range(1200):
        add_run(any_app, job, RunStatus.TIMED_OUT, NOON - HOUR + second * SECOND)
    page = admin.get("/timeline", headers={"Accept-Language": "de"}).text
    assert "Dienstag, 10. März 2026" in page
    assert "1.200 mit Zeitüberschreitung" in page


@pytest.mark.parametrize("day", ["x", "2026-02-30", "0001-01-01", "9999-12-31", "2026-03-10T00"])
def test_a_day_that_is_none_is_refused_in_words(any_app: Flask, admin: Browser, day: str) -> None:
    answer = admin.get(f"/timeline?day={day}")
    assert answer.status_code == 422
    assert 'role="alert"' in text_of(answer)


def test_without_jobs_and_without_a_match_it_says_which(any_app: Flask, admin: Browser) -> None:
    assert "No jobs yet" in text_of(admin.get("/timeline"))
    add_job(any_app)
    assert "Nothing matches" in text_of(admin.get("/timeline?q=nothing"))
    fragment = admin.get("/timeline?q=nothing", headers={"HX-Request": "true"})
    assert text_of(fragment).lstrip().startswith('<div id="timeline-chart"')
