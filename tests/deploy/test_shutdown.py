"""SIGTERM with runs in progress: what can finish finishes, every row is settled, in 25 seconds."""

import time
from datetime import datetime
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, text

from aegis_web.clock import from_us, utc_now
from aegis_web.config_values import sqlite_url
from aegis_web.runs.models import Reason, RunStatus
from tests.support.clocks import wait_until
from tests.support.servers import Server, StartServer

pytestmark = pytest.mark.essential
QUERY = text(
    "SELECT jobs.key, runs.status, runs.reason, runs.started_at, runs.finished_at "
    "FROM runs JOIN jobs ON jobs.id = runs.job_id"
)


class Row(NamedTuple):
    """One run as the ledger has it."""

    job: str
    status: RunStatus
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None


def ledger(server: Server) -> list[Row]:
    """Every run of the server's database."""
    engine = create_engine(sqlite_url(server.data_dir / "aegis.db"))
    with engine.connect() as connection:
        rows = connection.execute(QUERY).all()
    engine.dispose()
    return [
        Row(job, RunStatus(status), reason, instant(started), instant(finished))
        for job, status, reason, started, finished in rows
    ]


def instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_us(microseconds)


def running(server: Server) -> set[str]:
    return {row.job for row in ledger(server) if row.status is RunStatus.RUNNING}


def succeeded(server: Server) -> set[str]:
    return {row.job for row in ledger(server) if row.status is RunStatus.SUCCEEDED}


def test_sigterm_with_runs_in_progress_settles_every_row_in_time(start_server: StartServer) -> None:
    server = start_server(AEGIS_SERVICES="tests.deploy.endings").ready()
    wait_until(lambda: "brief" in succeeded(server), 30)  # so processes are there
    wait_until(lambda: running(server) >= {"brief", "polite", "stubborn", "deaf", "asleep"}, 20)

    asked, began = utc_now(), time.monotonic()
    assert server.stop(seconds=35) == 0
    seconds = time.monotonic() - began

    rows = ledger(server)
    assert 18 < seconds < 30, server.output()
    assert [row for row in rows if row.status in (RunStatus.QUEUED, RunStatus.RUNNING)] == []
    assert max((row.started_at - asked).total_seconds() for row in rows if row.started_at) < 1
    ended = {row.job: row for row in rows if row.finished_at and row.finished_at > asked}
    after = {
        job: (row.finished_at - asked).total_seconds()
        for job, row in ended.items()
        if row.finished_at
    }
    assert ended["brief"].status is RunStatus.SUCCEEDED
    assert after["brief"] < 4
    for job in ("polite", "asleep"):
        assert (ended[job].status, ended[job].reason) == (RunStatus.CANCELLED, Reason.SHUTDOWN)
        assert 17 < after[job] < 21
    assert ended["stubborn"].status is RunStatus.CANCELLED
    assert 20 < after["stubborn"] < 23
    assert (ended["deaf"].status, ended["deaf"].reason) == (RunStatus.LOST, Reason.SHUTDOWN)
    assert after["deaf"] < 25.5
