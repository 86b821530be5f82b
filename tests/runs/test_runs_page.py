"""The list of runs: whole page and fragment, filters in the URL, bad input, pages by key."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.extensions import db
from aegis_web.runs import search
from aegis_web.runs.models import Kind, Reason, RunStatus
from tests.runs.rows import add_job, add_manual_run, add_run, add_runs, run_values
from tests.support.applications import Browser

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


def listed(client: FlaskClient, **args: Any) -> list[int]:
    """The numbers of the runs on a page, in their order."""
    answer = client.get("/runs", query_string=args)
    assert answer.status_code == 200, answer.text
    return [int(number) for number in re.findall(r'<tr role="row" id="run-(\d+)"', answer.text)]


def links(text: str) -> dict[str, str]:
    """The pager's links by their word."""
    found = re.findall(r'<a class="btn btn-sm" href="([^"]+)"[^>]*>(.*?)</a>', text, re.DOTALL)
    return {
        word: url.replace("&amp;", "&")
        for url, inside in found
        for word in ("Newer", "Older")
        if word in inside
    }


def walk(client: FlaskClient, word: str, url: str) -> list[list[int]]:
    """The runs on `url` and on every page that the link `word` leads to."""
    pages = []
    while url:
        text = client.get(url).text
        pages.append([int(number) for number in re.findall(r'id="run-(\d+)"', text)])
        url = links(text).get(word, "")
    return pages


def test_it_shows_each_run_with_its_status_job_and_asker(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    add_run(app, job, RunStatus.FAILED, error="ValueError: no such file")
    add_manual_run(app, job)
    text = admin.get("/runs").text
    assert "Nightly import" in text
    assert "Failed" in text
    assert "ValueError: no such file" in text
    assert "bob@example.org" in text
    assert "on request" in text


def test_strangers_are_sent_to_sign_in(app: Flask, admin: Browser, client: FlaskClient) -> None:
    assert client.get("/runs").status_code == 303


def test_htmx_gets_the_table_alone(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    answer = admin.get("/runs", headers=FRAGMENT)
    assert answer.text.lstrip().startswith('<div id="runs-table"')
    assert "HX-Request" in answer.headers["Vary"]


def test_an_empty_history_says_what_will_appear(admin: Browser) -> None:
    assert "No runs yet" in admin.get("/runs").text


def test_a_filter_that_matches_nothing_says_so(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    text = admin.get("/runs?status=failed").text
    assert "Nothing matches" in text
    assert "No runs yet" not in text


def test_it_explains_why_a_run_was_skipped(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app), RunStatus.SKIPPED, reason=Reason.OVERLAP)
    assert "this job lets no other start or wait" in admin.get("/runs").text


def test_a_summary_row_tells_how_many_fire_times_it_stands_for(app: Flask, admin: Browser) -> None:
    now = utc_now()
    add_run(
        app,
        add_job(app),
        RunStatus.MISSED,
        kind=Kind.SUMMARY,
        reason=Reason.BACKLOG,
        range_from=now - timedelta(days=2),
        range_count=1234,
    )
    assert "stands for 1\u202f234 fire times" in admin.get("/runs").text


def test_runs_of_deleted_jobs_stay_and_say_so(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app, deleted_at=utc_now(), next_run_at=None))
    assert "deleted job" in admin.get("/runs").text


def test_names_and_errors_cannot_bring_markup_in(app: Flask, admin: Browser) -> None:
    job = add_job(app, "<script>alert(1)</script>")
    add_run(app, job, RunStatus.FAILED, error="<img src=x> \x1b[31mred\x1b[0m")
    text = admin.get("/runs").text
    assert "<script>alert(1)" not in text
    assert "<img src=x>" not in text
    assert "\x1b" not in text
    assert "[31m" not in text


# --- live -------------------------------------------------------------------------------------


def test_a_page_with_a_running_run_updates_itself(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app), RunStatus.RUNNING)
    text = admin.get("/runs?period=24h").text
    assert 'data-poll="2" hx-get="/runs?period=24h" hx-trigger="live from:body"' in text


