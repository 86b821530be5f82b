"""Jobs of plain APScheduler are described without loading a pickle or running their code."""

import os
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy import create_engine, text

from aegis_web.engine.triggers import FieldsTrigger, IntervalTrigger, from_json
from aegis_web.jobs.apscheduler_import import from_code, from_store
from aegis_web.jobs.imports import Taken
from aegis_web.jobs.models import CatchUp
from aegis_web.jobs.pickled import Made, Unreadable, describe
from tests.jobs import functions
from tests.jobs.conftest import jobs


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.sqlite"


def filled(store: str, *declarations: dict[str, Any]) -> None:
    """Let plain APScheduler store jobs, as a program did that is now to be replaced."""
    stores = {"default": SQLAlchemyJobStore(store)}
    scheduler = BackgroundScheduler(jobstores=stores, timezone="Europe/Berlin")
    scheduler.start(paused=True)
    for number, declaration in enumerate(declarations):
        scheduler.add_job(**{"func": functions.tidy_up, "id": f"job-{number}", **declaration})
    scheduler.shutdown()
    stores["default"].engine.dispose()


def read(app: Flask, store: str) -> list[Taken]:
    return list(from_store(store, "apscheduler_jobs", "UTC", app.extensions["aegis.registry"]))


@pytest.mark.parametrize(
    "fields",
    [
        {"day_of_week": "mon-fri", "hour": "9,17", "minute": "*/15"},
        {"month": "jan-mar", "day": "last", "hour": "3"},
        {"day": "2nd tue"},
        {"day": "1-10/3", "second": "30"},
        {"week": "5-20", "day_of_week": "sun"},
        {"year": "2030-2040", "month": "2"},
    ],
)
def test_cron_fields_survive(app: Flask, store: str, fields: dict[str, str]) -> None:
    filled(store, {"trigger": "cron", **fields})
    (entry,) = read(app, store)
    assert entry.wanted is not None, entry.problem
    expected = FieldsTrigger(fields, entry.wanted.trigger.zone)
    now = datetime(2026, 5, 5, tzinfo=UTC)
    assert entry.wanted.trigger.zone.key == "Europe/Berlin"
    assert entry.wanted.trigger.next_after(now) == expected.next_after(now)
    assert entry.wanted.trigger.words() == expected.words()


def test_intervals_keep_their_start_and_their_options(app: Flask, store: str) -> None:
    start = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
    options = {"misfire_grace_time": 60, "coalesce": False, "max_instances": 3, "jitter": 20}
    filled(store, {"trigger": "interval", "minutes": 90, "start_date": start, **options})
    (entry,) = read(app, store)
    wanted = entry.wanted
    assert wanted is not None, entry.problem
    assert isinstance(wanted.trigger, IntervalTrigger)
    assert (wanted.trigger.every, wanted.trigger.unit) == (90, "minutes")
    assert wanted.trigger.anchor == start
    assert (wanted.grace_seconds, wanted.max_running, wanted.jitter_seconds) == (60, 3, 20)
    assert wanted.catch_up == CatchUp.ALL


def test_arguments_and_dates_survive(app: Flask, store: str) -> None:
    due = datetime(2031, 1, 1, 3, tzinfo=UTC)
    arguments = {"args": ["ann@example.org"], "kwargs": {"copies": 3}}
    filled(store, {"func": functions.send_report, "trigger": "date", "run_date": due, **arguments})
    (entry,) = read(app, store)
    assert entry.wanted is not None, entry.problem
    assert entry.wanted.trigger.next_after(datetime(2030, 1, 1, tzinfo=UTC)) == due
    assert entry.wanted.arguments == {"recipient": "ann@example.org", "copies": 3}


def test_a_function_that_is_not_offered_here_is_named(app: Flask, store: str) -> None:
    filled(store, {"func": os.getpid, "trigger": "interval", "hours": 1})
    (entry,) = read(app, store)
    assert entry.wanted is None
    assert "AEGIS_SERVICES" in entry.problem


class Weapon:
    """Would run a command if anybody loaded it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


def test_a_hostile_pickle_does_nothing(app: Flask, store: str, tmp_path: Path) -> None:
    filled(store, {"trigger": "interval", "hours": 1})
    trap = tmp_path / "sprung"
    state = {
        "func": "tests.jobs.functions:tidy_up",
        "args": [Weapon(trap)],
        "trigger": Weapon(trap),
    }
    engine = create_engine(store)
    with engine.begin() as connection:
        change = text("UPDATE apscheduler_jobs SET job_state = :state")
        connection.execute(change, {"state": pickle.dumps(state)})
    engine.dispose()
    (entry,) = read(app, store)
    assert entry.wanted is None
    assert "posix.system" in entry.problem
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_description_says_what_would_have_been_made(protocol: int) -> None:
    value = {"a": [1, -2, 2.5, None, True], "b": (1, 2, 3, 4), "c": timedelta(days=2), "d": {"e"}}
    described = describe(pickle.dumps(value, protocol))
    made = described.pop("c")
    assert made == Made("datetime.timedelta", (2, 0, 0))
    described.pop("d")
    assert described == {"a": [1, -2, 2.5, None, True], "b": (1, 2, 3, 4)}


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish", b"\x80\x04.", b"\x80\x04(lI5\n" * 9])
def test_a_damaged_pickle_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        describe(data)


CODE = """
scheduler = BackgroundScheduler()
scheduler.add_job(functions.tidy_up, "cron", day_of_week="mon-fri", hour=9, id="tidy", name="Tidy")
scheduler.add_job("tests.jobs.functions:fetch_rates", trigger=IntervalTrigger(minutes=5))
scheduler.add_job(send_report, "cron", hour=7, args=["ann@example.org"], misfire_grace_time=None)
scheduler.add_job(tidy_up, "cron", hour=HOUR)
scheduler.add_job(tidy_up, CronTrigger.from_crontab("0 9 * * 1"))
scheduler.add_job(**options)
open("/tmp/never", "w")
"""


def test_code_is_read_and_never_run(app: Flask) -> None:
    entries = list(from_code(CODE, "UTC", app.extensions["aegis.registry"]))
    names = [entry.wanted.name if entry.wanted else entry.problem for entry in entries]
    assert names[:3] == ["Tidy", "Fetch rates", "Send a report"]
    assert names[3] == "HOUR is not a plain value."
    assert "cannot be read" in names[4]
    assert "without running it" in names[5]
    assert entries[0].wanted is not None
    assert entries[0].wanted.trigger.words() == "At 09:00, Monday to Friday"
    assert entries[2].wanted is not None
    assert entries[2].wanted.catch_up == CatchUp.LATEST


def test_the_command_reports_first_and_creates_when_told(app: Flask, store: str) -> None:
    filled(store, {"trigger": "interval", "hours": 1, "name": "Tidy the attic"})
    runner, before = app.test_cli_runner(), len(jobs(app))
    shown = runner.invoke(args=["jobs", "import-apscheduler", store])
    assert "Tidy the attic" in shown.output
    assert "Nothing was stored" in shown.output
    assert len(jobs(app)) == before
    runner.invoke(args=["jobs", "import-apscheduler", store, "--apply"])
    made = jobs(app)[before]
    assert (made.name, from_json(made.trigger).words()) == ("Tidy the attic", "Every hour")


def test_a_store_that_is_none_ends_with_words(app: Flask, store: str) -> None:
    refused = app.test_cli_runner().invoke(args=["jobs", "import-apscheduler", store])
    assert refused.exit_code == 1
    assert "cannot be read" in refused.output
