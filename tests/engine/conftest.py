"""Nodes of the engine on real databases, without a web application."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.database import engine_options, tune
from aegis_web.engine import changes
from aegis_web.engine.new_job import NewJob
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.engine.triggers import IntervalTrigger, Trigger, zone_named
from aegis_web.jobs.models import Job
from aegis_web.runs.models import Run, RunStatus
from tests.engine import functions
from tests.engine.children import VAULT, known_functions
from tests.support.clocks import wait_until

ALICE = Actor("alice@example.org", 1)
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


class EngineNode:
    """One node in this process, and what a test wants to see of its database."""

    def __init__(self, url: str, threads: int = 4, queue_limit: int = 100_000) -> None:
        self.engine = create_engine(url, **engine_options(url))
        self.reader = create_engine(url, **engine_options(url))
        tune(self.engine, writing=True)
        tune(self.reader, writing=False)
        self.registry = known_functions()
        self.scheduler = LedgerScheduler(
            self.engine,
            self.reader,
            self.registry,
            VAULT,
            scope=nullcontext,
            threads=threads,
            queue_limit=queue_limit,
            processes=2,
            recipe=Recipe("tests.engine.children:runner", None),
            zone="UTC",
            anchor=lambda: ANCHOR,
        )

    def session(self) -> Session:
        return Session(self.engine, expire_on_commit=False)

    def add(
        self, function: Callable[..., object], trigger: Trigger | None = None, **rest: object
    ) -> Job:
        """A stored job; without a trigger it is not due for years."""
        service = self.registry.add(function)
        trigger = trigger or never_due()
        key = str(rest.pop("key", f"job-{len(self.jobs())}"))
        with self.session() as session, session.begin():
            return changes.add(
                session,
                NewJob(key, key, service.name, trigger, **rest),
                ALICE,  # type: ignore[arg-type]
            )

    def jobs(self) -> list[Job]:
        with self.session() as session:
            return list(session.scalars(select(Job).order_by(Job.id)))

    def runs(self, *statuses: RunStatus) -> list[Run]:
        with self.session() as session:
            query = select(Run).order_by(Run.id)
            query = query.where(Run.status.in_(statuses)) if statuses else query
            return list(session.scalars(query))

    def request(self, job: Job, **rest: object) -> int:
        """A manual run of `job`."""
        with self.session() as session, session.begin():
            run_id = changes.request_run(session, job, self.registry, ALICE, **rest)  # type: ignore[arg-type]
        self.scheduler.wakeup()
        return run_id

    def settled(self, run_id: int) -> Run:
        """The run, once it has ended."""

        def ended() -> Run | None:
            with self.session() as session:
                run = session.get(Run, run_id)
            return run if run is not None and run.status >= RunStatus.SUCCEEDED else None

        return wait_until(ended)  # type: ignore[return-value]

    def make_due(self, job: Job, at: datetime) -> None:
        """Set a job's cursor."""
        with self.session() as session, session.begin():
            session.get_one(Job, job.id).next_run_at = at
        self.scheduler.wakeup()

    def close(self) -> None:
        if self.scheduler.running:
            functions.release.set()
            self.scheduler.shutdown(wait=False)
        self.engine.dispose()
        self.reader.dispose()


def never_due() -> IntervalTrigger:
    """A trigger whose first fire time lies far ahead."""
    return IntervalTrigger(1, "weeks", datetime(2200, 1, 1, tzinfo=UTC), zone_named("UTC"))


def every(seconds: int) -> IntervalTrigger:
    """An interval trigger anchored at a whole minute."""
    return IntervalTrigger(seconds, "seconds", ANCHOR, zone_named("UTC"))


MakeNode = Callable[..., EngineNode]


@pytest.fixture
def make_node(database_url: str) -> Iterator[MakeNode]:
    """Nodes on one database: once on SQLite, once on PostgreSQL."""
    nodes: list[EngineNode] = []
    functions.called.clear()
    functions.release.clear()

    def make(*, start: bool = True, **rest: int) -> EngineNode:
        node = EngineNode(database_url, **rest)
        nodes.append(node)
        if start:
            node.scheduler.start()
        return node

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: MakeNode) -> EngineNode:
    """A running node."""
    return make_node()
