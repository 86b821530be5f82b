"""No page and no part of one asks the database more often where there are more rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from aegis_web.accounts.queries import token_sha256
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.backups.models import Backup
from aegis_web.clock import utc_now
from aegis_web.database import WRITE
from aegis_web.engine.versions import keep_version
from aegis_web.extensions import db, transaction
from aegis_web.failures.models import Acknowledgement
from aegis_web.feeds.models import Feed
from aegis_web.jobs.models import Calendar, Group, Job, JobSkip, JobState, Origin, Pause, SavedView
from aegis_web.ledger.models import LedgerAccount
from aegis_web.runs.models import Kind, RunStatus
from aegis_web.system.models import Node
from aegis_web.tokens.models import Token
from tests.runs.rows import add_attempts, add_job, add_log, add_manual_run, add_run
from tests.support.applications import Browser, make_admin

FEW, MANY = 1, 60
PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
STREAMS = {"live.everything", "live.job", "live.run"}  # they do not end
NO_PAGES = {  # for who has signed in; without single sign-on, passkeys and a file
    "accounts.choose_password", "accounts.confirm_by_single_sign_on", "accounts.confirm_connection",
    "accounts.connect", "accounts.forgotten", "accounts.new_passkey", "accounts.second_step",
    "accounts.set_up", "accounts.set_up_link", "accounts.single_sign_on",
    "accounts.single_sign_on_back", "backups.download", "backups.download_latest", "backups.text",
    "security.login", "static", "system.healthz", "system.readyz",
}  # fmt: skip
QUERIES = {
    "jobs.bulk_ask": "?verb=pause&job=" + "&job=".join(str(n) for n in range(1, 200)),
    "jobs.preview": "?trigger=cron&cron=0+2+*+*+*&zone=UTC",
    "ledger.why": "?at=2026-01-01T00:00",
    "palette.index": "?q=job",
    "runs.index": "?q=boom",
}
ALONE = {"jobs.menu", "jobs.services", "jobs.trial", "palette.index", "runs.log"}  # of no page


def add_rows(app: Flask, numbers: range) -> None:
    """One row more of everything for each number."""
    now, alice = utc_now(), Actor("alice")
    for number in numbers:
        when = now - timedelta(minutes=number + 1)
        with app.app_context(), transaction() as session:
            calendar = Calendar(name=f"Freeze {number}", zone="UTC", periods=[])
            session.add_all([calendar, Group(name=f"group {number}", max_running=2)])
            session.flush()
            calendar_id = calendar.id
        values: dict[str, Any] = {"owner": f"Team {number}", "tags": [f"tag{number}"]}
        values |= {"calendar_id": calendar_id, "group_name": f"group {number}"}
        active = add_job(app, f"Job {number}", **values)
        if number == 0:
            broken = add_job(app, "Broken", service="gone", problem="gone")
            trial = add_job(app, "Trial", origin=Origin.TRIAL, deleted_at=now)
            add_manual_run(app, trial, kind=Kind.TRIAL, at=when)
            assert (active, broken, trial) == (1, 2, 3)
            with app.app_context(), transaction() as session:
                session.add(Pause(from_at=now, paused_by="alice"))
        else:
            add_job(app, f"Broken {number}", service=f"gone{number}", problem="gone")
        add_job(app, f"Paused {number}", state=JobState.PAUSED, pause_reason="Deploy")
        failed = add_run(app, active, RunStatus.FAILED, when, error=f"Boom{chr(97 + number)}: x")
        add_run(app, 1, RunStatus.SUCCEEDED, when - timedelta(days=1), details={"result": "1"})
        add_run(app, active, RunStatus.RUNNING, when + timedelta(days=1), {"progress_done": 1.0})
        add_attempts(app, failed, {"error": "Boom: x"})
        if number:
            add_attempts(app, 2, *[{"error": "Boom: x", "number": number + 1}])
        add_log(app, 2, [f"out line {number}"], sequence=number)
        with app.app_context(), transaction() as session:
            job = session.get_one(Job, 1)
            keep_version(session, job, when, alice, note=f"Change {number}")
            session.add(audit_entry(alice, "job.change", "job:1", {}, {"name": "x"}))
            session.merge(JobSkip(job_id=active, fire_at=job.next_run_at, skipped_by="alice"))
            session.add(SavedView(account_id=1, name=f"View {number}", args={"q": str(number)}))
            session.add(
                Feed(name="Ann", tag="", token_sha256=token_sha256(str(number)), made_at=now,
                     made_by="alice")
            )  # fmt: skip
            session.add(
                Token(prefix=f"{number:08}", secret_sha256="", account_id=1, name="CI",
                      scopes=["read"], made_at=now)
            )  # fmt: skip
            session.add(
                Backup(file_name=f"{number}.db", database="SQLite", size_bytes=1, sha256="",
                       made_at=when, seconds=1.0, made_by="alice")
            )  # fmt: skip
            session.add(
                LedgerAccount(job_id=active, from_at=when, until_at=now, expected=9, succeeded=9,
                              failed=0, skipped=0, missed=0, cancelled=0, open=0, unexplained=0,
                              checked_at=now)
            )  # fmt: skip
            session.add(
                Acknowledgement(fingerprint=str(number), jobs=[1], made_at=now, made_by="alice")
            )
            session.add(Node(name=f"host:{number}", version="1", started_at=now, beat_at=now))


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """What the database is asked meanwhile, by pages and by what they store."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engines = [db.engines[None], db.engines[WRITE]]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def addresses(app: Flask) -> dict[str, str]:
    """An address for each route that can be read, by its endpoint."""
    found = {}
    special = {"jobs.repair": 2, "runs.show": 2, "runs.log": 2, "jobs.trial": 1}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in STREAMS:
            number = special.get(rule.endpoint, 1)
            values = {name: number for name in rule.arguments} | {"token": "0", "filename": "x"}
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built, rule
            found[rule.endpoint] = built[1] + QUERIES.get(rule.endpoint, "")
    return found


@pytest.mark.parametrize("headers", [{}, PART], ids=["pages", "parts"])
def test_the_number_of_queries_is_that_of_one_row(
    app: Flask, admin: Browser, headers: dict[str, str]
) -> None:
    def counted() -> dict[str, int]:
        found = {}
        with statements(app) as seen:
            for endpoint, path in addresses(app).items():
                asked = PART if endpoint in ALONE else headers
                admin.get(path, headers=asked)  # the first time something may be looked up
                seen.clear()
                answer = admin.get(path, headers=asked)
                assert answer.status_code == 200 or endpoint in NO_PAGES, (endpoint, answer)
                found[endpoint] = len(seen)
        return found

    add_rows(app, range(FEW))
    few = counted()
    assert len(few) > 50
    add_rows(app, range(FEW, MANY))
    with app.app_context():
        for number in range(MANY):
            make_admin(f"admin{number}@example.org")
    many = counted()
    grown = {end: (few[end], many[end]) for end in few if many[end] > few[end]}
    assert grown == {}
