"""The list of jobs: order, filters, pages, and the part that htmx asks for."""

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.engine.ledger.finish import keep_results
from aegis_web.extensions import db, transaction
from aegis_web.jobs import listing, queries
from aegis_web.jobs.filters import JobFilter
from aegis_web.jobs.models import JobState
from aegis_web.runs.models import Run, RunStatus
from tests.jobs.conftest import (
    ALICE,
    MakeJob,
    change,
    cron_trigger,
    definition,
    make_calendar,
    text_of,
)
from tests.runs.rows import add_runs as insert_runs
from tests.runs.rows import run_values
from tests.support.applications import Browser

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def add_runs(app: Flask, job_id: int, *statuses: RunStatus) -> None:
    with app.app_context(), transaction() as session:
        for number, status in enumerate(statuses):
            at = NOW + timedelta(minutes=number)
            ran = status not in (RunStatus.SKIPPED, RunStatus.QUEUED)
            session.add(
                Run(
                    job_id=job_id,
                    fire_at=at,
                    status=status,
                    queued_at=at,
                    started_at=at if ran else None,
                    finished_at=at + timedelta(seconds=3) if ran else None,
                )
            )
        session.flush()
        keep_results(session.connection(), [job_id])


def names(app: Flask, wanted: JobFilter | None = None, size: int = 50) -> list[str]:
    with app.test_request_context():
        return [row.name for row in listing.list_jobs(wanted or JobFilter(), size).rows]


def test_without_jobs_it_says_what_a_job_is(app: Flask, admin: Browser) -> None:
    with app.app_context(), transaction() as session:
        session.execute(sqlalchemy.text("DELETE FROM jobs"))
    page = text_of(admin.get("/jobs"))
    assert "No jobs yet" in page
    assert "Nothing matches" not in page


def test_a_filter_that_nothing_meets_says_so(admin: Browser, make_job: MakeJob) -> None:
    make_job()
    page = text_of(admin.get("/jobs?q=zebra"))
    assert "Nothing matches" in page
    assert "No jobs yet" not in page


def test_htmx_gets_only_the_table(admin: Browser, make_job: MakeJob) -> None:
    make_job()
    answer = admin.get("/jobs", headers={"HX-Request": "true"})
    assert text_of(answer).lstrip().startswith('<div id="jobs-table">')
    assert "HX-Request" in answer.headers["Vary"]
    assert "<html" in text_of(admin.get("/jobs"))


def test_a_filter_leaves_an_address_without_empty_fields(admin: Browser) -> None:
    htmx = {"HX-Request": "true"}
    answer = admin.get("/jobs?q=night&state=&tag=&order=", headers=htmx)
    assert answer.headers["HX-Replace-Url"] == "/jobs?q=night"
    assert "HX-Replace-Url" not in admin.get("/jobs?q=night", headers=htmx).headers
    assert "HX-Replace-Url" not in admin.get("/jobs?q=night&state=").headers


def test_broken_comes_first_then_failed_then_the_next_due(app: Flask, make_job: MakeJob) -> None:
    late = make_job("Due late", trigger=cron_trigger("0 0 1 1 *"))
    soon = make_job("Due soon", trigger=cron_trigger("* * * * *"))
    failed = make_job("Failed", trigger=cron_trigger("0 0 1 1 *"))
    paused = make_job("Paused", trigger=cron_trigger("* * * * *"))
    broken = make_job("Broken", trigger=cron_trigger("0 0 1 1 *"))
    change(app, paused, state=JobState.PAUSED)
    change(app, broken, problem="There is no such function any more.")
    add_runs(app, failed, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SKIPPED)
    add_runs(app, soon, RunStatus.FAILED, RunStatus.SUCCEEDED)
    assert late
    assert names(app) == ["Broken", "Failed", "Due soon", "Due late", "Paused"]


def test_columns_sort_the_list_and_say_so(admin: Browser, make_job: MakeJob) -> None:
    make_job("Late", trigger=cron_trigger("0 0 1 1 *"))
    soon = make_job("Soon", trigger=cron_trigger("* * * * *"))
    page = text_of(admin.get("/jobs?order=due&tag="))
    assert '<th scope="col" role="columnheader" aria-sort="ascending"><a class="ag-sort"' in page
    assert page.index(f'id="job-{soon}"') < page.index(">Late<")
    assert 'href="/jobs?order=name"' in page


