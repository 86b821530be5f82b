"""When a run that goes should end: from its progress, else from the job's last good runs."""

from datetime import timedelta

import pytest
from flask import Flask

from aegis_web.clock import utc_now
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser

pytestmark = pytest.mark.usefixtures("frozen")


def going(app: Flask, seconds: int, *took: int, **details: float | str) -> int:
    """A run that began so long ago, of a job whose good runs took so long."""
    now, job = utc_now(), add_job(app)
    for place, usual in enumerate(took, start=1):
        at = now - timedelta(hours=place)
        add_run(app, job, at=at, finished_at=at + timedelta(seconds=usual))
    add_run(app, job, RunStatus.FAILED, at=now - timedelta(minutes=30))
    began = now - timedelta(seconds=seconds)
    return add_run(app, job, RunStatus.RUNNING, at=began, details=details or None)


@pytest.mark.parametrize("path", ["/", "/runs/{run}"])
def test_the_median_of_the_good_runs_says_when(app: Flask, admin: Browser, path: str) -> None:
    run = going(app, 140, 180, 120, 4000)
    text = admin.get(path.format(run=run)).text
    assert "Usually takes 3 m 00 s; should end" in text
    assert "Tue 12:00 UTC" in text
    assert ">in 40 s<" in text


def test_its_own_pace_counts_more(app: Flask, admin: Browser) -> None:
    run = going(app, 60, 300, progress_done=1.0, progress_total=4.0, progress_message="page 1")
    text = admin.get(f"/runs/{run}").text
    assert "At this pace it ends" in text
    assert "Tue 12:03 UTC" in text
    assert "usually it takes 5 m 00 s" in text


def test_it_says_when_it_takes_longer_than_usual(app: Flask, admin: Browser) -> None:
    text = admin.get(f"/runs/{going(app, 200, 180)}").text
    assert "Takes longer than usual" in text
    assert "should end" not in text


@pytest.mark.parametrize(
    ("done", "total"), [(0.0, 5.0), (1e-300, 5.0), (9.0, 5.0), (1.0, float("inf")), (-1.0, 5.0)]
)
def test_without_a_pace_or_a_good_run_nothing_is_promised(
    app: Flask, admin: Browser, done: float, total: float
) -> None:
    answer = admin.get(f"/runs/{going(app, 60, progress_done=done, progress_total=total)}")
    assert answer.status_code == 200
    assert "At this pace" not in answer.text
    assert "should end" not in answer.text
