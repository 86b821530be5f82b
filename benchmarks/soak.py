"""Backups again and again: beside a writer, with one bit flipped, and killed at any point.

    .venv/bin/python -W ignore -m benchmarks.soak [--backups 1000] [--flips 1000] [--kills 200]

Each backup is proven, and what it holds looked at once more with plain SQLite. Each kill hits a
backup, a proof, a restore or a pruning in a process of its own at a random instant; afterwards the
database holds what it held before, or what the backup held, and no file that is not whole is
listed; a pruning that is killed between a file and its row is finished by the next one.
"""

import argparse
import hashlib
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard
from flask import Flask
from sqlalchemy import select

from aegis_web import create_app
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up, delete_backup
from aegis_web.backups.models import UPLOADED, Backup
from aegis_web.backups.proving import prove
from aegis_web.backups.pruning import prune
from aegis_web.backups.restoring import restore
from aegis_web.config import settings
from aegis_web.errors import AegisError
from aegis_web.extensions import db, transaction
from benchmarks.backup import WRITES_A_SECOND, fill

SEED = 20261129
CHANGE = "UPDATE jobs SET revision = revision + 1, description = ? WHERE id <= 2"


class Writer(threading.Thread):
    """Changes two jobs in one transaction, so that a copy between the two would show."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file, self.ended, self.writes = file, threading.Event(), 0

    def run(self) -> None:
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=60)) as connection:
            while not self.ended.wait(1 / WRITES_A_SECOND):
                connection.execute(CHANGE, (str(self.writes),))
                self.writes += 1


def faults_of(file: Path) -> list[str]:
    """What plain SQLite finds wrong with a database."""
    with closing(sqlite3.connect(file)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        faults = [] if found == ["ok"] else found
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            faults.append("a row refers to none")
        same = connection.execute(
            "SELECT count(DISTINCT revision), count(DISTINCT description) FROM jobs WHERE id <= 2"
        ).fetchone()
        if same != (1, 1):
            faults.append("half of a write")
    return faults


def unpacked(packed: Path, target: Path) -> Path:
    with packed.open("rb") as source, target.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(source, out)
    return target


def many(app: Flask, file: Path, folder: Path, number: int) -> None:
    """Back up `number` times beside a writer, prove each, and look at each."""
    writer = Writer(file)
    writer.start()
    bad: list[str] = []
    began = time.monotonic()
    try:
        for _turn in range(number):
            with app.app_context():
                made = back_up(SYSTEM)
                try:
                    prove(made.id, SYSTEM)
                    bad += faults_of(
                        unpacked(settings().backup_dir / made.file_name, folder / "plain")
                    )
                except AegisError as error:
                    bad.append(str(error))
                delete_backup(made.id, SYSTEM)
    finally:
        writer.ended.set()
        writer.join()
    seconds = time.monotonic() - began
    print(
        f"{number} backups in {seconds:.0f} s beside {writer.writes} writes, "
        f"{writer.writes / seconds:.0f} a second: {len(bad)} bad {bad[:3]}",
        flush=True,
    )


def flips(app: Flask, chance: random.Random, number: int) -> None:
    """Flip one bit of a backup, or cut it, and prove it: each must be found."""
    with app.app_context():
        made = back_up(SYSTEM)
        file = settings().backup_dir / made.file_name
        whole = file.read_bytes()
        found: Counter[str] = Counter()
        for turn in range(number):
            data = bytearray(whole)
            if turn % 4:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            else:
                del data[chance.randrange(len(data)) :]
            file.write_bytes(data)
            try:
                prove(made.id, SYSTEM)
                found["not found"] += 1
            except AegisError as error:
                found["found" if "take another backup" in str(error) else str(error)] += 1
        file.write_bytes(whole)
        prove(made.id, SYSTEM)
        delete_backup(made.id, SYSTEM)
    print(f"{number} flipped bits and cuts: {dict(found)}", flush=True)


def state_of(file: Path) -> str:
    """The SHA-256 of what a restore replaces; without revisions, which only ever rise."""
    with closing(sqlite3.connect(file)) as connection:
        rows = [
            connection.execute(query).fetchall()
            for query in (
                "SELECT id, name, description, state FROM jobs ORDER BY id",
                "SELECT count(*), max(id), sum(status) FROM runs",
                "SELECT count(*) FROM job_versions",
            )
        ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def in_a_process(work: Callable[[], object], kill_after: float | None = None) -> float | None:
    """The seconds that `work` took in a process of its own; None: it was killed before its end."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    if kill_after is not None:
        threading.Event().wait(kill_after)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return None if code else time.monotonic() - began