def test_a_row_fetches_its_menu_with_the_dialog_that_fits(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job("Nightly")
    htmx = {"HX-Request": "true"}
    active = text_of(admin.get(f"/jobs/{job_id}/menu", headers=htmx))
    assert "Pause Nightly?" in active
    change(app, job_id, state=JobState.PAUSED)
    paused = text_of(admin.get(f"/jobs/{job_id}/menu", headers=htmx))
    assert "Resume Nightly?" in paused
    assert "Pause Nightly?" not in paused
    assert admin.get(f"/jobs/{job_id}/menu").location == f"/jobs/{job_id}"
    assert admin.get("/jobs/999/menu", headers=htmx).status_code == 404


def test_order_by_name_ignores_capitals(app: Flask, make_job: MakeJob) -> None:
    for name in ("beta", "Alpha", "Gamma"):
        make_job(name)
    assert names(app, JobFilter(order="name")) == ["Alpha", "beta", "Gamma"]


@pytest.mark.parametrize("order", ["attention", "name", "due"])
def test_pages_show_each_job_once_in_both_directions(
    app: Flask, make_job: MakeJob, order: str
) -> None:
    for number in range(7):
        job_id = make_job(f"Job {number}", trigger=cron_trigger(f"0 {number % 3} * * *"))
        if number in (2, 5):
            change(app, job_id, problem="broken")
    everything = names(app, JobFilter(order=order))
    with app.test_request_context():
        first = listing.list_jobs(JobFilter(order=order), 3)
        assert first.newer is None
        assert first.older
        second = listing.list_jobs(through_url(first.older), 3)
        assert second.older
        third = listing.list_jobs(through_url(second.older), 3)
        assert third.older is None
        assert third.newer
        back = listing.list_jobs(through_url(third.newer), 3)
    pages = [[row.name for row in page.rows] for page in (first, second, third)]
    assert [name for page in pages for name in page] == everything
    assert [row.name for row in back.rows] == pages[1]


def through_url(wanted: JobFilter) -> JobFilter:
    """The filter as it comes back from the URL that it made."""
    again = JobFilter.from_args(wanted.to_args())
    assert again == wanted
    return again


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ({"q": "night"}, ["Nightly"]),
        ({"q": "team blue"}, ["Weekly"]),
        ({"q": "100%"}, []),
        ({"q": "billing"}, ["Weekly"]),
        ({"tag": "billing"}, ["Weekly"]),
        ({"tag": "bill"}, []),
        ({"state": "paused"}, ["Weekly"]),
        ({"state": "active"}, ["Nightly"]),
        ({"state": "broken"}, ["Nightly"]),
        ({"state": "failed"}, ["Weekly"]),
        ({"service": "tidy_up"}, ["Nightly", "Weekly"]),
        ({"kind": "interval"}, []),
        ({"kind": "cron"}, ["Nightly", "Weekly"]),
        ({"origin": "code"}, []),
        ({"owner": "Team Blue"}, ["Weekly"]),
        ({"owner": "Team"}, []),
    ],
)
def test_filters_narrow_the_list(
    app: Flask, make_job: MakeJob, args: dict[str, str], found: list[str]
) -> None:
    nightly = make_job("Nightly", tags=("ops",))
    weekly = make_job("Weekly", tags=("ops", "billing"), owner="Team Blue")
    change(app, weekly, state=JobState.PAUSED)
    change(app, nightly, problem="broken")
    add_runs(app, weekly, RunStatus.FAILED)
    assert names(app, JobFilter.from_args(args)) == found


def test_it_works_on_both_databases(any_app: Flask) -> None:
    from aegis_web.jobs.actions import create_job

    any_app.extensions["aegis.registry"].add("tests.jobs.functions:tidy_up")
    with any_app.app_context():
        for name, tags in (("One", ("ops",)), ("Two", ("ops", "billing"))):
            create_job(definition(name, tags=tags), ALICE)
    with any_app.test_request_context():
        assert queries.all_tags() == ["billing", "ops"]
        page = listing.list_jobs(JobFilter(tag="billing"), 1)
        assert [row.name for row in page.rows] == ["Two"]
        first = listing.list_jobs(JobFilter(text="o"), 1)
        assert first.older
        assert len(listing.list_jobs(first.older, 1).rows) == 1
        assert len(listing.job_rows([row.id for row in first.rows])) == 1


