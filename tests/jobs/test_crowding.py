"""The warning that many jobs start in the same minute, and the quieter minute that is offered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from aegis_web.engine.triggers import CronTrigger, zone_named
from aegis_web.extensions import db
from aegis_web.jobs.actions import create_job, delete_job, pause_job
from aegis_web.jobs.crowding import CROWDED, crowd_at
from aegis_web.jobs.models import Job
from tests.jobs.conftest import ALICE, FORM, MakeJob, cron_trigger, definition, jobs, text_of
from tests.support.applications import Browser

TWO = datetime(2026, 3, 11, 2, tzinfo=UTC)
CRON = {"trigger": "cron", "cron": "0 2 * * *", "zone": "UTC"}
INDIA = zone_named("Asia/Kolkata")


def make_many(make_job: MakeJob, count: int, cron: str = "0 2 * * *") -> list[int]:
    return [make_job(f"{cron} {number}", trigger=cron_trigger(cron)) for number in range(count)]


def test_the_minute_of_the_hour_is_that_of_the_clock_on_the_wall(any_app: Flask) -> None:
    trigger = CronTrigger(cron_trigger("30 7 * * *").expression, INDIA)
    with any_app.app_context():
        made = [
            create_job(definition(f"Job {n}", service="prune_history", trigger=trigger), ALICE)
            for n in range(CROWDED + 2)
        ]
        pause_job(made[0], ALICE)
        fire = db.session.get_one(Job, made[1]).next_run_at
        assert fire is not None
        crowd = crowd_at(fire, INDIA)
        assert crowd is not None
        assert (crowd.jobs, crowd.quieter, crowd.quieter_jobs) == (CROWDED + 1, 29, 0)
        assert crowd_at(fire + timedelta(minutes=1), INDIA) is None


def test_a_small_crowd_is_none_and_a_job_is_not_its_own_crowd(
    frozen: time_machine.Traveller, app: Flask, make_job: MakeJob
) -> None:
    made = make_many(make_job, CROWDED)
    with app.app_context():
        assert crowd_at(TWO, zone_named("UTC")) is not None
        assert crowd_at(TWO, zone_named("UTC"), made[0]) is None
        delete_job(made[0], ALICE)
    with app.app_context():
        assert crowd_at(TWO, zone_named("UTC")) is None


def test_the_count_takes_the_index_of_what_is_due(app: Flask) -> None:
    asked: dict[str, Any] = {}
    with app.app_context():
        note = lambda *args: asked.update({args[2]: args[3]})  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        crowd_at(TWO, zone_named("UTC"), 7)
        sql, values = next(pair for pair in asked.items() if "count" in pair[0])
        plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    assert "ix_jobs_due" in str(plan)


def test_the_form_warns_and_offers_the_nearest_quiet_minute(
    frozen: time_machine.Traveller, admin: Browser, make_job: MakeJob
) -> None:
    make_many(make_job, CROWDED + 1)
    make_many(make_job, 1, "1 2 * * *")
    page = text_of(admin.get("/jobs/preview", query_string=CRON))
    assert "11 jobs already start at 02:00." in page
    assert "next fire time lies in this minute, Wed 11 Mar 2026, 02:00 UTC" in page
    assert 'name="minute" value="2"' in page
    assert "Start at 02:02, with no other" in page
    calm = text_of(admin.get("/jobs/preview", query_string={**CRON, "minute": "2"}))
    assert 'name="cron" value="2 2 * * *"' in calm
    assert 'name="time" value="02:02"' in calm
    assert "already start" not in calm


@pytest.mark.parametrize(
    "changed",
    [
        {"cron": "*/30 2 * * *"},
        {"cron": "0,10 2 * * *"},
        {"cron": "H(0-0) 2 * * *"},
        {"trigger": "interval", "every": "1", "unit": "days", "start": "2026-03-10T02:00"},
        {"trigger": "once", "once": "2026-03-11T02:00"},
        {"cron": "0 3 * * *"},
    ],
)
def test_a_trigger_without_one_minute_of_its_own_or_alone_in_it_is_left_in_peace(
    frozen: time_machine.Traveller, admin: Browser, make_job: MakeJob, changed: dict[str, str]
) -> None:
    make_many(make_job, CROWDED)
    page = text_of(admin.get("/jobs/preview", query_string={**CRON, **changed}))
    assert "Next fire" in page
    assert "already start" not in page


def test_without_script_the_button_redraws_the_form_and_stores_nothing(
    frozen: time_machine.Traveller, app: Flask, admin: Browser, make_job: MakeJob
) -> None:
    make_many(make_job, CROWDED)
    for typed, written in (("7", "7 2 * * *"), ("60", "0 2 * * *"), ("x", "0 2 * * *")):
        page = text_of(admin.post("/jobs/new", data={**FORM, **CRON, "minute": typed}))
        assert f'name="cron" value="{written}"' in page
        assert 'value="Daily report"' in page
    midnight = {**FORM, **CRON, "cron": "@daily", "minute": "7"}
    assert 'name="cron" value="7 0 * * *"' in text_of(admin.post("/jobs/new", data=midnight))
    assert len(jobs(app)) == CROWDED