def listed(app: Flask) -> tuple[set[str], set[str]]:
    """The backups in the table whose file is not whole, and those whose file is gone."""
    partial, gone = set(), set()
    with app.app_context(), transaction() as session:
        for name, sha256 in session.execute(select(Backup.file_name, Backup.sha256)):
            file = settings().backup_dir / name
            if not file.exists():
                gone.add(name)
            elif hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
                partial.add(name)
    forget_connections(app)
    return partial, gone


def forget_connections(app: Flask) -> None:
    """Hold none, so that a child inherits none."""
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@contextmanager
def changed(file: Path, turn: int) -> Iterator[None]:
    """What the database holds differs from every backup."""
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        connection.execute(CHANGE, (f"turn {turn}",))
    yield


def kills(app: Flask, file: Path, chance: random.Random, number: int) -> None:
    """Kill each kind of work at random instants, and look at what is left."""

    def in_context(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with app.app_context():
                work()

        return run

    with app.app_context():
        backup_id = back_up(SYSTEM, origin=UPLOADED).id  # which no tier takes away
        prove(backup_id, SYSTEM)
        forget_connections(app)
    steps: dict[str, Callable[[], object]] = {
        "backup": lambda: back_up(SYSTEM),
        "proof": lambda: prove(backup_id, SYSTEM),
        "restore": lambda: restore(backup_id, SYSTEM),
        "pruning": lambda: prune(SYSTEM),
    }
    takes: dict[str, float] = {}
    for name, work in steps.items():
        for _turn in range(3 if name == "pruning" else 0):
            assert in_a_process(in_context(lambda: prove(back_up(SYSTEM).id, SYSTEM)))
        takes[name] = in_a_process(in_context(work)) or 0
    restored = state_of(file)
    counts: Counter[tuple[str, str]] = Counter()
    mixes = 0
    partial: set[str] = set()
    gone: set[str] = set()
    for turn in range(number):
        name = list(steps)[turn % len(steps)]
        if name == "pruning":
            in_a_process(in_context(lambda: prove(back_up(SYSTEM).id, SYSTEM)))
        with changed(file, turn):
            before = state_of(file)
        done = in_a_process(in_context(steps[name]), chance.uniform(0, takes[name]))
        after = state_of(file)
        what = "old" if after == before else "new" if after == restored else "mix"
        if what == "mix" or faults_of(file) or (what == "new" and name != "restore"):
            mixes += 1
        counts[name, "ended" if done else what] += 1
        found = listed(app)
        partial, gone = partial | found[0], gone | found[1]
    told = ", ".join(f"{name} {what} {count}" for (name, what), count in sorted(counts.items()))
    in_a_process(in_context(lambda: prove(back_up(SYSTEM).id, SYSTEM)))
    in_a_process(in_context(steps["pruning"]))
    stay = listed(app)[1]
    print(
        f"{number} kills: {mixes} mixes, {len(partial)} partial files listed ({told}); "
        f"{len(gone)} listed whose file a killed pruning had deleted, {len(stay)} after the next"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backups", type=int, default=1000)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--mb", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="aegis-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        file = folder / "aegis.db"
        os.environ["DATABASE_URL"] = f"sqlite:///{file}"
        os.environ["AEGIS_DATA_DIR"] = str(folder / "data")
        os.environ["AEGIS_SERVICES"] = "benchmarks.nodes"
        app = create_app()
        runs = fill(file, options.mb)
        print(f"{runs:,} runs, {file.stat().st_size / 1e6:,.0f} MB; chance begins at {SEED}")
        chance = random.Random(SEED)
        if options.backups:
            many(app, file, folder, options.backups)
        if options.flips:
            flips(app, chance, options.flips)
        forget_connections(app)
        kills(app, file, chance, options.kills)


if __name__ == "__main__":
    main()