def test_the_number_of_queries_does_not_grow_with_the_jobs(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    def count() -> int:
        seen: list[Any] = []

        def note(*event: Any) -> None:
            seen.append(event[2])

        with app.app_context():
            engines = [db.engines[None], db.engines[WRITE]]
        for engine in engines:
            sqlalchemy.event.listen(engine, "before_cursor_execute", note)
        admin.get("/jobs")
        for engine in engines:
            sqlalchemy.event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    make_job("First")
    admin.get("/jobs")
    few = count()
    for number in range(12):
        add_runs(app, make_job(f"Job {number}", tags=(f"t{number}",)), *[RunStatus.SUCCEEDED] * 3)
    assert count() == few


def test_fifty_rows_would_be_light(app: Flask, admin: Browser, make_job: MakeJob) -> None:
    words = ("Export", "invoices", "Sync", "prices", "Rebuild", "the index", "Send", "reminders")

    def name(number: int) -> str:
        return f"{words[number % 8]} {words[number * 5 % 8]} {number}"

    def sent() -> int:
        answer = admin.get("/jobs?q=", headers={"Accept-Encoding": "gzip"})
        assert answer.content_encoding == "gzip"
        return len(answer.data)

    chance, now = random.Random(7), utc_now()
    jobs = [make_job(name(n), trigger=cron_trigger(f"{n} {n % 24} * * *")) for n in range(30)]
    rows = []
    for hours in range(20, 0, -1):
        for job_id in chance.sample(jobs, 30):  # so that the numbers of a job's runs have gaps
            at = now - timedelta(hours=hours, minutes=job_id)
            end = at + timedelta(seconds=job_id * chance.uniform(0.9, 1.2))  # as long as usual
            status = chance.choice([RunStatus.SUCCEEDED] * 19 + [RunStatus.FAILED])
            rows.append(run_values(job_id, status, at, finished_at=end))
    insert_runs(app, rows)
    thirty = sent()
    for job_id in jobs[10:]:
        change(app, job_id, deleted_at=now)
    each = (thirty - sent()) / 20
    assert thirty + 20 * each < 16_000, f"{thirty} bytes for 30 jobs, {each:.0f} for a further one"


def test_only_the_last_twenty_runs_are_drawn(app: Flask, make_job: MakeJob) -> None:
    job_id = make_job()
    add_runs(app, job_id, *[RunStatus.FAILED] * 5, *[RunStatus.SUCCEEDED] * 20)
    with app.test_request_context():
        (row,) = (row for row in listing.list_jobs(JobFilter()).rows if row.id == job_id)
    assert [run.status for run in row.runs] == [RunStatus.SUCCEEDED] * 20
    assert row.last
    assert row.last.seconds == 3


def test_it_looks_again_sooner_while_something_runs(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job(trigger=cron_trigger("0 0 1 1 *"))
    with app.app_context(), transaction() as session:
        session.execute(sqlalchemy.text("DELETE FROM jobs WHERE id != :id"), {"id": job_id})
    assert polled(admin) == ["30"]
    add_runs(app, job_id, RunStatus.RUNNING)
    assert polled(admin) == ["5"]
    add_runs_done(app)
    change(app, job_id, state=JobState.PAUSED)
    assert polled(admin) == []


def add_runs_done(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        for run in session.query(Run):
            run.status = RunStatus.SUCCEEDED


def polled(admin: Browser) -> list[str]:
    return re.findall(r'data-poll="(\d+)"', text_of(admin.get("/jobs")))


def test_the_next_run_says_that_a_calendar_forbids_it(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    period = {"name": "Freeze", "from": "2020-01-01T00:00", "until": "2100-01-01T00:00"}
    calendar = make_calendar(app, "Releases", period)
    make_job("Barred", calendar_id=calendar)
    make_job("Free")
    page = text_of(admin.get("/jobs"))
    assert page.count("blackout: Freeze") == 1