def test_a_page_of_ended_runs_does_not_ask_again(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    assert "data-live=" not in admin.get("/runs").text


# --- filters ----------------------------------------------------------------------------------


@pytest.fixture
def two_jobs(app: Flask) -> tuple[int, int]:
    return add_job(app, "Nightly import"), add_job(app, "100% of_invoices")


def test_it_filters_by_job_and_names_it(
    app: Flask, admin: Browser, two_jobs: tuple[int, int]
) -> None:
    mine, _ = add_run(app, two_jobs[0]), add_run(app, two_jobs[1])
    assert listed(admin, job=two_jobs[0]) == [mine]
    assert "Nightly import: show all jobs instead" in admin.get(f"/runs?job={two_jobs[0]}").text


def test_it_filters_by_any_of_several_statuses(app: Flask, admin: Browser) -> None:
    job, now = add_job(app), utc_now()
    ids = {
        status: add_run(app, job, status, at=now + timedelta(seconds=status))
        for status in RunStatus
    }
    assert listed(admin, status=["failed", "lost"]) == [
        ids[RunStatus.LOST],
        ids[RunStatus.FAILED],
    ]
    for status in RunStatus:
        assert listed(admin, status=status.name.lower()) == [ids[status]]


def test_it_filters_by_kind(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    scheduled, manual = add_run(app, job), add_manual_run(app, job)
    assert listed(admin, kind="scheduled") == [scheduled]
    assert listed(admin, kind="manual") == [manual]


@pytest.mark.usefixtures("frozen")
def test_it_filters_by_period_up_to_now(app: Flask, admin: Browser) -> None:
    job, now = add_job(app), utc_now()
    ages = (timedelta(days=8), timedelta(days=2), timedelta(hours=2), timedelta(minutes=5))
    ids = [add_run(app, job, at=now - age) for age in ages]
    assert listed(admin, period="1h") == ids[3:]
    assert listed(admin, period="24h") == [ids[3], ids[2]]
    assert listed(admin, period="7d") == [ids[3], ids[2], ids[1]]


def test_it_filters_between_two_instants(app: Flask, admin: Browser) -> None:
    job, noon = add_job(app), datetime(2026, 3, 10, 12, tzinfo=UTC)
    ids = [add_run(app, job, at=noon + timedelta(hours=hour)) for hour in range(4)]
    assert listed(admin, since="2026-03-10T13:00Z", until="2026-03-10T15:00Z") == [ids[2], ids[1]]
    assert listed(admin, until="2026-03-10T13:00Z") == [ids[0]]
    assert listed(admin, since="2026-03-10T15:00Z") == [ids[3]]


def test_typed_times_are_in_the_viewers_zone(app: Flask, admin: Browser) -> None:
    job, noon = add_job(app), datetime(2026, 3, 10, 12, tzinfo=UTC)
    before, after = (add_run(app, job, at=noon + timedelta(minutes=m)) for m in (-1, 1))
    admin.set_cookie("aegis_zone", "Asia/Tokyo")
    assert listed(admin, since="2026-03-10T21:00") == [after]
    assert listed(admin, until="2026-03-10T21:00") == [before]
    assert 'value="2026-03-10T21:00"' in admin.get("/runs?since=2026-03-10T21:00").text


def test_a_time_range_finds_what_was_written_down_long_after(app: Flask, admin: Browser) -> None:
    job, noon = add_job(app), datetime(2026, 3, 10, 12, tzinfo=UTC)
    ordinary = add_run(app, job, at=noon)
    for day in range(1, 4):
        add_run(app, job, at=noon + timedelta(days=day))
    late = add_run(
        app,
        job,
        RunStatus.MISSED,
        at=noon + timedelta(minutes=10),
        queued_at=noon + timedelta(days=5),
        reason=Reason.TOO_LATE,
    )
    window = {"since": "2026-03-10T11:00Z", "until": "2026-03-10T13:00Z"}
    assert listed(admin, **window) == [late, ordinary]
    assert listed(admin, **window, status="missed") == [late]
    assert listed(admin, **window, job=job) == [late, ordinary]


def test_text_is_found_in_job_names_and_in_errors(
    app: Flask, admin: Browser, two_jobs: tuple[int, int]
) -> None:
    imported = add_run(app, two_jobs[0])
    failed = add_run(app, two_jobs[1], RunStatus.FAILED, error="TimeoutError: IMPORT host is away")
    add_run(app, two_jobs[1])
    assert listed(admin, q="import") == [failed, imported]
    assert listed(admin, q="import", job=two_jobs[1]) == [failed]
    assert listed(admin, q="import", status="succeeded") == [imported]


def test_wildcards_of_sql_are_ordinary_characters(
    app: Flask, admin: Browser, two_jobs: tuple[int, int]
) -> None:
    add_run(app, two_jobs[0])
    found = add_run(app, two_jobs[1])
    for text in ("100%", "of_inv", "100% of_invoices"):
        assert listed(admin, q=text) == [found]
    for text in ("%", "_"):
        assert listed(admin, q=f"x{text}") == []


def test_odd_text_is_only_text(app: Flask, admin: Browser) -> None:
    add_run(app, add_job(app))
    for text in ("%", "_", "\\", "'", "💥", "שלום", "--", "%%%"):
        assert listed(admin, q=text) == []


def test_when_very_many_jobs_match_their_runs_are_still_found(
    app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW_JOBS", 3)
    jobs = [add_job(app, f"Import {number}") for number in range(5)]
    runs = [add_run(app, jobs[number]) for number in (0, 4)]
    assert listed(admin, q="import") == runs[::-1]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"status": "exploded"}, "Status"),
    ({"status": ["failed", "x"]}, "Status"),
    ({"kind": "weekly"}, "Kind"),
    ({"period": "3y"}, "Time"),
    ({"since": "yesterday"}, "From"),
    ({"until": "2026-13-45"}, "Until"),
    ({"since": "0001-01-01T00:00+23:00"}, "From"),
    ({"since": "0001-01-01T00:00"}, "From"),
    ({"until": "9999-12-31T23:59"}, "Until"),
    ({"since": "2026-03-11T00:00Z", "until": "2026-03-10T00:00Z"}, "Until"),
    ({"q": "a\0b"}, "Search"),
    ({"q": "x" * 50_000}, "Search"),
    ({"job": "7; drop table runs"}, "Job"),
    ({"job": "99999999999999999999"}, "Job"),
    ({"job": "٣"}, "Job"),
    ({"before": "-1"}, "Page"),
    ({"after": "x"}, "Page"),
]


