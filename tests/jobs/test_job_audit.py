"""Who did what to a job: noted in the transaction of the change, or neither happens."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.engine import changes
from aegis_web.extensions import transaction
from tests.jobs.conftest import FORM, MakeJob, jobs, runs
from tests.support.applications import Browser

ACTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "change": ("", {**FORM, "revision": "1"}, "job.change"),
    "pause": ("/pause", {}, "job.pause"),
    "clone": ("/clone", {}, "job.create"),
    "run": ("/run", {"request_key": "k"}, "job.run"),
    "delete": ("/delete", {}, "job.delete"),
}


def noted(app: Flask) -> list[tuple[str, str, int | None]]:
    with app.app_context(), transaction() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.action, entry.actor, entry.account_id) for entry in entries]


def test_making_a_job_is_noted_with_all_that_it_is(app: Flask, admin: Browser) -> None:
    admin.post("/jobs", data={**FORM, "service": "call_partner", "arg.token": "s3cr3t"})
    with app.app_context(), transaction() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "job.create")).one()
    assert (entry.subject, entry.actor) == (f"job:{jobs(app)[0].id}", "alice@example.org")
    assert entry.before is None
    assert entry.after["name"] == "Daily report"
    assert "s3cr3t" not in str(entry.after)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_each_action_is_noted_once_with_who_did_it(
    app: Flask, admin: Browser, make_job: MakeJob, action: tuple[str, dict[str, Any], str]
) -> None:
    path, data, name = action
    job_id = make_job("Daily report")
    before = noted(app)
    assert admin.post(f"/jobs/{job_id}{path}", data=data).status_code == 303
    (entry,) = noted(app)[len(before) :]
    assert entry == (name, "alice@example.org", 1)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_what_cannot_be_noted_does_not_happen(
    app: Flask,
    admin: Browser,
    make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
    action: tuple[str, dict[str, Any], str],
) -> None:
    path, data, _ = action
    job_id = make_job("Daily report")
    monkeypatch.setattr(
        changes, "audit_entry", lambda *_, **__: AuditEntry()
    )  # lacks what it must have
    assert admin.post(f"/jobs/{job_id}{path}", data=data).status_code in (422, 500)
    (job,) = jobs(app)
    assert (job.revision, job.state, job.deleted_at, job.owner) == (1, "active", None, "")
    assert runs(app) == []
