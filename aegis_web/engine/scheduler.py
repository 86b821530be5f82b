"""The BackgroundScheduler whose loop steps the node, and the Flask-APScheduler object.

APScheduler is the clock and the words its users know; what is due, what ran and what became of it
is decided and written by the node's turns.
"""

import gc
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ADDED, JobEvent
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_PAUSED, STATE_STOPPED
from apscheduler.util import undefined
from flask import Flask
from flask_apscheduler import APScheduler
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.database import WRITE
from aegis_web.discovery import DECLARE, declaration_refused, refusal_of
from aegis_web.engine import output
from aegis_web.engine.aps_jobs import OUR_WORDS, LedgerJob
from aegis_web.engine.events import Teller
from aegis_web.engine.executors.loop import LoopExecutor
from aegis_web.engine.executors.processes import ProcessExecutor
from aegis_web.engine.executors.threads import ThreadExecutor
from aegis_web.engine.node import News, Node
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.runner import Runner
from aegis_web.engine.store import SQLAlchemyStore
from aegis_web.engine.triggers import (
    as_apscheduler,
    from_apscheduler,
    jitter_of,
    starts_when_declared,
)
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import committed, db
from aegis_web.registry import Registry
from aegis_web.runs.models import Lane
from aegis_web.vault import Vault

CHILD_RECIPE = "aegis_web.child:runner"  # by name: assembly stands above the engine
LOOP_TASKS = 200  # `async def` runs at once
BACK_OFF_SECONDS = (0.1, 5.0)
STOP_AFTER_SECONDS = 18.0  # of a shutdown: runs are asked to stop,
GIVE_UP_SECONDS = 24.0  # and what still runs is settled as lost; processes are killed at 23 s

log = logging.getLogger(__name__)


