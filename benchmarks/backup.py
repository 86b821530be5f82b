"""A backup, its proof and its restore of a large SQLite database, while a server is at work on it.

    .venv/bin/python -W ignore -m benchmarks.backup [--mb 1000]

The history is rows of the database; the server is started as users do, with one job each second,
a writer of 50 rows a second beside it, and a viewer of pages. Each step is a process of its own,
whose memory is the growth of its peak; a copy that begins again ends the benchmark. Compared with
it: a plain copy of the file, then zstd.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zstandard
from sqlalchemy import create_engine, insert

from aegis_web.backups.packing import LEVEL
from aegis_web.jobs.models import Job
from benchmarks.nodes import NEVER, job_row
from benchmarks.pages import Viewer, served

JOBS = 200
BATCH_ROWS = 25_000
WRITES_A_SECOND = 50
PATHS = ("/", "/jobs", "/runs", "/backups")
HISTORY = """
    WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
    INSERT INTO runs (job_id, fire_at, kind, status, lane, priority, attempt, queued_at,
        started_at, finished_at, error)
    SELECT i % :jobs + 1, :now - i * 1000000, 0, CASE WHEN i % 33 THEN 2 ELSE 3 END, 0, 1, 1,
        :now - i * 1000000, :now - i * 1000000 + 2000, :now - i * 1000000 + 900000,
        CASE WHEN i % 33 THEN NULL ELSE 'ValueError: row ' || i || ' has no price' END
    FROM n
"""
STEP = """
import json, resource, sys, time
from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Watch
from aegis_web.backups.proving import prove
from aegis_web.backups.restoring import restore
copied = [0]
def note(done, total, message):
    if message == "pages copied":
        assert done >= copied[-1], "the copy has begun again"
        copied.append(done)
step, number = sys.argv[1], int(sys.argv[2])
with create_app().app_context():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    if step == "backup":
        number = back_up(SYSTEM, watch=Watch(note, lambda: False)).id
    elif step == "proof":
        prove(number, SYSTEM)
    else:
        restore(number, SYSTEM)
    seconds = time.monotonic() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"seconds": seconds, "megabytes": grown / 1024, "number": number}))
"""


def fill(file: Path, megabytes: int) -> int:
    """Give the database a history of about that size; how many runs."""
    url = f"sqlite:///{file}"
    engine = create_engine(url)
    with engine.begin() as connection:
        never = {"kind": "cron", "expression": "0 0 1 1 *", "zone": "UTC"}
        rows = [job_row(str(number), "nodes.noop", never, NEVER) for number in range(JOBS)]
        connection.execute(insert(Job), rows)
    engine.dispose()
    now, last = time.time_ns() // 1000, 0
    with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as connection:
        while file.stat().st_size + wal(file) < megabytes * 1_000_000:
            values = {"first": last + 1, "last": last + BATCH_ROWS, "jobs": JOBS, "now": now}
            connection.execute(HISTORY, values)
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            last += BATCH_ROWS
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")
    return last


def make_due(file: Path) -> None:
    """Let one job fire each second from now on."""
    anchor = "2026-01-01T00:00:00Z"
    trigger = {"kind": "interval", "every": 1, "unit": "seconds", "anchor": anchor, "zone": "UTC"}
    update = "UPDATE jobs SET trigger = ?, trigger_kind = ?, next_run_at = ? WHERE name = ?"
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        now = time.time_ns() // 1000
        connection.execute(update, (json.dumps(trigger), "interval", now - now % 1_000_000, "1"))


def wal(file: Path) -> int:
    """How large the log of writes is, in bytes."""
    beside = Path(f"{file}-wal")
    return beside.stat().st_size if beside.exists() else 0


def plain(file: Path, folder: Path) -> float:
    """Seconds for a plain copy of the file, and zstd of the copy."""
    began = time.monotonic()
    shutil.copyfile(file, folder / "copy")
    with (folder / "copy").open("rb") as source, (folder / "packed").open("wb") as target:
        zstandard.ZstdCompressor(level=LEVEL).copy_stream(source, target)
        os.fsync(target.fileno())
    seconds = time.monotonic() - began
    for name in ("copy", "packed"):
        (folder / name).unlink()
    return seconds


class Load:
    """A writer and a viewer beside the steps."""

    def __init__(self, file: Path, viewer: Viewer) -> None:
        self.file, self.viewer = file, viewer
        self.ended = threading.Event()
        self.writes: list[float] = []  # ms each
        self.pages: list[float] = []
        self.wal = 0

    def write(self) -> None:
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=60)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            while not self.ended.wait(1 / WRITES_A_SECOND):
                began = time.monotonic()
                connection.execute("UPDATE jobs SET revision = revision + 1 WHERE id = 2")
                self.writes.append((time.monotonic() - began) * 1000)
                self.wal = max(self.wal, wal(self.file))

    def look(self) -> None:
        while not self.ended.wait(0.05):
            for path in PATHS:
                self.pages.append(self.viewer.milliseconds(path))


@contextmanager
def loaded(file: Path, viewer: Viewer) -> Iterator[Load]:
    load = Load(file, viewer)
    threads = [threading.Thread(target=work) for work in (load.write, load.look)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.ended.set()
        for thread in threads:
            thread.join()


def step(env: dict[str, str], name: str, number: int = 0) -> dict[str, Any]:
    """Run one step in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", STEP, name, str(number)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(name: str, found: dict[str, Any], load: Load) -> None:
    pages, writes = sorted(load.pages), sorted(load.writes)
    print(
        f"{name:8} {found['seconds']:7.1f} s  +{found['megabytes']:4.0f} MB  "
        f"pages p95 {at(pages, 0.95):5.0f} ms, most {at(pages, 1):6.0f} ({len(pages)})  "
        f"writes p95 {at(writes, 0.95):4.0f} ms, most {at(writes, 1):6.0f} ({len(writes)})  "
        f"log of writes at most {load.wal / 1e6:.0f} MB",
        flush=True,
    )


def at(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)] if values else 0.0


def latest(file: Path, since: int) -> float:
    """The most that a fire time since then began late, in ms."""
    query = "SELECT max(started_at - fire_at) FROM runs WHERE fire_at > ? AND kind = 0"
    with closing(sqlite3.connect(file)) as connection:
        return (connection.execute(query, (since,)).fetchone()[0] or 0) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="aegis-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        file = folder / "aegis.db"
        env = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{file}",
            "AEGIS_DATA_DIR": str(folder / "data"),
            "AEGIS_SERVICES": "benchmarks.nodes",
        }
        with served(env["DATABASE_URL"]) as viewer:
            runs = fill(file, options.mb)
            make_due(file)
            print(f"{runs:,} runs, {file.stat().st_size / 1e6:,.0f} MB")
            print(f"a plain copy, then zstd: {plain(file, folder):.1f} s")
            number = 0
            for what in ("backup", "proof", "restore"):
                since = time.time_ns() // 1000
                with loaded(file, viewer) as load:
                    found = step(env, what, number)
                number = found["number"]
                told(what, found, load)
                if what != "restore":
                    print(f"         at most {latest(file, since):.0f} ms late")


if __name__ == "__main__":
    main()
