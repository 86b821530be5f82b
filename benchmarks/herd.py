"""A herd: many jobs due in the same second, until the last run is recorded.

    .venv/bin/python -m benchmarks.herd [--jobs 1000] [--repeat 3] [--postgres]

In one run: plain APScheduler with its SQLAlchemyJobStore at its best (SQLite in WAL mode with
synchronous NORMAL, no grace time), which records nothing; the same with synchronous FULL; the
product as shipped (WAL, FULL), which writes a row for each run; and the bare driver writing the
same rows in one transaction. A no-op function, ten threads on both sides. PostgreSQL as installed.
"""

import argparse
import pickle
import time
from collections.abc import Callable
from datetime import datetime
from statistics import median
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import create_engine, event, text

from benchmarks.databases import arguments, scratch
from benchmarks.nodes import (
    THREADS,
    BenchmarkNode,
    due_instant,
    micros,
    noop,
    wait_until_none,
)

INSERT = """
    INSERT INTO runs (job_id, fire_at, kind, status, lane, priority, attempt, node_id, queued_at,
                      started_at, finished_at)
    VALUES (?, ?, 0, 2, 0, 1, 1, 1, ?, ?, ?)
"""
ADVANCE = "UPDATE jobs SET next_run_at = ? WHERE id = ?"
COUNT = "INSERT INTO run_counts (hour, job_id, status, count) VALUES (?, ?, 2, 1)"


def plain(url: str, jobs: int, synchronous: str) -> float:
    """Seconds from the due instant until plain APScheduler has stored its last job's state."""
    engine = create_engine(url)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", pragmas(synchronous))
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine)},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start(paused=True)
    scheduler.remove_all_jobs()
    for number in range(jobs):
        scheduler.add_job(noop, "cron", minute=0, id=str(number))
    due = due_instant()
    move = text("UPDATE apscheduler_jobs SET next_run_time = :due")
    with engine.begin() as connection:
        connection.execute(move, {"due": due.timestamp()})
    reset_pickles(scheduler, due)
    scheduler.resume()
    left = text("SELECT EXISTS (SELECT 1 FROM apscheduler_jobs WHERE next_run_time <= :due)")
    seconds = wait_until_none(engine, left, {"due": due.timestamp()}, due)
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


def pragmas(synchronous: str) -> Callable[[Any, object], None]:
    def set_them(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    return set_them


def ours(url: str, jobs: int) -> tuple[float, float]:
    """Seconds from the due instant until the ledger has the end of the last run, and until the
    first one began."""
    node = BenchmarkNode(url)
    node.store(jobs)
    node.scheduler.start()
    due = node.make_due()
    seconds = node.seconds_until_recorded(due)
    recorded = node.scalar("SELECT count(*) FROM runs WHERE status = 2")
    first = node.scalar("SELECT min(started_at) FROM runs") - micros(due)
    node.close()
    if recorded != jobs:
        raise SystemExit(f"{recorded} of {jobs} runs were recorded")
    return seconds, first / 1e6


def bare(url: str, jobs: int) -> float:
    """Seconds that the driver alone needs for the same rows, in one transaction."""
    node = BenchmarkNode(url)
    node.store(jobs)
    due = micros(due_instant())
    ids = [row[0] for row in node.rows("SELECT id FROM jobs")]
    rows = [(id, due, due, due, due) for id in ids]
    connection = node.engine.raw_connection()
    mark = "?" if url.startswith("sqlite") else "%s"
    cursor = connection.cursor()
    began = time.perf_counter()
    if mark == "?":
        cursor.execute("BEGIN IMMEDIATE")
    cursor.executemany(INSERT.replace("?", mark), rows)
    cursor.executemany(ADVANCE.replace("?", mark), [(due + 1, id) for id in ids])
    cursor.executemany(COUNT.replace("?", mark), [(due // 3_600_000_000, id) for id in ids])
    connection.commit()
    seconds = time.perf_counter() - began
    connection.close()
    node.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments(parser)
    options = parser.parse_args()
    jobs = options.jobs
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            measures: dict[str, list[float]] = {}
            for repetition in range(options.repeat):
                place = f"{repetition}-{{}}"
                kinds = ["NORMAL", "FULL"] if name == "SQLite" else ["as installed"]
                for kind in kinds:
                    found = plain(url.format(place.format(f"plain-{kind}")), jobs, kind)
                    measures.setdefault(f"plain, {kind}", []).append(found)
                recorded, first = ours(url.format(place.format("ours")), jobs)
                measures.setdefault("with ledger", []).append(recorded)
                measures.setdefault("first start", []).append(first)
                found = bare(url.format(place.format("bare")), jobs)
                measures.setdefault("bare driver", []).append(found)
            print(f"{name}, {jobs} jobs, {options.repeat} times: median, all")
            mine = median(measures["with ledger"])
            for what, values in measures.items():
                ratio = "" if what == "with ledger" else f"   {median(values) / mine:6.2f} of ours"
                listed = " ".join(f"{value:.3f}" for value in values)
                print(f"  {what:16} {median(values):7.3f} s{ratio}   ({listed})")


if __name__ == "__main__":
    main()
