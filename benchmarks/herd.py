"""A herd: many jobs due in the same second, until the last run is recorded.

    .venv/bin/python -m benchmarks.herd [--jobs 1000] [--postgres URL]

Measures, in one run, plain APScheduler with its SQLAlchemyJobStore at its best (SQLite in WAL mode
with synchronous NORMAL, no grace time), which records nothing, and the product as shipped (WAL,
synchronous FULL), which writes a row for each run. A no-op function, ten threads on both sides.
"""

import argparse
import pickle
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import create_engine, event, text

from benchmarks.nodes import THREADS, BenchmarkNode, due_instant, noop, wait_for_none


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
    node = BenchmarkNode(url)
    node.store(jobs)
    due = node.make_due()
    node.scheduler.start()
    seconds = node.seconds_until_recorded(due)
    recorded = node.scalar("SELECT count(*) FROM runs WHERE status = 2")
    node.close()
    if recorded != jobs:
        raise SystemExit(f"{recorded} of {jobs} runs were recorded")
    return seconds


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
