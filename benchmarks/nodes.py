"""A node of the product for benchmarks: the engine on a fresh database, without pages."""

import gc
import os
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, insert, text

from aegis_web.clock import utc_now
from aegis_web.context import current_run
from aegis_web.database import Model, engine_options, tune
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.runner import Runner
from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.jobs.models import Job
from aegis_web.registry import Registry, service
from aegis_web.system import models as _nodes  # noqa: F401  (its table is needed too)
from aegis_web.vault import Vault

THREADS = 10
PROCESSES = os.cpu_count() or 2
LEAD = timedelta(seconds=2)  # between the last job stored and the herd
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
VAULT = Vault(["k" * 40])
begun: list[tuple[float, float]] = []  # of `note`: fire time, begin; seconds since the epoch
RECIPE = Recipe("benchmarks.nodes:runner", None)


@service(runs_in="thread")
def noop() -> None:
    """Does nothing, on a thread."""


def noop_in_process() -> None:
    """Does nothing, in a process."""


@service(runs_in="thread")
def work() -> None:
    """Takes 10 ms."""
    time.sleep(0.01)


@service(runs_in="thread")
def note() -> None:
    """Writes down when it began."""
    fire_time = current_run().fire_time
    assert fire_time is not None
    begun.append((fire_time.timestamp(), time.time()))


def known_functions() -> Registry:
    """What the jobs of benchmarks call."""
    registry = Registry()
    for function in (noop, noop_in_process, work, note):
        registry.add(function)
    return registry


def runner(_: object) -> Runner:
    """What executes them in a process."""
    return Runner(known_functions(), VAULT, nullcontext)


UNFINISHED = text(
    "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'active' AND next_run_at <= :due"
    " AND deleted_at IS NULL) OR EXISTS (SELECT 1 FROM runs WHERE status = 0)"
    " OR EXISTS (SELECT 1 FROM runs WHERE status = 1)"
)


class BenchmarkNode:
    """A scheduler on an emptied database."""

    def __init__(self, url: str, *, empty: bool = True, registry: Registry | None = None) -> None:
        self.engine, self.reader = (create_engine(url, **engine_options(url)) for _ in range(2))
        tune(self.engine, writing=True)
        tune(self.reader, writing=False)
        if empty:
            Model.metadata.drop_all(self.engine)
            Model.metadata.create_all(self.engine)
        self.scheduler = LedgerScheduler(
            self.engine,
            self.reader,
            known_functions(),
            VAULT,
            scope=nullcontext,
            threads=THREADS,
            queue_limit=10**6,
            processes=PROCESSES,
            recipe=RECIPE,
            zone="UTC",
            anchor=due_instant,
        )

    def store(self, jobs: int, function: str = "nodes.noop", expression: str = "0 * * * *") -> None:
        """Insert jobs that are never due until `make_due`."""
        trigger = {"kind": "cron", "expression": expression, "zone": "UTC"}
        rows = [job_row(str(number), function, trigger, NEVER) for number in range(jobs)]
        with self.engine.begin() as connection:
            connection.execute(insert(Job), rows)

    def make_due(self) -> datetime:
        """Let all jobs be due at one coming instant; that instant."""
        due = due_instant()
        with self.engine.begin() as connection:
            update = text("UPDATE jobs SET next_run_at = :due")
            connection.execute(update, {"due": micros(due)})
        self.scheduler.wakeup()
        gc.freeze()  # as the server does after its start
        return due

    def seconds_until_recorded(self, due: datetime) -> float:
        """Seconds after `due` at which every due job has its row and every row its end."""
        return wait_until_none(self.reader, UNFINISHED, {"due": micros(due)}, due)

    def analyze(self) -> None:
        """Let the database gather its statistics."""
        with self.engine.begin() as connection:
            connection.execute(text("ANALYZE"))

    def unfinished(self) -> bool:
        """Whether anything is due now, waits or runs."""
        with self.reader.connect() as connection:
            return bool(connection.execute(UNFINISHED, {"due": micros(utc_now())}).scalar())

    def scalar(self, query: str) -> Any:
        """One value from the database."""
        with self.reader.connect() as connection:
            return connection.execute(text(query)).scalar()

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows from the database."""
        with self.reader.connect() as connection:
            return list(connection.execute(text(query), values).all())

    def close(self) -> None:
        """End it."""
        if self.scheduler.running:
            self.scheduler.shutdown()
        self.engine.dispose()
        self.reader.dispose()


def job_row(key: str, function: str, trigger: dict[str, Any], next_run_at: datetime) -> Any:
    """What a stored job needs, by column."""
    return {
        "key": key,
        "name": key,
        "service": function,
        "arguments": {},
        "trigger": trigger,
        "trigger_kind": trigger["kind"],
        "zone": "UTC",
        "next_run_at": next_run_at,
        "created_at": utc_now(),
        "updated_at": utc_now(),
        "created_by": "",
        "updated_by": "",
    }


def due_instant() -> datetime:
    """The next whole second that leaves time to get ready."""
    return (datetime.now(UTC) + LEAD).replace(microsecond=0) + timedelta(seconds=1)


def micros(instant: datetime) -> int:
    """Microseconds since the epoch."""
    return int(instant.timestamp() * 1_000_000)


def wait_until_none(engine: Engine, query: Any, values: dict[str, Any], due: datetime) -> float:
    """Seconds after `due` at which `query`, which costs little, first says that there is none."""
    time.sleep(max(0.0, due.timestamp() - time.time()))
    while True:
        with engine.connect() as connection:
            if connection.execute(query, values).scalar() in (0, False):
                return time.time() - due.timestamp()
        threading.Event().wait(0.005)
