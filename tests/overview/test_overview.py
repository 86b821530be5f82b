"""The first page: what is broken, what is running, what is next, and the last 24 hours."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.clock import EPOCH, utc_now
from aegis_web.config import settings
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Calendar, JobSkip, JobState, Origin
from aegis_web.overview.queries import overview
from aegis_web.runs.models import Kind, Reason, RunCount, RunStatus
from aegis_web.system.models import Node
from tests.runs.rows import add_job, add_manual_run, add_run
from tests.support.applications import Browser, signed_in
from tests.support.browsers import OpenPage

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


def beat(app: Flask, seconds_ago: float = 0) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    with app.app_context(), transaction() as session:
        session.add(Node(name="host:12", version="1", started_at=at, beat_at=at))


def card(text: str, name: str) -> str:
    """One card of the page."""
    found = re.search(
        rf'<section class="card[^"]*" aria-labelledby="{name}-title">.*?</section>', text, re.DOTALL
    )
    assert found, name
    return found[0]


def counts(app: Flask, job: int, hours_ago: int, **by_status: int) -> None:
    hour = (utc_now() - EPOCH) // timedelta(hours=1) - hours_ago
    with app.app_context(), transaction() as session:
        for word, number in by_status.items():
            status = RunStatus[word.upper()]
            session.add(RunCount(hour=hour, job_id=job, status=status, count=number))


def test_strangers_are_sent_to_sign_in(admin: Browser, client: FlaskClient) -> None:
    assert client.get("/").status_code == 303


def test_htmx_gets_the_board_alone(admin: Browser) -> None:
    answer = admin.get("/", headers=FRAGMENT)
    assert answer.text.lstrip().startswith('<div id="overview-board"')


def test_it_asks_again_and_more_often_while_something_runs(app: Flask, admin: Browser) -> None:
    assert 'data-live="/live/all" data-poll="10"' in admin.get("/").text
    add_run(app, add_job(app), RunStatus.RUNNING)
    assert 'data-poll="2"' in admin.get("/").text


# --- broken -----------------------------------------------------------------------------------


def test_it_is_calm_when_nothing_is_broken(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    assert "Nothing is broken" in card(admin.get("/").text, "attention")


@pytest.mark.parametrize("word", ["failed", "timed_out", "lost", "missed"])
def test_a_job_whose_last_run_went_wrong_needs_attention(
    app: Flask, admin: Browser, word: str
) -> None:
    job, now = add_job(app), utc_now()
    add_run(app, job, at=now - timedelta(hours=2))
    run = add_run(app, job, RunStatus[word.upper()], at=now - timedelta(hours=1), error="Boom: 1")
    shown = card(admin.get("/").text, "attention")
    assert "Nightly import" in shown
    assert "Boom: 1" in shown
    assert f"/runs/{run}" in shown


def test_a_job_that_has_recovered_does_not(app: Flask, admin: Browser) -> None:
    job, now = add_job(app), utc_now()
    add_run(app, job, RunStatus.FAILED, at=now - timedelta(hours=2))
    add_run(app, job, at=now - timedelta(hours=1))
    assert "Nothing is broken" in admin.get("/").text


@pytest.mark.parametrize("word", ["skipped", "cancelled", "queued", "running"])
def test_what_says_nothing_about_the_work_hides_no_failure(
    app: Flask, admin: Browser, word: str
) -> None:
    job, now = add_job(app), utc_now()
    add_run(app, job, RunStatus.FAILED, at=now - timedelta(hours=2), error="Boom: 1")
    add_run(app, job, RunStatus[word.upper()], at=now - timedelta(hours=1))
    assert "Boom: 1" in card(admin.get("/").text, "attention")


def test_a_broken_job_is_listed_first_and_once(app: Flask, admin: Browser) -> None:
    failing = add_job(app, "Failing")
    add_run(app, failing, RunStatus.FAILED)
    broken = add_job(app, "Zebra", problem="There is no service function 'zebra' any more.")
    add_run(app, broken, RunStatus.MISSED, reason=Reason.BROKEN)
    shown = card(admin.get("/").text, "attention")
    assert shown.count("Zebra") == 1
    assert shown.index("Zebra") < shown.index("Failing")
    assert "any more" in shown
    assert f'href="/jobs/{broken}/repair"' in shown


def test_why_a_job_is_broken_is_told_in_the_readers_language(app: Flask, admin: Browser) -> None:
    add_job(app, service="zebra", problem="no service function is called zebra: choose another")
    german = card(admin.get("/", headers={"Accept-Language": "de"}).text, "attention")
    assert "keine Funktion heißt zebra: wählen Sie eine andere" in german


def test_deleted_jobs_need_no_attention(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app, deleted_at=utc_now(), next_run_at=None), RunStatus.FAILED)
    add_job(app, "Gone", problem="gone", deleted_at=utc_now(), next_run_at=None)
    assert "Nothing is broken" in admin.get("/").text


def test_very_many_troubles_are_cut_and_lead_to_all(app: Flask, admin: Browser) -> None:
    for number in range(23):
        add_run(app, add_job(app, f"Job {number}"), RunStatus.FAILED)
    text = admin.get("/").text
    assert "20+" in text
    assert "All runs that failed" in card(text, "attention")


def test_without_an_engine_it_says_so_in_red(app: Flask, admin: Browser) -> None:
    assert "No engine is running" in admin.get("/").text
    beat(app, seconds_ago=60)
    assert "No engine is running" in admin.get("/").text
    beat(app)
    assert "No engine is running" not in admin.get("/").text


# --- backup -----------------------------------------------------------------------------------


def test_it_shows_what_runs_how_long_and_how_far(app: Flask, admin: Browser) -> None:
    details = {"progress_done": 3.0, "progress_total": 12.0, "progress_message": "page 3"}
    run = add_manual_run(
        app,
        add_job(app),
        status=RunStatus.RUNNING,
        at=utc_now() - timedelta(seconds=72),
        queued_at=utc_now(),
        details=details,
    )
    shown = card(admin.get("/").text, "running")
    assert f"/runs/{run}" in shown
    assert "1 m 1" in shown
    assert "3 of 12 · page 3" in shown
    assert "bob@example.org" in shown


def test_it_tells_how_many_wait(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    for number in range(3):
        add_run(app, job, RunStatus.QUEUED, at=utc_now() + timedelta(seconds=number))
    text = admin.get("/").text
    assert "3 queued" in text
    assert "what waits begins as soon as there is room" in text


@pytest.mark.usefixtures("frozen")
def test_it_lists_what_is_due_within_the_hour_soonest_first(app: Flask, admin: Browser) -> None:
    now = utc_now()
    often = {"kind": "cron", "expression": "*/10 * * * *", "zone": "UTC"}
    add_job(app, "Later", next_run_at=now + timedelta(hours=2))
    add_job(app, "Hourly", next_run_at=now + timedelta(hours=1))
    add_job(app, "Often", next_run_at=now + timedelta(minutes=10), trigger=often)
    add_job(app, "Paused", next_run_at=now, state=JobState.PAUSED)
    add_job(app, "Deleted", next_run_at=now, deleted_at=now)
    shown = card(admin.get("/").text, "next")
    assert shown.index("Often") < shown.index("Hourly")
    assert "6 times this hour" in shown
    for name in ("Later", "Paused", "Deleted"):
        assert name not in shown


def test_when_nothing_is_due_soon_it_tells_what_comes_then(app: Flask, admin: Browser) -> None:
    add_job(
        app,
        "Tonight",
        next_run_at=utc_now() + timedelta(hours=5, minutes=1),
        trigger={"kind": "date", "at": (utc_now() + timedelta(hours=5)).isoformat(), "zone": "UTC"},
    )
    add_job(app, "Next week", next_run_at=utc_now() + timedelta(days=7))
    shown = card(admin.get("/").text, "next")
    assert "Nothing is due within the hour" in shown
    assert "Tonight" in shown
    assert "Next week" not in shown


def test_without_fire_times_it_says_so(admin: Browser) -> None:
    assert "No job has a fire time to come." in card(admin.get("/").text, "next")


# --- the last 24 hours ------------------------------------------------------------------------


def test_it_sums_up_the_last_24_hours_from_the_counts(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    counts(app, job, 0, succeeded=90, failed=5)
    counts(app, job, 23, succeeded=5, skipped=4)
    counts(app, job, 24, succeeded=1000)
    text = admin.get("/").text
    assert "95.0 %" in text
    assert "5 failed" in text
    day = card(text, "day")
    assert "Runs of the last 24 hours: 95 succeeded, 5 failed, 4 skipped" in day
    assert "/runs?status=skipped&amp;period=24h" in day or (
        "/runs?period=24h&amp;status=skipped" in day
    )


@pytest.mark.browser
def test_the_numbers_stand_level_with_their_badges(app: Flask, open_signed_in: OpenPage) -> None:
    counts(app, add_job(app), 1, succeeded=923)
    total = open_signed_in("/").locator(".ag-day-totals a").first
    boxes = total.evaluate("(a) => [...a.children].map((e) => e.getBoundingClientRect().toJSON())")
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) < 1


def test_rows_of_runs_are_not_counted_for_it(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    assert "Nothing has run in the last 24 hours." in card(admin.get("/").text, "day")


# --- first steps ------------------------------------------------------------------------------


def test_a_new_installation_is_shown_the_first_steps(app: Flask, admin: Browser) -> None:
    add_job(app, origin=Origin.CODE, service="prune_history")
    assert "First steps" in admin.get("/").text


def test_the_first_steps_go_with_the_first_job(app: Flask, admin: Browser) -> None:
    add_job(app, origin=Origin.USER, service="prune_history")
    assert "First steps" not in admin.get("/").text


def test_jobs_of_ones_own_code_count_as_work(app: Flask, admin: Browser) -> None:
    add_job(app, origin=Origin.CODE, service="billing.sync")
    assert "First steps" not in admin.get("/").text


def test_the_next_hour_says_what_will_be_skipped_and_why(any_app: Flask) -> None:
    soon = utc_now() + timedelta(minutes=20)
    period = {"name": "Freeze", "from": "2020-01-01T00:00", "until": "2100-01-01T00:00"}
    with any_app.app_context(), transaction() as session:
        session.add(Calendar(name="Releases", zone="UTC", periods=[period]))
    add_job(any_app, "Barred", calendar_id=1)
    wished, free = add_job(any_app, "Wished away", next_run_at=soon), add_job(any_app, "Free")
    with any_app.app_context(), transaction() as session:
        session.add(JobSkip(job_id=wished, fire_at=soon, skipped_by="bob"))
        session.add(JobSkip(job_id=free, fire_at=soon + timedelta(days=1), skipped_by="bob"))
    with any_app.app_context():
        found = {item.job_name: item.skipped for item in overview(settings()).upcoming}
    assert found == {"Barred": "Freeze", "Wished away": "as somebody asked", "Free": None}
    text = card(signed_in(any_app).get("/").text, "next")
    assert "skipped: Freeze" in text
    assert "skipped: as somebody asked" in text


def test_names_cannot_bring_markup_in(app: Flask, admin: Browser) -> None:
    job = add_job(app, "<script>alert(1)</script>")
    add_run(app, job, RunStatus.FAILED, kind=Kind.SCHEDULED, error="<img src=x>")
    add_run(app, job, RunStatus.RUNNING, at=utc_now() + timedelta(seconds=1))
    text = admin.get("/").text
    assert "<script>alert(1)" not in text
    assert "<img src=x>" not in text


def test_its_facts_are_the_same_on_both_databases(any_app: Flask) -> None:
    app, now = any_app, utc_now()
    job, other = add_job(app, created_at=now - timedelta(days=3)), add_job(app, "Other")
    add_run(app, job, RunStatus.FAILED, at=now - timedelta(hours=1), error="Boom: 1")
    add_run(app, job, RunStatus.RUNNING, at=now, details={"progress_done": 1.0})
    add_run(app, other, RunStatus.QUEUED, at=now)
    counts(app, job, 0, succeeded=3, failed=1)
    counts(app, other, 0, succeeded=2)
    with app.app_context():
        found = overview(settings())
    assert [(t.job_name, t.status, t.text) for t in found.troubles] == [
        ("Nightly import", "failed", "Boom: 1")
    ]
    assert [item.run.job_name for item in found.running] == ["Nightly import"]
    assert (found.running_count, found.queued_count) == (1, 1)
    assert [item.job_name for item in found.upcoming] == ["Nightly import", "Other"]
    assert found.day.totals == {"succeeded": 5, "failed": 1}
    assert found.backup_overdue
    assert not found.engine.beating
    assert not found.is_new
