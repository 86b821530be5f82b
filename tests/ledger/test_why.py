"""Why a job did not run at some moment: one sentence, and what shows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job
from aegis_web.runs.models import Kind, Reason, RunStatus
from aegis_web.system.models import Node
from tests.jobs.conftest import FORM, MakeJob, change, cron_trigger, make_calendar, text_of
from tests.runs.rows import add_run
from tests.support.applications import Browser, signed_in
from tests.support.clocks import NOON

ONE = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)  # the first fire time of the job
HOUR = timedelta(hours=1)


@pytest.fixture
def job(app: Flask, frozen: Any, make_job: MakeJob) -> int:
    """A job of every hour, made at noon; it is a quarter past one, and one o'clock was claimed."""
    job_id = make_job(trigger=cron_trigger("0 * * * *"))
    frozen.move_to(ONE + HOUR / 4)
    change(app, job_id, next_run_at=ONE + HOUR)
    return job_id


def asked(admin: Browser, job_id: int, at: str = "2026-03-10T13:00") -> str:
    """The page's answer for that moment, without the marks of HTML's times."""
    page = text_of(admin.get(f"/jobs/{job_id}/why?at={at}"))
    return page.partition('id="ledger-answer"')[2].partition("</main>")[0]


def add_node(app: Flask, started: datetime, beat: datetime, ended: datetime | None) -> int:
    with app.app_context(), transaction() as session:
        node = Node(name="box:1", version="0", started_at=started, beat_at=beat, ended_at=ended)
        session.add(node)
        session.flush()
        return node.id


def test_a_run_that_succeeded_is_named(app: Flask, admin: Browser, job: int) -> None:
    run = add_run(app, job, RunStatus.SUCCEEDED, ONE)
    answer = asked(admin, job)
    assert "It ran, and succeeded." in answer
    assert f"/runs/{run}" in answer


def test_a_run_that_failed_says_its_error(app: Flask, admin: Browser, job: int) -> None:
    add_run(app, job, RunStatus.FAILED, ONE, error="ValueError: <no> price")
    assert "It ran, and failed: ValueError: <no> price" in asked(admin, job)


def test_it_is_told_in_german(app: Flask, admin: Browser, job: int) -> None:
    add_run(app, job, RunStatus.SUCCEEDED, ONE, started_at=ONE + timedelta(seconds=3.4))
    page = admin.get(f"/jobs/{job}/why?at=2026-03-10T13:00", headers={"Accept-Language": "de"})
    assert "Er lief, und zwar erfolgreich." in page.text
    assert "Er begann 3,4 s nach seiner Startzeit" in page.text


def test_an_overlap_names_the_run_that_went(app: Flask, admin: Browser, job: int) -> None:
    long = add_run(
        app, job, RunStatus.SUCCEEDED, None, fire_at=None, kind=Kind.MANUAL, queued_at=ONE - HOUR,
        started_at=ONE - HOUR, finished_at=ONE + HOUR / 10,
    )  # fmt: skip
    add_run(app, job, RunStatus.SKIPPED, ONE, reason=Reason.OVERLAP)
    answer = asked(admin, job)
    assert "It was skipped. The run before was still going" in answer
    assert f"Run {long} went" in answer


def test_a_pause_says_who_and_why(app: Flask, admin: Browser, frozen: Any, job: int) -> None:
    frozen.move_to(ONE + HOUR / 2)
    admin.post(f"/jobs/{job}/pause", data={"reason": "Stock <count>", "lasting": ""})
    frozen.move_to(ONE + 2.5 * HOUR)
    waits = asked(admin, job, "2026-03-10T14:00")
    assert "It is paused. You choose what becomes of it when you resume the job." in waits
    admin.post(f"/jobs/{job}/resume", data={"catch_up": "none"})
    answer = asked(admin, job, "2026-03-10T14:00")
    assert "It was skipped. The job was paused at this time." in answer
    assert "alice@example.org paused it: Stock <count>" in answer


def test_a_pause_of_everything_is_told_apart(app: Flask, admin: Browser, job: int) -> None:
    admin.post("/pauses", data={"reason": "Deploy", "lasting": ""})
    change(app, job, next_run_at=ONE)
    assert "Everything is paused." in asked(admin, job)
    assert "alice@example.org paused everything: Deploy" in asked(admin, job)


