"""How late runs start: 20 jobs due each second, for a minute.

    .venv/bin/python -m benchmarks.lateness [--seconds 60] [--postgres]

Lateness is the time at which the function begins, less its fire time, as the function itself sees
it. In one run: plain APScheduler on SQLite in WAL mode (synchronous NORMAL), and the product as
shipped. The fire times lie all over each second.
"""

import argparse
import threading
import time
from datetime import UTC, datetime, timedelta
from statistics import quantiles

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import create_engine, event

from benchmarks.databases import arguments, scratch
from benchmarks.herd import pragmas
from benchmarks.nodes import THREADS, BenchmarkNode, begun, note

JOBS = 20


def note_plain(offset: float) -> None:
    """The same, where nobody tells a function its fire time: the newest one that has passed."""
    now = time.time()
    begun.append((int(now - offset) + offset, now))


def starts(first: datetime) -> list[datetime]:
    """The first fire time of each job."""
    return [first + timedelta(microseconds=number * 1_000_000 // JOBS) for number in range(JOBS)]


def plain(url: str, seconds: float) -> None:
    engine = create_engine(url)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", pragmas("NORMAL"))
    scheduler = BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine)},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start()
    for number, start in enumerate(starts(soon())):
        scheduler.add_job(note_plain, "interval", seconds=1, start_date=start, args=[number / JOBS])
    threading.Event().wait(seconds + 3)
    scheduler.pause()
    scheduler.shutdown()
    engine.dispose()


def ours(url: str, seconds: float) -> None:
    node = BenchmarkNode(url)
    for number, start in enumerate(starts(soon())):
        node.scheduler.add_job(note, "interval", seconds=1, start_date=start, id=str(number))
    node.scheduler.start()
    threading.Event().wait(seconds + 3)
    node.close()


def soon() -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            for who, measure in (("plain", plain), ("with ledger", ours)):
                begun.clear()
                measure(url.format(who.replace(" ", "-")), options.seconds)
                late = [(start - fire) * 1000 for fire, start in begun]
                parts = quantiles(late, n=100)
                print(
                    f"{name}, {who}: {len(late)} runs, late by p50 {parts[49]:.1f} ms,"
                    f" p99 {parts[98]:.1f} ms, worst {max(late):.1f} ms"
                )


if __name__ == "__main__":
    main()
