"""Pruning: what goes, and above all what never goes."""

import zlib
from datetime import datetime, timedelta
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import func, select

from aegis_web.audit.models import AuditEntry
from aegis_web.clock import EPOCH, utc_now
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import JobState
from aegis_web.runs import retention
from aegis_web.runs.models import (
    FormerAttempt,
    Kind,
    Run,
    RunCount,
    RunDetails,
    RunLog,
    RunStatus,
)
from aegis_web.runs.retention import Pruned, Retention, prune
from aegis_web.services.prune_history import prune_history
from tests.runs.rows import add_job, add_log, add_manual_run, add_run

KEEP = Retention(runs_days=90, logs_days=30, logs_mb=1024)
moments = count()


def days_ago(days: float) -> datetime:
    """An instant that long ago, each call a little later: no job has two of one."""
    return utc_now() - timedelta(days=days) + timedelta(milliseconds=next(moments))


def kept(app: Flask) -> set[int]:
    with app.app_context():
        return set(db.session.scalars(select(Run.id)))


def pieces(app: Flask) -> list[tuple[int, int]]:
    with app.app_context():
        rows = db.session.execute(select(RunLog.run_id, RunLog.sequence).order_by(RunLog.run_id))
        return [(row.run_id, row.sequence) for row in rows]


def pruned(app: Flask, keep: Retention = KEEP) -> Pruned:
    with app.app_context():
        return prune(keep)


def test_old_runs_go_with_all_that_is_theirs(any_app: Flask) -> None:
    app = any_app
    job = add_job(app)
    old = add_run(app, job, at=days_ago(91), details={"result": "1"})
    add_log(app, old, ["info old"], at=days_ago(91))
    young = add_run(app, job, at=days_ago(89), details={"result": "2"})
    add_log(app, young, ["info young"], at=days_ago(1))
    with app.app_context(), transaction() as session:
        for run_id in (old, young):
            session.add(FormerAttempt(run_id=run_id, number=1, status=RunStatus.FAILED))
    assert pruned(app).runs == 1
    assert kept(app) == {young}
    assert pieces(app) == [(young, 0)]
    with app.app_context():
        for owned in (RunDetails.run_id, FormerAttempt.run_id):
            assert list(db.session.scalars(select(owned))) == [young]


def test_runs_at_or_above_the_cursor_stay(any_app: Flask) -> None:
    app, cursor = any_app, days_ago(100)
    job = add_job(app, next_run_at=cursor, state=JobState.PAUSED)
    below = add_run(app, job, at=cursor - timedelta(seconds=1))
    at = add_run(app, job, at=cursor)
    above = add_run(app, job, at=cursor + timedelta(seconds=1))
    last = add_run(app, job, at=days_ago(95))
    pruned(app)
    assert kept(app) == {at, above, last}
    assert below not in kept(app)


def test_the_last_run_and_the_last_failure_of_a_job_stay(any_app: Flask) -> None:
    app = any_app
    job, other = add_job(app), add_job(app, "Other")
    failures = [add_run(app, job, RunStatus.LOST, at=days_ago(200 - n)) for n in range(3)]
    good = [add_run(app, job, at=days_ago(150 - n)) for n in range(3)]
    alone = add_run(app, other, RunStatus.SKIPPED, at=days_ago(300))
    assert pruned(app).runs == 4
    assert kept(app) == {failures[-1], good[-1], alone}
    assert pruned(app) == Pruned(0, 0, 0)


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST])
def test_each_kind_of_failure_counts_as_one(app: Flask, status: RunStatus) -> None:
    job = add_job(app)
    failure = add_run(app, job, status, at=days_ago(200))
    last = add_run(app, job, at=days_ago(150))
    pruned(app)
    assert kept(app) == {failure, last}


def test_the_last_run_of_a_finished_job_stays_and_the_rest_goes(app: Flask) -> None:
    job = add_job(app, state=JobState.FINISHED, next_run_at=None)
    runs = [add_run(app, job, at=days_ago(100 - n)) for n in range(3)]
    pruned(app)
    assert kept(app) == {runs[-1]}


def test_all_old_runs_of_a_deleted_job_go(app: Flask) -> None:
    job = add_job(app, deleted_at=days_ago(95), next_run_at=None)
    for status in (RunStatus.SUCCEEDED, RunStatus.FAILED):
        add_run(app, job, status, at=days_ago(100))
    young = add_run(app, job, at=days_ago(10))
    pruned(app)
    assert kept(app) == {young}


def test_open_runs_stay_however_old(app: Flask) -> None:
    job = add_job(app)
    waiting = add_run(app, job, RunStatus.QUEUED, at=days_ago(200))
    going = add_run(app, job, RunStatus.RUNNING, at=days_ago(199))
    add_log(app, going, ["info still here"], at=days_ago(150))
    last = add_run(app, job, at=days_ago(1))
    assert pruned(app, Retention(90, 1, 1)) == Pruned(0, 0, 0)
    assert kept(app) == {waiting, going, last}
    assert pieces(app) == [(going, 0)]