def test_a_downtime_is_shown_by_the_beats(app: Flask, admin: Browser, job: int) -> None:
    add_node(app, NOON, ONE - HOUR / 2, ONE - HOUR / 2)
    add_node(app, ONE + HOUR / 6, ONE + HOUR / 4, None)
    add_run(app, job, RunStatus.MISSED, ONE, reason=Reason.TOO_LATE, queued_at=ONE + HOUR / 6)
    answer = asked(admin, job)
    assert "It was missed. No process could start it within the grace time." in answer
    assert "No process of the scheduler was there" in answer
    assert "12:30:00" in answer
    assert "13:10:00" in answer


def test_processes_that_were_there_are_not_called_away(
    app: Flask, admin: Browser, job: int
) -> None:
    add_node(app, NOON, ONE + HOUR / 4, None)
    add_run(app, job, RunStatus.MISSED, ONE, reason=Reason.TOO_LATE, queued_at=ONE + HOUR / 6)
    assert "Processes were there at that time" in asked(admin, job)


def test_a_blackout_names_its_period(app: Flask, admin: Browser, job: int) -> None:
    period = {"name": "Freeze <1>", "from": "2026-03-10T00:00", "until": "2026-03-11T00:00"}
    change(app, job, calendar_id=make_calendar(app, "Freezes", period))
    add_run(app, job, RunStatus.SKIPPED, ONE, reason=Reason.BLACKOUT)
    assert "The period “Freeze <1>”" in asked(admin, job)


def test_a_skip_says_who_asked(app: Flask, admin: Browser, frozen: Any, job: int) -> None:
    two = ONE + HOUR
    fire_at = str(int(two.timestamp() * 1_000_000))
    assert admin.post(f"/jobs/{job}/skip", data={"fire_at": fire_at}).status_code == 303
    ahead = asked(admin, job, "2026-03-10T14:00")
    assert "That has yet to come, and it will be skipped." in ahead
    assert "alice@example.org asked for it" in ahead
    frozen.move_to(two + HOUR / 4)
    change(app, job, next_run_at=two + HOUR)
    add_run(app, job, RunStatus.SKIPPED, two, reason=Reason.SKIPPED_ONCE)
    assert "alice@example.org asked for it" in asked(admin, job, "2026-03-10T14:00")


def test_a_lost_run_names_its_process(app: Flask, admin: Browser, job: int) -> None:
    node = add_node(app, NOON, ONE + HOUR / 10, ONE + HOUR / 6)
    add_run(app, job, RunStatus.LOST, ONE, reason=Reason.PROCESS_DIED, node_id=node)
    answer = asked(admin, job)
    assert "It began, and was lost." in answer
    assert "The process box:1 beat for the last time" in answer


@pytest.mark.parametrize(
    ("status", "values", "words"),
    [
        (RunStatus.QUEUED, {}, "It waits for a free place."),
        (RunStatus.QUEUED, {"attempt": 2, "not_before": ONE + HOUR}, "the next one waits"),
        (RunStatus.RUNNING, {}, "It is running."),
        (RunStatus.TIMED_OUT, {"error": "TimeoutError"}, "took longer than its timeout"),
        (RunStatus.CANCELLED, {"reason": Reason.STOPPED}, "It was cancelled. Somebody stopped it."),
        (RunStatus.SKIPPED, {"reason": Reason.QUEUE_FULL}, "Too many runs were waiting already."),
        (RunStatus.MISSED, {"reason": Reason.BROKEN}, "The job's function is missing"),
        (RunStatus.LOST, {"reason": None}, "It began, and was lost."),
        (RunStatus.SKIPPED, {"reason": "of a later release"}, "It was skipped."),
    ],
)
def test_each_status_has_its_sentence(
    app: Flask, admin: Browser, job: int, status: RunStatus, values: dict[str, Any], words: str
) -> None:
    add_run(app, job, status, ONE, **values)
    assert words in asked(admin, job)


