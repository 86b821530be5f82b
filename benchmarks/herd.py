"""A herd: many jobs due in the same second, until the last run is recorded.

    .venv/bin/python -m benchmarks.herd [--jobs 1000] [--postgres URL]

Measures, in one run, plain APScheduler with its SQLAlchemyJobStore at its best (SQLite in WAL mode
with synchronous NORMAL, no grace time), which records nothing, and the product as shipped (WAL,
synchronous FULL), which writes a row for each run. A no-op function, ten threads on both sides.
"""

import argparse
import tempfile
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine, create_engine, event, text

from aegis_web.database import Model, engine_options, tune
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.registry import Registry, service
from aegis_web.system import models as _nodes  # noqa: F401  (its table is needed too)
from aegis_web.vault import Vault

THREADS = 10
LEAD = timedelta(seconds=2)  # between the last job stored and the herd


@service(runs_in="thread")
def noop() -> None:
    """Does nothing."""


def due_instant() -> datetime:
    """The next whole second that leaves time to get ready."""
    return (datetime.now(UTC) + LEAD).replace(microsecond=0) + timedelta(seconds=1)


def plain(url: str, jobs: int) -> float:
    """Seconds from the due instant until plain APScheduler has stored its last job's state."""
    engine = create_engine(url)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", wal_normal)
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine)},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start(paused=True)
    for number in range(jobs):
        scheduler.add_job(noop, "cron", minute=0, id=str(number))
    due = due_instant()
    move = text("UPDATE apscheduler_jobs SET next_run_time = :due")
    with engine.begin() as connection:
        connection.execute(move, {"due": due.timestamp()})
    reset_pickles(scheduler, due)
    scheduler.resume()
    left = text("SELECT count(*) FROM apscheduler_jobs WHERE next_run_time <= :due")
    seconds = wait_for_none(engine, left, {"due": due.timestamp()}, due)
    scheduler.shutdown()
    engine.dispose()
    return seconds


def reset_pickles(scheduler: BackgroundScheduler, due: datetime) -> None:
    """Let each stored job's own state say the same as its column."""
    store = scheduler._jobstores["default"]
    with store.engine.begin() as connection:
        import pickle

        rows = connection.execute(store.jobs_t.select()).all()
        changed = []
        for row in rows:
            state = pickle.loads(row.job_state)
            state["next_run_time"] = due
            changed.append({"key": row.id, "state": pickle.dumps(state, 5)})
        update = text("UPDATE apscheduler_jobs SET job_state = :state WHERE id = :key")
        connection.execute(update, changed)


def wal_normal(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def ours(url: str, jobs: int) -> float:
    """Seconds from the due instant until the ledger has the end of the last run."""
    engine, reader = (create_engine(url, **engine_options(url)) for _ in range(2))
    tune(engine, writing=True)
    tune(reader, writing=False)
    Model.metadata.drop_all(engine)
    Model.metadata.create_all(engine)
    registry = Registry()
    registry.add("benchmarks.herd:noop")
    scheduler = LedgerScheduler(
        engine,
        reader,
        registry,
        Vault(["k" * 40]),
        scope=nullcontext,
        threads=THREADS,
        processes=1,
        recipe=Recipe("", None),  # no run here is for a process
        zone="UTC",
        anchor=due_instant,
    )
    store_jobs(engine, jobs)
    due = due_instant()
    with engine.begin() as connection:
        micros = int(due.timestamp() * 1_000_000)
        connection.execute(text("UPDATE jobs SET next_run_at = :due"), {"due": micros})
    scheduler.start()
    unfinished = text(
        "SELECT (SELECT count(*) FROM jobs WHERE next_run_at <= :due)"
        " + (SELECT count(*) FROM runs WHERE status < 2)"
    )
    seconds = wait_for_none(reader, unfinished, {"due": micros}, due)
    with reader.connect() as connection:
        recorded = connection.execute(text("SELECT count(*) FROM runs WHERE status = 2")).scalar()
    scheduler.shutdown()
    engine.dispose()
    reader.dispose()
    if recorded != jobs:
        raise SystemExit(f"{recorded} of {jobs} runs were recorded")
    return seconds


def store_jobs(engine: Engine, jobs: int) -> None:
    """Insert the herd."""
    import json

    trigger = json.dumps({"kind": "cron", "expression": "0 * * * *", "zone": "UTC"})
    insert = text(
        "INSERT INTO jobs (key, name, description, owner, tags, origin, declared, service,"
        ' arguments, "trigger", trigger_kind, zone, state, pause_reason, next_run_at, overlap,'
        " max_running, catch_up, jitter_seconds, revision, created_at, created_by, updated_at,"
        " updated_by) VALUES (:key, :key, '', '', '[]', 'user', true, 'herd.noop', '{}', :trigger,"
        " 'cron', 'UTC', 'active', '', 9999999999999999, 'skip', 1, 'latest', 0, 1, 0, '', 0, '')"
    )
    with engine.begin() as connection:
        connection.execute(insert, [{"key": str(n), "trigger": trigger} for n in range(jobs)])


def wait_for_none(engine: Engine, query: Any, values: dict[str, Any], due: datetime) -> float:
    """Seconds after `due` at which `query` first counts nothing."""
    time.sleep(max(0.0, due.timestamp() - time.time()))
    while True:
        with engine.connect() as connection:
            if connection.execute(query, values).scalar() == 0:
                return time.time() - due.timestamp()
        threading.Event().wait(0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--postgres", help="URL of an empty scratch database to measure too")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    for repetition in range(options.repeat):
        with tempfile.TemporaryDirectory() as folder:
            urls = [f"sqlite:///{Path(folder) / '{}.db'}"]
            if options.postgres:
                urls.append(options.postgres)
            for url in urls:
                theirs = plain(url.format("plain"), options.jobs)
                mine = ours(url.format("ours"), options.jobs)
                print(
                    f"{repetition + 1}. {url.split(':')[0]}: {options.jobs} jobs: plain"
                    f" {theirs:.3f} s, with ledger {mine:.3f} s, {theirs / mine:.1f} times faster"
                )


if __name__ == "__main__":
    main()
