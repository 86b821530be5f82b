"""The page of one run: facts, arguments, result, error, and the fragment that refreshes them."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.clock import utc_now
from aegis_web.parameters.values import SEALED
from aegis_web.runs.models import Kind, Reason, RunStatus
from tests.runs.rows import add_job, add_log, add_manual_run, add_run
from tests.support.applications import Browser

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.mark.usefixtures("frozen")
def test_it_shows_the_facts(app: Flask, admin: Browser) -> None:
    at = utc_now() - timedelta(minutes=1)
    run = add_run(
        app,
        add_job(app),
        at=at,
        started_at=at + timedelta(seconds=3),
        finished_at=at + timedelta(seconds=45),
    )
    text = admin.get(f"/runs/{run}").text
    assert "Succeeded" in text
    assert "Tue 10 Mar 2026, 11:59:00 UTC" in text
    assert "3.0 s" in text  # late
    assert "42 s" in text  # duration
    assert "Schedule" in text
    assert "check_certificate" in text


def test_strangers_are_sent_to_sign_in(app: Flask, admin: Browser, client: FlaskClient) -> None:
    run = add_run(app, add_job(app))
    for path in (f"/runs/{run}", f"/runs/{run}/log", f"/runs/{run}/log.txt"):
        assert client.get(path).status_code == 303
    assert client.post(f"/runs/{run}/stop").status_code in (303, 400)


def test_a_run_that_is_not_there_is_explained(admin: Browser) -> None:
    for number in ("1", str(2**63), "9" * 40):
        for path in (f"/runs/{number}", f"/runs/{number}/log", f"/runs/{number}/log.txt"):
            answer = admin.get(path)
            assert answer.status_code == 404
            assert f"There is no run {number}, or it is no longer kept" in answer.text
        assert admin.post(f"/runs/{number}/stop").status_code == 404


def test_it_says_why_a_run_was_missed(app: Flask, admin: Browser) -> None:
    run = add_run(app, add_job(app), RunStatus.MISSED, reason=Reason.TOO_LATE)
    text = admin.get(f"/runs/{run}").text
    assert "No process could start it within the grace time." in text
    assert "It never began, so it wrote nothing." in text


def test_a_summary_row_shows_its_range(app: Flask, admin: Browser) -> None:
    now = utc_now()
    run = add_run(
        app,
        add_job(app),
        RunStatus.MISSED,
        kind=Kind.SUMMARY,
        range_from=now - timedelta(days=9),
        range_count=9000,
    )
    assert "9\u202f000 fire times" in admin.get(f"/runs/{run}").text


def test_error_and_folded_traceback_are_shown_without_control_characters(
    app: Flask, admin: Browser
) -> None:
    details = {"traceback": 'Traceback\n  File "x.py"\n\x1b[31mValueError\x1b[0m: <b>boom</b>\x07'}
    run = add_run(app, add_job(app), RunStatus.FAILED, error="ValueError: boom", details=details)
    text = admin.get(f"/runs/{run}").text
    assert "<summary>Traceback</summary>" in text
    assert "ValueError: &lt;b&gt;boom&lt;/b&gt;␇" in text
    assert "\x1b" not in text


def test_the_returned_value_is_indented_json(app: Flask, admin: Browser) -> None:
    run = add_run(app, add_job(app), details={"result": '{"rows": 3, "name": "größe"}'})
    text = admin.get(f"/runs/{run}").text
    assert "{\n  &#34;rows&#34;: 3,\n  &#34;name&#34;: &#34;größe&#34;\n}" in text


@pytest.mark.parametrize("result", ['{"token": ••••••}', "[" * 900 + "]" * 900])
def test_a_value_that_cannot_be_indented_is_shown_as_it_is(
    app: Flask, admin: Browser, result: str
) -> None:
    run = add_run(app, add_job(app), details={"result": result})
    answer = admin.get(f"/runs/{run}")
    assert answer.status_code == 200
    assert result.replace('"', "&#34;") in answer.text


def test_a_value_that_was_not_kept_is_explained(app: Flask, admin: Browser) -> None:
    note = "The returned object was not kept: it cannot be written as JSON."
    run = add_run(app, add_job(app), details={"result_note": note})
    assert note in admin.get(f"/runs/{run}").text


def test_it_shows_the_arguments_of_this_run_before_those_of_the_job(
    app: Flask, admin: Browser
) -> None:
    job = add_job(app)
    scheduled = admin.get(f"/runs/{add_run(app, job)}").text
    assert "example.org" in scheduled
    assert "as they are now" in scheduled
    run = add_manual_run(app, job, details={"arguments": {"host": "other.example", "port": 8443}})
    manual = admin.get(f"/runs/{run}").text
    assert "other.example" in manual
    assert "8443" in manual
    assert "Given for this run alone." in manual


def test_secrets_stay_hidden_even_when_the_function_is_gone(app: Flask, admin: Browser) -> None:
    arguments = {"password": {SEALED: "gAAAA-ciphertext"}, "host": "example.org"}
    job = add_job(app, service="gone.function", arguments=arguments)
    text = admin.get(f"/runs/{add_run(app, job)}").text
    assert "ciphertext" not in text
    assert "not there any more" in text


def test_a_running_run_shows_its_progress_and_refreshes(app: Flask, admin: Browser) -> None:
    details = {"progress_done": 3.0, "progress_total": 12.0, "progress_message": "page 3"}
    run = add_run(app, add_job(app), RunStatus.RUNNING, details=details)
    text = admin.get(f"/runs/{run}").text
    assert 'value="3" max="12"' in text
    assert "3 of 12 · page 3" in text
    assert f'data-live="/live/runs/{run}" data-poll="1" hx-get="/runs/{run}"' in text
    assert "Stop run" in text


def test_an_odd_progress_breaks_nothing(app: Flask, admin: Browser) -> None:
    details = {"progress_done": float("inf"), "progress_total": 0.0}
    run = add_run(app, add_job(app), RunStatus.RUNNING, details=details)
    assert admin.get(f"/runs/{run}").status_code == 200


def test_the_fragment_holds_the_facts_alone_and_stops_asking_at_the_end(
    app: Flask, admin: Browser
) -> None:
    run = add_run(app, add_job(app))
    add_log(app, run, ["info hello"])
    answer = admin.get(f"/runs/{run}", headers=FRAGMENT)
    assert answer.text.lstrip().startswith('<div id="runs-run"')
    assert "hello" not in answer.text
    assert "hx-trigger" not in answer.text
    assert "Stop run" not in answer.text
