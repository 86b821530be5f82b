"""An application with service functions of its own, and what these tests see of its database."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import Actor, AuditEntry
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger, zone_named
from aegis_web.extensions import transaction
from aegis_web.jobs.actions import create_job
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.models import Calendar, Job
from aegis_web.runs.models import Run
from tests.support.applications import MakeApp

ALICE = Actor("alice@example.org", 1)
BOB = Actor("bob@example.org", 2)
MakeJob = Callable[..., int]

# What the form of a job posts, as a browser would.
FORM: dict[str, Any] = {
    "name": "Daily report",
    "service": "send_report",
    "arg.recipient": "ann@example.org",
    "arg.day": "",
    "arg.copies": "2",
    "trigger": "cron",
    "cron": "0 9 * * 1-5",
    "zone": "Europe/Berlin",
    "tags": "ops, reports",
    "owner": "Team Blue",
    "description": "What the board reads.",
    "overlap": "skip",
    "catch_up": "latest",
    "max_running": "",
    "group": "",
    "group_limit": "",
    "priority": "1",
    "queue_limit": "",
    "grace": "",
    "timeout": "",
    "retries": "",
    "retry_delay": "",
    "retry_backoff": "fixed",
    "retry_errors": "",
    "on_lost": "mark",
    "calendar": "",
    "jitter": "",
}


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str) -> Flask:
    """The application on this test's migrated SQLite file, with `functions` as its services."""
    return make_app(DATABASE_URL=sqlite_database, AEGIS_SERVICES="tests.jobs.functions")


@pytest.fixture
def make_job(app: Flask) -> MakeJob:
    """Stores jobs as Alice would; every night at two unless told otherwise."""

    def make(name: str = "Nightly", **values: Any) -> int:
        with app.app_context():
            return create_job(definition(name, **values), ALICE)

    return make


def definition(name: str = "Nightly", **values: Any) -> Definition:
    """A job as somebody wants it: "tidy_up" every night at two."""
    trigger = cron_trigger("0 2 * * *")
    return Definition(**{"name": name, "service": "tidy_up", "trigger": trigger, **values})


def cron_trigger(text: str, zone: str = "UTC") -> CronTrigger:
    """A cron trigger."""
    return CronTrigger(parse(text), zone_named(zone))


def stored(app: Flask, job_id: int) -> Job:
    """The job as it is in the database."""
    with app.app_context(), transaction() as session:
        return session.get_one(Job, job_id)


def jobs(app: Flask) -> list[Job]:
    """All jobs, deleted ones too, oldest first."""
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))


def runs(app: Flask) -> list[Run]:
    """All runs, oldest first."""
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def audit(app: Flask, job_id: int) -> list[AuditEntry]:
    """What was noted about a job, oldest first; its making left out."""
    with app.app_context(), transaction() as session:
        query = select(AuditEntry).where(AuditEntry.subject == f"job:{job_id}")
        query = query.where(AuditEntry.action != "job.create").order_by(AuditEntry.id)
        return list(session.scalars(query))


def make_calendar(app: Flask, name: str = "Freeze", *periods: dict[str, str]) -> int:
    """A blackout calendar in Berlin; its number."""
    with app.app_context(), transaction() as session:
        calendar = Calendar(name=name, zone="Europe/Berlin", periods=list(periods))
        session.add(calendar)
        session.flush()
        return calendar.id


def change(app: Flask, job_id: int, **values: Any) -> None:
    """Write straight into a job's row, past all rules."""
    with app.app_context(), transaction() as session:
        job = session.get_one(Job, job_id)
        for name, value in values.items():
            setattr(job, name, value)


def text_of(response: Any) -> str:
    """The body of an answer as text, with the marks that HTML needs taken back."""
    return html.unescape(response.get_data(as_text=True))
