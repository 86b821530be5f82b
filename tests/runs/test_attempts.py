"""A run that was tried several times: its attempts, the wait for the next, a late end."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.engine.output import PIECES
from aegis_web.runs.models import Reason, RunStatus
from tests.runs.rows import add_attempts, add_job, add_log, add_run
from tests.support.applications import Browser, signed_in

FIRST = {"error": "ConnectionError: <b>no</b> route", "traceback": "Traceback of the first"}
SECOND = {"status": RunStatus.LOST, "reason": Reason.PROCESS_DIED, "finished_at": None}


def chosen(text: str, number: int) -> str:
    """What the page says of an attempt, which must be the one that is chosen."""
    tab = rf'aria-label="Attempt {number}: [^"]+" aria-current="page"'
    assert re.search(tab, text), text
    return text.partition(f'id="attempt-{number}"')[2].partition("</section>")[0]


def test_each_attempt_is_a_tab_with_its_facts_and_its_part_of_the_log(any_app: Flask) -> None:
    run = add_run(any_app, add_job(any_app), attempt=3)
    add_attempts(any_app, run, FIRST, SECOND)
    for number in (1, 2, 3):
        add_log(any_app, run, [f"info said by {number}"], sequence=(number - 1) * PIECES)
    client = signed_in(any_app)
    text = client.get(f"/runs/{run}").text
    assert text.index("Attempt 3:") < text.index("Attempt 2:") < text.index("Attempt 1:")
    assert "Succeeded" in chosen(text, 3)
    assert re.findall(r"said by \d", text) == ["said by 3"]
    text = client.get(f"/runs/{run}?attempt=2").text
    assert "Lost" in chosen(text, 2)
    assert "The process that ran it died" in chosen(text, 2)
    text = client.get(f"/runs/{run}?attempt=1").text
    for words in ("Failed", "2.0 s", "ConnectionError: &lt;b&gt;no", "Traceback of the first"):
        assert words in chosen(text, 1)
    assert "Log of attempt 1" in text
    assert re.findall(r"said by \d", text) == ["said by 1"]


def test_an_attempt_that_is_over_grows_no_more_while_the_next_one_goes(
    app: Flask, admin: Browser
) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING, attempt=2)
    add_attempts(app, run, FIRST)
    add_log(app, run, ["info said by 1"])
    assert (
        'hx-trigger="live from:body" hx-target="#run-log"'
        not in admin.get(f"/runs/{run}?attempt=1").text
    )
    page = admin.get(f"/runs/{run}").text
    assert f'hx-get="/runs/{run}/log?after={PIECES}.0" hx-trigger="live from:body"' in page


def test_an_attempt_that_is_not_there_is_explained(app: Flask, admin: Browser) -> None:
    run = add_run(app, add_job(app))
    answer = admin.get(f"/runs/{run}?attempt=2")
    assert answer.status_code == 404
    assert f"Run {run} has no attempt 2; its newest is 1." in answer.text
    for wrong in ("0", "x", "-1", "9" * 30):
        assert admin.get(f"/runs/{run}", query_string={"attempt": wrong}).status_code == 422


def test_a_run_with_one_attempt_has_no_list(app: Flask, admin: Browser) -> None:
    run = add_run(app, add_job(app))
    assert 'id="attempts-title"' not in admin.get(f"/runs/{run}").text


def test_a_waiting_retry_says_when_it_begins(app: Flask, admin: Browser) -> None:
    soon = utc_now() + timedelta(minutes=5)
    values = {"attempt": 2, "not_before": soon, "started_at": None}
    run = add_run(app, add_job(app), RunStatus.QUEUED, **values)
    add_attempts(app, run, FIRST)
    text = admin.get(f"/runs/{run}").text
    assert "Next attempt at <time" in text
    assert "in 4 min" in text
    assert "Failed" in chosen(text, 1)  # what the reader wants to see while it waits
    assert "not begun" in chosen(admin.get(f"/runs/{run}?attempt=2").text, 2)
    row = admin.get("/runs").text
    assert f"#{run} · attempt 2" in row
    assert "next attempt" in row


@pytest.mark.parametrize("path", ["/runs", "/jobs/{job}"])
def test_lists_say_the_attempt_only_from_the_second_on(
    app: Flask, admin: Browser, path: str
) -> None:
    job = add_job(app)
    add_run(app, job, at=utc_now() - timedelta(minutes=1))
    path = path.format(job=job)
    assert "attempt " not in admin.get(path).text
    add_run(app, job, RunStatus.FAILED, attempt=4)
    assert "attempt 4" in admin.get(path).text


def test_a_lost_run_that_ended_after_all_says_so(app: Flask, admin: Browser) -> None:
    late = {"late_status": RunStatus.FAILED, "late_at": utc_now(), "late_error": "OSError: full"}
    lost = {"reason": Reason.PROCESS_DIED, "details": late}
    run = add_run(app, add_job(app), RunStatus.LOST, **lost)
    text = admin.get(f"/runs/{run}").text
    assert "It ended after all" in text
    assert "ended as failed at <time" in text
    assert "OSError: full" in text


def test_what_it_cost_is_shown_or_said_to_be_unknown(app: Flask, admin: Browser) -> None:
    job = add_job(app)
    run = add_run(app, job, RunStatus.FAILED, cpu_us=1_500_000, peak_kb=20_000, exit_code=-9)
    text = admin.get(f"/runs/{run}").text
    for words in ("1.5 s", "20.5 MB", "SIGKILL"):
        assert words in text
    run = add_run(app, job, at=utc_now() - timedelta(minutes=1))
    assert admin.get(f"/runs/{run}").text.count("not measured") == 2
