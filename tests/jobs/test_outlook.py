"""What a job's page says of its next fire time, and how long it takes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from aegis_web.jobs.models import Job
from aegis_web.jobs.outlook import outlook
from aegis_web.runs.models import RunStatus
from aegis_web.web.charts import SparkRun, duration_chart
from tests.jobs.conftest import MakeJob, change, text_of
from tests.runs.rows import add_run
from tests.support.applications import Browser

FIRE = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
DAILY = [FIRE, FIRE + timedelta(days=1)]
OFTEN = [FIRE, FIRE + timedelta(minutes=5)]
SETTINGS: dict[str, Any] = {
    "overlap": "skip",
    "max_running": 1,
    "catch_up": "latest",
    "jitter_seconds": 0,
    "retries": 0,
    "retry_delay_seconds": 60,
    "retry_backoff": "fixed",
    "retry_errors": [],
    "on_lost": "mark",
    "priority": 1,
}


@pytest.mark.parametrize(
    ("values", "fires", "words"),
    [
        ({}, DAILY, "If the run before still goes then, this one is skipped."),
        ({"max_running": 3}, DAILY, "If 3 of its runs still go then, this one is skipped."),
        ({"overlap": "queue_one"}, DAILY, "this one waits, unless one waits already."),
        ({"overlap": "queue"}, DAILY, "this one waits."),
        ({"overlap": "replace"}, DAILY, "A run that still goes then is stopped first."),
        ({"overlap": "run"}, DAILY, "It runs whether or not the run before still goes."),
        ({}, DAILY, "as soon as something can, unless a later fire time has come by then."),
        ({}, [FIRE], "it runs as soon as something can."),
        ({"catch_up": "all"}, DAILY, "it runs as soon as something can."),
        ({"catch_up": "none"}, DAILY, "It may start late until 10 Mar 03:00 UTC; later"),
        ({"catch_up": "none"}, OFTEN, "It may start late until 10 Mar 02:05 UTC; later"),
        ({"catch_up": "none"}, [FIRE], "It may start late until 10 Mar 03:00 UTC; later"),
        (
            {"catch_up": "none", "grace_seconds": 30},
            DAILY,
            "It may start up to 30s late; later it is missed.",
        ),
        ({"jitter_seconds": 30}, DAILY, "It starts up to 30s after its fire time."),
        ({"timeout_seconds": 90}, DAILY, "It is stopped after 1m 30s."),
        ({"retries": 2}, DAILY, "If it fails, it is tried again up to 2 times, 1m later."),
    ],
)
def test_each_setting_has_its_sentence(
    app: Flask, values: dict[str, Any], fires: list[datetime], words: str
) -> None:
    with app.app_context():
        assert words in " ".join(outlook(Job(**{**SETTINGS, **values}), None, fires))


def test_without_a_fire_time_there_is_nothing_to_say(app: Flask) -> None:
    with app.app_context():
        assert outlook(Job(**SETTINGS), None, []) == []


def test_the_page_says_it_and_a_paused_one_does_not(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    said = "If the run before still goes then"
    assert said in text_of(admin.get(f"/jobs/{job_id}"))
    change(app, job_id, state="paused")
    assert said not in text_of(admin.get(f"/jobs/{job_id}"))


def test_durations_are_drawn_with_their_half_and_19_of_20(
    app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    job_id = make_job()
    for number in range(2):
        at = FIRE + number * timedelta(days=1)
        add_run(app, job_id, RunStatus.SUCCEEDED, at)
    assert "How long it takes" not in text_of(admin.get(f"/jobs/{job_id}"))
    add_run(app, job_id, RunStatus.FAILED, FIRE + timedelta(days=2))
    assert "Half took at most 2.0 s" in text_of(admin.get(f"/jobs/{job_id}"))


def test_the_chart_leaves_out_what_did_not_run() -> None:
    runs = [SparkRun(RunStatus.SUCCEEDED, float(n)) for n in range(1, 21)]
    others = [SparkRun(RunStatus.SKIPPED), SparkRun(RunStatus.RUNNING, 500.0)]
    chart = duration_chart([*others, *runs])
    assert chart is not None
    assert (chart.half.text, chart.most.text, chart.longest) == ("10 s", "19 s", "20 s")
    assert len(chart.bars) == 20
    assert chart.bars[-1].height > chart.bars[0].height
    assert max(bar.x + bar.width for bar in chart.bars) <= chart.width
    assert duration_chart(runs[:2]) is None
    assert duration_chart([SparkRun(RunStatus.SUCCEEDED, 0.0)] * 3) is not None