def test_wrong_arguments_are_named(admin: Browser) -> None:
    for args, label in WRONG:
        for headers in ({}, FRAGMENT):
            answer = admin.get("/runs", query_string=args, headers=headers)
            assert answer.status_code == 422, args
            assert f'<strong class="alert-title">{label}</strong>' in answer.text, args


def test_what_was_typed_stays_beside_the_error(admin: Browser) -> None:
    text = admin.get("/runs?since=yesterday&kind=manual&q=import&status=failed").text
    assert 'value="yesterday"' in text
    assert 'value="import"' in text
    assert '<option value="manual" selected>' in text
    assert 'value="failed" checked' in text


# --- pages ------------------------------------------------------------------------------------


def test_pages_hold_every_run_once_both_ways(app: Flask, admin: Browser) -> None:
    job, noon = add_job(app), datetime(2026, 3, 10, 12, tzinfo=UTC)
    other = add_job(app, "Other")
    rows = [
        run_values(job if number % 2 else other, RunStatus.SUCCEEDED, noon, queued_at=noon)
        | {"fire_at": noon + timedelta(microseconds=number // 2)}  # two jobs: equal times
        for number in range(120)
    ]
    add_runs(app, rows)
    older = walk(admin, "Older", "/runs")
    assert [len(page) for page in older] == [50, 50, 20]
    assert [run for page in older for run in page] == list(range(120, 0, -1))
    last = admin.get(f"/runs?before={older[1][-1]}").text
    newer = walk(admin, "Newer", links(last)["Newer"])
    assert newer == [older[1], older[0]]


def test_pages_keep_the_filter(app: Flask, admin: Browser) -> None:
    job, noon = add_job(app), datetime(2026, 3, 10, 12, tzinfo=UTC)
    add_runs(
        app,
        [
            run_values(job, (RunStatus.FAILED, RunStatus.LOST, RunStatus.SUCCEEDED)[n % 3], noon)
            | {"fire_at": noon + timedelta(seconds=n)}
            for n in range(180)
        ],
    )
    pages = walk(admin, "Older", f"/runs?status=failed&status=lost&q=nightly&job={job}")
    assert [len(page) for page in pages] == [50, 50, 20]
    assert all(number % 3 for page in pages for number in page)


def test_the_newest_page_is_not_left_empty(app: Flask, admin: Browser) -> None:
    runs = [add_run(app, add_job(app))]
    assert listed(admin, after=runs[-1]) == runs


def test_any_page_costs_few_queries_and_counts_nothing(app: Flask, admin: Browser) -> None:
    job, now = add_job(app), utc_now()
    rows = [
        run_values(job, RunStatus.FAILED, now) | {"fire_at": now + timedelta(seconds=n)}
        for n in range(120)
    ]
    add_runs(app, rows)
    statements: list[str] = []
    with app.app_context():
        engine, writing = db.engines[None], db.engines[WRITE]

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    event.listen(writing, "before_cursor_execute", note)
    admin.get("/runs")  # the first request finds out whether there is an administrator
    numbers = []
    for url in ("/runs", "/runs?before=60", "/runs?period=7d&q=nightly&status=failed&status=lost"):
        statements.clear()
        assert admin.get(url).status_code == 200
        numbers.append(len(statements))
        assert not any("count(" in statement.lower() for statement in statements)
    assert max(numbers) <= 9, numbers
    assert numbers[0] == numbers[1]