def test_what_is_wrong_with_a_broken_job_is_told_in_german(
    app: Flask, admin: Browser, job: int
) -> None:
    said = "no service function is called zebra: choose another"
    change(app, job, service="zebra", problem=said)
    add_run(app, job, RunStatus.MISSED, ONE, reason=Reason.BROKEN)
    assert f"It still is: {said}" in asked(admin, job)
    page = admin.get(f"/jobs/{job}/why?at=2026-03-10T13:00", headers={"Accept-Language": "de"})
    assert "keine Funktion heißt zebra: wählen Sie eine andere" in page.text


def test_a_summary_row_answers_for_what_it_stands_for(
    app: Flask, admin: Browser, frozen: Any, job: int
) -> None:
    frozen.move_to(ONE + 9 * HOUR)
    change(app, job, next_run_at=ONE + 10 * HOUR)
    summary = {"kind": Kind.SUMMARY, "range_from": ONE, "range_count": 6}
    late = ONE + 5 * HOUR
    run = add_run(app, job, RunStatus.MISSED, late, reason=Reason.BACKLOG, **summary)
    answer = asked(admin, job, "2026-03-10T15:00")
    assert "Part of a long backlog" in answer
    assert f"/runs/{run}" in answer


def test_a_moment_without_a_fire_time_names_the_neighbours(admin: Browser, job: int) -> None:
    answer = asked(admin, job, "2026-03-10T13:07")
    assert "It was not due: its trigger said “Every hour" in answer
    assert "at=2026-03-10T13:00" in answer
    assert "14:00" in answer


def test_a_moment_before_the_job_says_so(admin: Browser, job: int) -> None:
    assert "The job was not there yet" in asked(admin, job, "2026-03-10T11:00")


def test_a_moment_to_come_says_so(admin: Browser, job: int) -> None:
    assert "That has yet to come." in asked(admin, job, "2026-03-10T14:00")


def test_a_changed_trigger_is_shown(app: Flask, admin: Browser, frozen: Any, job: int) -> None:
    with app.app_context(), transaction() as session:
        revision = session.get_one(Job, job).revision
    form = {**FORM, "service": "tidy_up", "cron": "30 * * * *", "zone": "UTC"}
    answer = admin.post(f"/jobs/{job}", data={**form, "revision": str(revision)})
    assert answer.status_code == 303
    frozen.move_to(ONE + 2 * HOUR)
    text = asked(admin, job, "2026-03-10T14:00")
    assert "It was not due" in text
    assert "From then on it said" in text
    assert f"/jobs/{job}/versions" in text


def test_a_change_of_the_clock_is_shown(app: Flask, frozen: Any, make_job: MakeJob) -> None:
    job_id = make_job(trigger=cron_trigger("30 2 * * *", "Europe/Berlin"))
    frozen.move_to(datetime(2026, 3, 30, tzinfo=UTC))
    admin = signed_in(app)
    text = asked(admin, job_id, "2026-03-29T03:30")
    assert "The clocks were changed about then." in text
    assert "Clocks in Europe/Berlin were set forward by 60 minutes" in text
    answer = admin.get(f"/jobs/{job_id}/why?at=2026-03-29T02:30")
    assert answer.status_code == 422
    assert "skip this time on that day" in text_of(answer)


def test_a_row_that_is_missing_is_called_a_fault(admin: Browser, job: int) -> None:
    assert "there is no row for it. That must not happen" in asked(admin, job)


def test_what_is_no_longer_kept_is_not_called_a_fault(app: Flask, frozen: Any, job: int) -> None:
    frozen.move_to(ONE + timedelta(days=200))
    admin = signed_in(app)
    change(app, job, next_run_at=ONE + timedelta(days=201))
    assert "longer ago than history is kept" in asked(admin, job)


@pytest.mark.parametrize("at", ["x", "2026-13-01T00:00", "2026-03-10T13:00Z", "0001-01-01T00:00"])
def test_a_moment_that_is_none_is_refused_beside_its_field(
    admin: Browser, job: int, at: str
) -> None:
    answer = admin.get(f"/jobs/{job}/why?at={at}")
    assert answer.status_code == 422
    assert 'id="field-at-error"' in text_of(answer)


def test_without_a_moment_it_offers_the_last_fire_time(admin: Browser, job: int) -> None:
    assert 'value="2026-03-10T13:00"' in text_of(admin.get(f"/jobs/{job}/why"))
    assert admin.get("/jobs/999/why").status_code == 404
