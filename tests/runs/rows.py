"""Rows of jobs and runs, put straight into the database, for tests of screens."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert

from aegis_web.clock import to_us, utc_now
from aegis_web.engine.ledger.finish import keep_results
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobSkip
from aegis_web.runs.models import FormerAttempt, Kind, Run, RunDetails, RunLog, RunStatus

CRON = {"kind": "cron", "expression": "0 * * * *", "zone": "UTC"}


def add_job(app: Flask, name: str = "Nightly import", **values: Any) -> int:
    """A live job, due in half an hour; its number."""
    now = utc_now()
    row = {
        "key": name.lower().replace(" ", "-"),
        "name": name,
        "service": "check_certificate",
        "arguments": {"host": "example.org"},
        "trigger": CRON,
        "trigger_kind": "cron",
        "zone": "UTC",
        "next_run_at": now + timedelta(minutes=30),
        "created_at": now,
        "created_by": "alice",
        "updated_at": now,
        "updated_by": "alice",
        **values,
    }
    with app.app_context(), transaction() as session:
        job = Job(**row)
        session.add(job)
        session.flush()
        return job.id


def add_skip(app: Flask, job_id: int, fire_at: datetime) -> None:
    """A fire time that is to be skipped."""
    with app.app_context(), transaction() as session:
        session.add(JobSkip(job_id=job_id, fire_at=fire_at, skipped_by="alice"))


def run_values(job_id: int, status: RunStatus, at: datetime, **values: Any) -> dict[str, Any]:
    """A run of `job_id` that was due at `at`, began at once and took two seconds."""
    began = status not in (RunStatus.QUEUED, RunStatus.SKIPPED, RunStatus.MISSED)
    row: dict[str, Any] = {
        "job_id": job_id,
        "fire_at": at,
        "status": status,
        "kind": Kind.SCHEDULED,
        "queued_at": at,
        "started_at": at if began else None,
        "finished_at": at + timedelta(seconds=2) if status >= RunStatus.SUCCEEDED else None,
    }
    return row | values


def add_run(
    app: Flask,
    job_id: int,
    status: RunStatus = RunStatus.SUCCEEDED,
    at: datetime | None = None,
    details: dict[str, Any] | None = None,
    **values: Any,
) -> int:
    """One run; its number."""
    with app.app_context(), transaction() as session:
        run = Run(**run_values(job_id, status, at or utc_now(), **values))
        session.add(run)
        session.flush()
        if details is not None:
            session.add(RunDetails(run_id=run.id, **details))
        keep_results(session.connection(), [job_id])
        return run.id


def add_attempts(app: Flask, run_id: int, *attempts: dict[str, Any]) -> None:
    """Former attempts of a run, the first first; each failed after two seconds unless told."""
    with app.app_context(), transaction() as session:
        for number, values in enumerate(attempts, start=1):
            began = utc_now() - timedelta(minutes=30 - number)
            row: dict[str, Any] = {
                "run_id": run_id,
                "number": number,
                "status": RunStatus.FAILED,
                "started_at": began,
                "finished_at": began + timedelta(seconds=2),
            }
            session.add(FormerAttempt(**row | values))


def add_manual_run(app: Flask, job_id: int, who: str = "bob@example.org", **values: Any) -> int:
    """One run that somebody asked for; its number."""
    wanted = {"fire_at": None, "kind": Kind.MANUAL, "requested_by": who}
    return add_run(app, job_id, **{**wanted, **values})


def add_runs(app: Flask, rows: Sequence[dict[str, Any]]) -> None:
    """Many runs at once; the later in the list, the larger their numbers."""
    with app.app_context(), transaction() as session:
        session.execute(insert(Run), list(rows))
        keep_results(session.connection(), sorted({row["job_id"] for row in rows}))


def add_log(
    app: Flask, run_id: int, lines: Sequence[str], sequence: int = 0, at: datetime | None = None
) -> None:
    """One piece of a log; each line is `level text`."""
    at = at or utc_now()
    stored = (line.partition(" ") for line in lines)
    text = "".join(f"{to_us(at)}\t{level}\t{words}\n" for level, _, words in stored)
    with app.app_context(), transaction() as session:
        piece = zlib.compress(text.encode())
        session.add(RunLog(run_id=run_id, sequence=sequence, lines=piece, written_at=at))