def test_manual_and_summary_runs_go_too(app: Flask) -> None:
    job = add_job(app)
    old = days_ago(100)
    add_manual_run(app, job, queued_at=old)
    add_run(app, job, RunStatus.MISSED, at=old, kind=Kind.SUMMARY, range_from=old, range_count=9)
    last = add_run(app, job, at=days_ago(1))
    pruned(app)
    assert kept(app) == {last}


def test_a_run_written_late_is_as_old_as_its_row(app: Flask) -> None:
    job = add_job(app)
    late = add_run(app, job, RunStatus.MISSED, at=days_ago(100), queued_at=days_ago(80))
    last = add_run(app, job, at=days_ago(1))
    pruned(app)
    assert kept(app) == {late, last}


def test_many_runs_go_in_small_steps(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    job = add_job(app)
    runs = [add_run(app, job, at=days_ago(100)) for _ in range(10)]
    heard: list[tuple[str, int]] = []
    with app.app_context():
        prune(KEEP, lambda what, number: not heard.append((what, number)))  # type: ignore[func-returns-value]
    assert heard == [("runs", 3), ("runs", 6), ("runs", 9)]
    assert kept(app) == {runs[-1]}


def test_it_stops_when_told_to(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    job = add_job(app)
    runs = [add_run(app, job, at=days_ago(100)) for _ in range(10)]
    with app.app_context():
        assert prune(KEEP, lambda _what, _number: False).runs == 3
    assert kept(app) == set(runs[3:])


# --- logs -------------------------------------------------------------------------------------


def test_old_logs_go_and_their_runs_stay(any_app: Flask) -> None:
    app = any_app
    job = add_job(app)
    old, young = add_run(app, job, at=days_ago(40)), add_run(app, job, at=days_ago(2))
    for sequence in range(2):
        add_log(app, old, ["info old"], sequence=sequence, at=days_ago(31))
    add_log(app, young, ["info young"], at=days_ago(29))
    assert pruned(app) == Pruned(runs=0, log_pieces=2, counts=0)
    assert kept(app) == {old, young}
    assert pieces(app) == [(young, 0)]


def test_beyond_their_total_size_the_oldest_logs_go_first(
    any_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = any_app
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MEGABYTE", 1000)
    job = add_job(app)
    runs = [add_run(app, job, at=days_ago(9 - n)) for n in range(5)]
    with app.app_context(), transaction() as session:
        for number, run in enumerate(runs):
            piece = zlib.compress(b"") + bytes(292)  # 300 bytes each
            at = days_ago(9 - number)
            session.add(RunLog(run_id=run, sequence=0, lines=piece, written_at=at))
    assert pruned(app, Retention(90, 30, 1)).log_pieces == 2
    assert pieces(app) == [(run, 0) for run in runs[2:]]


# --- counts -----------------------------------------------------------------------------------


def test_hourly_counts_go_with_the_runs_they_counted(any_app: Flask) -> None:
    app, job = any_app, add_job(any_app)
    hours = [(days_ago(days) - EPOCH) // timedelta(hours=1) for days in (95, 91, 89, 0)]
    with app.app_context(), transaction() as session:
        for hour in hours:
            session.add(RunCount(hour=hour, job_id=job, status=RunStatus.SUCCEEDED, count=5))
    assert pruned(app).counts == 2
    with app.app_context():
        assert set(db.session.scalars(select(RunCount.hour))) == set(hours[2:])


# --- the service function ---------------------------------------------------------------------


def test_the_audit_says_once_what_was_deleted_and_keeps_its_own_past(app: Flask) -> None:
    job = add_job(app)
    for _ in range(2):
        add_run(app, job, at=days_ago(100))
    with app.app_context(), transaction() as session:
        old = days_ago(400)
        session.add(AuditEntry(at=old, actor="alice", action="job.create", subject="job:1"))
    pruned(app)
    pruned(app)
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["job.create", "history.prune"]
    assert entries[1].after == {
        "kept": {"runs_days": 90, "logs_days": 30, "logs_mb": 1024},
        "deleted": {"runs": 1, "log_pieces": 0, "counts": 0},
    }


def test_the_service_function_keeps_what_the_settings_say(make_app, sqlite_database: str) -> None:  # type: ignore[no-untyped-def]
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_KEEP_RUNS_DAYS="10")
    job = add_job(app)
    for days in (11, 9, 1):
        add_run(app, job, at=days_ago(days))
    with app.app_context():
        assert prune_history() == {"runs": 1, "log_pieces": 0, "hourly_counts": 0}
        assert prune_history(runs_days=5) == {"runs": 1, "log_pieces": 0, "hourly_counts": 0}
        assert db.session.scalar(select(func.count()).select_from(Run)) == 1


def test_the_form_refuses_to_keep_nothing(app: Flask) -> None:
    function = app.extensions["aegis.registry"].find("prune_history")
    assert function is not None
    _, errors, _ = function.parse_form({"arg.runs_days": "0"})
    assert errors