class LedgerScheduler(BackgroundScheduler):
    """APScheduler's scheduler over the ledger."""

    state: int
    _pending_jobs: list[tuple[LedgerJob, str, bool]]

    def __init__(
        self,
        engine: Engine,
        reader: Engine,
        registry: Registry,
        vault: Vault,
        *,
        scope: Callable[[], AbstractContextManager[Any]],
        threads: int,
        queue_limit: int,
        processes: int,
        recipe: Recipe,
        zone: str,
        anchor: Callable[[], datetime],
    ) -> None:
        """`engine` writes; `reader` serves looks that need no lock. Each run executes inside
        `scope`; those in processes by what the `recipe` makes. `zone` and `anchor` serve triggers
        without a zone or a start of their own."""
        self._zone, self._anchor = zone, anchor
        self._stepping = Lock()
        self._engine = engine
        self.store = SQLAlchemyStore(self._transaction, registry, vault)
        self.node = Node(engine, reader, registry, self.wakeup, queue_limit)
        runner = Runner(registry, vault, scope)
        here = (self.node.pulse, self.node.report)
        self.node.executors = {
            Lane.THREAD: ThreadExecutor(threads, runner, *here),
            Lane.LOOP: LoopExecutor(LOOP_TASKS, runner, *here),
            Lane.PROCESS: ProcessExecutor(processes, recipe, registry, vault, *here),
        }
        super().__init__()
        self._teller = Teller(self._dispatch_event)

    def _configure(self, config: dict[str, Any]) -> None:
        """APScheduler's options; whatever they say, the jobs lie in our store."""
        config.setdefault("timezone", self._zone)
        super()._configure(config)
        self._jobstores = {"default": self.store}
        self.store.start(self, "default")

    # --- APScheduler's words ------------------------------------------------------------------

    def add_job(
        self,
        func: Any,
        trigger: Any = None,
        args: Any = None,
        kwargs: Any = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool = False,
        **trigger_args: Any,
    ) -> LedgerJob:
        """APScheduler's `add_job`. Before the start it declares; afterwards it stores at once.

        Without an id the job is known by its function's stable name. Besides the arguments of the
        trigger it takes our policies by name: `retries=3`, `timeout_seconds=600` and the like.
        Raises: Invalid for arguments, options or triggers that cannot be kept.
        """
        own = {name: trigger_args.pop(name) for name in OUR_WORDS if name in trigger_args}
        options = {
            "misfire_grace_time": misfire_grace_time,
            "coalesce": coalesce,
            "max_instances": max_instances,
            "next_run_time": next_run_time,
        }
        job = LedgerJob(
            self,
            id=id,
            func=func,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            name=name,
            executor=executor,
            trigger=self._create_trigger(trigger, dict(trigger_args)),
            **{key: value for key, value in options.items() if value is not undefined},
        )
        job.anonymous, job.unnamed = id is None, name is None
        job.own = own
        job.jitter_seconds = jitter_of(trigger, trigger_args)
        job.floating = starts_when_declared(trigger, trigger_args)
        job.declared = self.store.declared(job)
        job.id = job.declared.job.key
        with self._jobstores_lock:
            if self.state != STATE_STOPPED:
                return self._real_add_job(job, jobstore, replace_existing)
            self._declare(job, jobstore, replace_existing)
        return job

    def _declare(self, job: LedgerJob, jobstore: str, replace_existing: bool) -> None:
        """Keep a declaration until the start. Raises: Invalid when its id is taken."""
        if not job.anonymous:
            same = [item for item in self._pending_jobs if item[0].id == job.id]
            if same and not replace_existing:
                text = f"two declarations in code have the id {job.id!r}; give each its own"
                raise Invalid({"id": text})
            self._pending_jobs = [item for item in self._pending_jobs if item not in same]
        self._pending_jobs.append((job, jobstore, replace_existing))

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        if hasattr(trigger, "trigger"):
            return trigger
        start = utc_now() if trigger in (None, "date") else self._anchor()
        return as_apscheduler(from_apscheduler(trigger, trigger_args, self._zone, start))

    def _real_add_job(self, job: LedgerJob, jobstore: str, replace_existing: bool) -> LedgerJob:
        """Store a job while the scheduler runs; the job as it is stored."""
        stored = self.store.put(job.declared, replace_existing)
        stored._jobstore_alias = jobstore
        self._dispatch_event(JobEvent(EVENT_JOB_ADDED, stored.id, jobstore))
        return stored

    def scheduled_job(self, trigger: Any, *args: Any, **kwargs: Any) -> Any:
        """APScheduler's decorator."""

        def declare(func: Any) -> Any:
            self.add_job(func, trigger, *args, **{"replace_existing": True, **kwargs})
            return func

        return declare

    def wakeup(self) -> None:
        """Look at once instead of at the next half second."""
        if self._event is not None and not self._event.is_set():  # `set` costs a lock
            self._event.set()

    # --- life ---------------------------------------------------------------------------------

    def start(self, paused: bool = False) -> None:
        """Bring code jobs in line with their declarations, become a node, begin to turn.

        Raises: AegisError when this scheduler was stopped before.
        """
        if self.node.draining:
            raise AegisError("a scheduler that was stopped cannot start again: make a new one")
        output.install()
        pending, self._pending_jobs = self._pending_jobs, []
        self.store.agree([job.declared for job, _, _ in pending])
        self.node.register()
        committed.connect(self._on_commit)
        super().start(paused=paused)

    def begin_shutdown(self) -> None:
        """Claim and promote nothing more from now on; what runs goes on."""
        self.node.draining = True
        self.wakeup()

    def shutdown(
        self,
        wait: bool = True,
        stop_after: float = STOP_AFTER_SECONDS,
        give_up_after: float = GIVE_UP_SECONDS,
    ) -> None:
        """End this node: drain, ask runs to stop after a while, settle every row, go.

        With `wait` False nothing is waited for; what still runs is settled as lost.
        """
        if self.state == STATE_STOPPED:
            return
        self.begin_shutdown()
        if wait:
            self._drain(stop_after, give_up_after)
        committed.disconnect(self._on_commit)
        self.state = STATE_STOPPED
        self.wakeup()
        self._thread.join(BACK_OFF_SECONDS[1])
        with self._stepping:
            self.node.close(self._tell)
        self._teller.close()

    def _drain(self, stop_after: float, give_up_after: float) -> None:
        began = monotonic()
        if self._stepping.acquire(timeout=give_up_after):  # until an open turn has handed over
            self._stepping.release()
        asked = False
        while self.node.busy() and monotonic() - began < give_up_after:
            if not asked and monotonic() - began >= stop_after:
                self.node.stop_all()
                asked = True
            time.sleep(0.02)

    def _create_default_executor(self) -> Any:
        return NoExecutor()

    def _on_commit(self, _: object) -> None:
        self.wakeup()

    def _main_loop(self) -> None:
        delay = BACK_OFF_SECONDS[0]
        wait = 0.0
        try:
            while self.state != STATE_STOPPED:
                self._event.wait(wait)
                self._event.clear()
                try:
                    wait = self._process_jobs()
                    delay = BACK_OFF_SECONDS[0]
                except Exception:
                    self.node.failed()
                    log.exception("a turn failed; it is tried again in %.1f s", delay)
                    wait, delay = delay, min(delay * 2, BACK_OFF_SECONDS[1])
        except BaseException:
            log.critical("the scheduler cannot go on; the process ends", exc_info=True)
            os._exit(70)

    def _process_jobs(self) -> float:
        """What APScheduler's loop calls; seconds until it should call again."""
        with self._stepping:
            if self.state == STATE_STOPPED:
                return 0.0
            self.node.paused = self.state == STATE_PAUSED
            return self.node.step(self._tell)

    def _tell(self, news: News) -> None:
        """APScheduler's events, after the commit that made them true."""
        if self._listeners:
            self._teller.tell(news)

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session
        self.wakeup()


class NoExecutor(BaseExecutor):
    """Stands where APScheduler wants an executor; runs come from the ledger instead."""

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        raise AegisError("runs are handed out by the node, not by APScheduler")


class LedgerAPScheduler(APScheduler):
    """Flask-APScheduler's object over our scheduler. Its REST API stays off."""

    def run_job(self, id: str, jobstore: str | None = None) -> int:
        """Queue a run of the job; it executes where all runs do, and the ledger knows of it."""
        run_id: int = self.scheduler.store.request_run(id)
        self.scheduler.wakeup()
        return run_id


def init_app(app: Flask) -> LedgerScheduler:
    """Bind a scheduler to the app; it is not started. Code can declare jobs on it at once."""
    settings = app.extensions["aegis.settings"]
    with app.app_context():
        scheduler = LedgerScheduler(
            db.engines[WRITE],
            db.engines[None],
            app.extensions["aegis.registry"],
            app.extensions["aegis.vault"],
            scope=app.app_context,
            threads=settings.threads,
            queue_limit=settings.queue_limit,
            processes=settings.processes,
            recipe=Recipe(CHILD_RECIPE, settings.as_environment()),
            zone=settings.zone,
            anchor=anchor_rule(settings),
        )
        LedgerAPScheduler(scheduler).init_app(app)
    app.extensions["aegis.scheduler"] = scheduler
    return scheduler


def anchor_rule(settings: Settings) -> Callable[[], datetime]:
    """Where intervals without a start are anchored: at their creation; where nothing outlives the
    process, at the last local midnight, so that a restart does not move them."""

    def creation() -> datetime:
        return utc_now().replace(microsecond=0)

    def midnight() -> datetime:
        local = utc_now().astimezone(ZoneInfo(settings.zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    return creation if settings.persistent else midnight


def declare_jobs(app: Flask) -> None:
    """Let the modules of the code declare their jobs; needs an application context.

    A module that raises is refused from that line on, as the Services page shows; the rest works.
    """
    registry: Registry = app.extensions["aegis.registry"]
    scheduler: LedgerScheduler = app.extensions["aegis.scheduler"]
    known = {refused.name for refused in registry.refused}
    for name in ("aegis_web.schedule", *app.extensions["aegis.settings"].services):
        if name in known:
            continue
        try:
            declare = getattr(importlib.import_module(name), DECLARE, None)
        except Exception as error:
            registry.refused.append(refusal_of(name, error))
            continue
        try:
            if declare is not None:
                declare(scheduler)
        except Exception as error:
            registry.refused.append(declaration_refused(name, error))


def start_engine(app: Flask, *, paused: bool = False) -> LedgerScheduler:
    """Declare the jobs of the code, then start the node. The caller owns its shutdown."""
    scheduler: LedgerScheduler = app.extensions["aegis.scheduler"]
    with app.app_context():
        declare_jobs(app)
        for refused in app.extensions["aegis.registry"].refused:
            log.error("refused: %s", refused)
        scheduler.start(paused=paused)
    gc.freeze()  # what is there now stays: the collector need not look at it again in each herd
    return scheduler
