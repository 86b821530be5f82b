"""The SQLAlchemy job store: our jobs table seen through APScheduler's interface.

Readable columns and JSON instead of pickles. What APScheduler's users call (`add_job`,
`get_jobs`, `pause_job`, `modify_job`, `remove_job`) ends here and in `changes`; screens never
come this way.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

from apscheduler.job import Job as ApsJob
from apscheduler.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from sqlalchemy import Select, Text, cast, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from aegis_web.audit.models import CODE, Actor
from aegis_web.engine import changes, ledger
from aegis_web.engine.aps_jobs import Declared, LedgerJob, checked_policies, fixed_part, policies
from aegis_web.engine.new_job import NewJob
from aegis_web.engine.triggers import (
    DateTrigger,
    Trigger,
    as_apscheduler,
    from_json,
    in_english,
    zone_named,
)
from aegis_web.errors import AegisError, Invalid
from aegis_web.jobs.models import CatchUp, Job, JobState, Origin
from aegis_web.registry import Registry
from aegis_web.vault import Vault

TRIES = 5
DEADLOCK = "40P01"  # PostgreSQL's word for it

log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractContextManager[Session]]


class SQLAlchemyStore(BaseJobStore):
    """APScheduler's job store over the jobs table."""

    def __init__(self, transaction: Transaction, registry: Registry, vault: Vault) -> None:
        super().__init__()
        self._transaction, self._registry, self._vault = transaction, registry, vault

    # What APScheduler calls.

    def lookup_job(self, job_id: str) -> ApsJob | None:
        with self._transaction() as session:
            job = live(session, job_id)
            return None if job is None else self._view(job)

    def get_due_jobs(self, now: datetime) -> list[ApsJob]:
        jobs = self.get_all_jobs()
        return [job for job in jobs if job.next_run_time and job.next_run_time <= now]

    def get_next_run_time(self) -> datetime | None:
        times = (job.next_run_time for job in self.get_all_jobs())
        return min((time for time in times if time), default=None)

    def get_all_jobs(self) -> list[ApsJob]:
        with self._transaction() as session:
            query = live_jobs().order_by(Job.next_run_at, Job.id)
            return [self._view(job) for job in session.scalars(query)]

    def add_job(self, job: ApsJob) -> None:
        with self._transaction() as session:
            if live(session, job.id) is not None:
                raise ConflictingIdError(job.id)
            changes.add(session, self.declared(job).job, CODE)

    def update_job(self, job: ApsJob) -> None:
        with self._transaction() as session:
            row = live(session, job.id)
            if row is None:
                raise JobLookupError(job.id)
            self._apply(session, row, job)

    def remove_job(self, job_id: str) -> None:
        with self._transaction() as session:
            row = live(session, job_id)
            if row is None:
                raise JobLookupError(job_id)
            changes.delete(session, row, self._registry, CODE)

    def remove_all_jobs(self) -> None:
        with self._transaction() as session:
            for row in session.scalars(live_jobs().order_by(Job.id).with_for_update()):
                changes.delete(session, row, self._registry, CODE)

    # What our scheduler calls.

    def declared(self, job: LedgerJob) -> Declared:
        """An APScheduler job as a declaration; its function is registered by it."""
        function = self._registry.add(job.func)
        arguments = function.check(function.bind(job.args, job.kwargs))
        sealed = function.seal(arguments, self._vault)
        policy = checked_policies(job, function)
        facts = {
            "service": function.name,
            "arguments": sealed,
            "trigger": fixed_part(job),
            "name": None if job.unnamed else job.name,
            **policy,
        }
        return Declared(
            NewJob(
                key=function.name if job.anonymous else job.id,
                name=function.title if job.unnamed else job.name,
                service=function.name,
                trigger=job.trigger.trigger,
                arguments=sealed,
                origin=Origin.CODE,
                declaration=facts,
                paused=getattr(job, "next_run_time", ...) is None,
                first_run_at=getattr(job, "next_run_time", None),
                **policy,
            ),
            named=not job.anonymous,
        )

    def put(self, declared: Declared, replace_existing: bool) -> LedgerJob:
        """Store a job that is added while the scheduler runs; the job as it is stored.

        Raises: ConflictingIdError when its id is taken and shall not be replaced.
        """
        new = declared.job
        with self._transaction() as session:
            ledger.serialise_starts(session.connection())
            if not declared.named:
                new = self._with_free_key(session, new)
            row = live(session, new.key)
            if row is not None and declared.named and not replace_existing:
                raise ConflictingIdError(new.key)
            return self._view(self._upsert_one(session, row, new))

    def _with_free_key(self, session: Session, new: NewJob) -> NewJob:
        """`new`, which came without an id, under a key of its own.

        What the code said alike before keeps its job; a date is a new job each time.
        """
        words = in_english(new.trigger)
        once = isinstance(new.trigger, DateTrigger)
        for number in count(1):
            longer = f"{new.key} {uuid4().hex}" if once else f"{new.key} ({words})"
            key = new.key if number == 1 else longer if number == 2 else f"{longer} {number - 1}"
            row = live(session, key)
            if row is None or (not once and row.origin == Origin.CODE and self._same(row, new)):
                return new if number == 1 else replaced(new, key, f"{new.name} ({words})")
        raise AssertionError("the numbers have ended")

    def _same(self, row: Job, new: NewJob) -> bool:
        """Whether `row` is what `new` declares, or is what the code no longer declares."""
        return not row.declared or not self._said_otherwise(row, new)

    def agree(self, declarations: Sequence[Declared]) -> None:
        """Bring the table in line with the code; again where another node locked the same jobs."""
        for left in reversed(range(TRIES)):
            try:
                self.upsert(declarations)
                self.check_all()
                break
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) != DEADLOCK or not left:
                    raise
                log.warning("another process locked the same jobs; the start is tried again")

    def upsert(self, declarations: Iterable[Declared]) -> None:
        """Bring the code jobs in line with what the code declares, by difference.

        Unchanged ones are not touched; a changed declaration changes just what it says otherwise
        than before; a vanished one is kept and marked. One transaction.
        """
        with self._transaction() as session:
            ledger.serialise_starts(session.connection())
            # Locked in the order in which turns lock them, which would wait for each other else.
            of_code = live_jobs().where(Job.origin == Origin.CODE).order_by(Job.id)
            rows = {job.key: job for job in session.scalars(of_code.with_for_update())}
            declared = with_keys(declarations, rows)
            make_way(session, declared.keys() - rows.keys())
            for key, new in declared.items():
                self._upsert_one(session, rows.get(key), new)
            for key, row in rows.items():
                if key not in declared:
                    changes.withdraw(session, row, self._registry, CODE)

    def check_all(self) -> None:
        """Note for each job whether its function is there and its arguments still fit.

        Jobs that say the same are looked at once, so that a start does not read all of them.
        """
        says = (Job.service, cast(Job.arguments, Text), cast(Job.trigger, Text), Job.problem)
        with self._transaction() as session:
            ledger.serialise_starts(session.connection())
            alive = Job.deleted_at.is_(None)
            for said in session.execute(select(*says).where(alive).distinct()).all():
                service, arguments, trigger, problem = said
                found = changes.problem_with(
                    service, json.loads(arguments), json.loads(trigger), self._registry
                )
                if (found, self._present_name(service)) == (problem, service):
                    continue
                same = [
                    column.is_not_distinct_from(value)
                    for column, value in zip(says, said, strict=True)
                ]
                for id in session.scalars(select(Job.id).where(alive, *same)).all():
                    self._check(session, id)

    def _check(self, session: Session, job_id: int) -> None:
        row = changes.lock(session, job_id)  # what another process may have changed
        if row is not None:
            row.problem = changes.problem_of(row, self._registry)
            row.service = self._present_name(row.service)
            changes.touch(session, row, CODE)

    def _present_name(self, service: str) -> str:
        """What the service function that was called so is called now."""
        function = self._registry.find(service)
        return service if function is None else function.name

    def request_run(self, job_id: str, actor: Actor = CODE) -> int:
        """Queue a manual run of the job with APScheduler's id `job_id`; the run's number."""
        with self._transaction() as session:
            row = live(session, job_id)
            if row is None:
                raise JobLookupError(job_id)
            return changes.request_run(session, row, self._registry, actor)

    def _upsert_one(self, session: Session, row: Job | None, new: NewJob) -> Job:
        if row is None:
            return changes.add(session, new, CODE)
        said = self._said_otherwise(row, new)
        if row.declared and not said:
            return row
        values: dict[str, Any] = {name: getattr(new, name) for name in said}
        row.declaration, row.declared = dict(new.declaration or {}), True
        changes.change(session, row, values, self._registry, CODE)
        return row

    def _said_otherwise(self, row: Job, new: NewJob) -> set[str]:
        """What a declaration says otherwise than the one before, or no longer says."""
        before, after = row.declaration or {}, dict(new.declaration or {})
        said = {name for name in {*before, *after} if before.get(name, ...) != after.get(name, ...)}
        if "arguments" in said and self._same_arguments(before, after):
            said.discard("arguments")
        return said

    def _same_arguments(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether two declarations give the same arguments; secrets differ each time they are
        encrypted."""
        function = self._registry.find(after["service"])
        if function is None or before.get("service") != after["service"]:
            return False
        try:
            return function.same(before.get("arguments", {}), after["arguments"], self._vault)
        except AegisError:  # the secrets of before cannot be decrypted any more
            return False

    def _apply(self, session: Session, row: Job, job: LedgerJob) -> None:
        """Store what `job` says otherwise than the row does."""
        was = self._view(row)
        declared = self.declared(job).job
        values: dict[str, Any] = {}
        if job.name != was.name:
            values["name"] = job.name
        if (job.func, dict(job.kwargs), tuple(job.args)) != (was.func, dict(was.kwargs), ()):
            values["service"], values["arguments"] = declared.service, dict(declared.arguments)
        if job.trigger != was.trigger:
            values["trigger"] = declared.trigger
        changed = LedgerJob.options(job, was)
        values.update(policies(changed))
        if job.next_run_time is None and row.state == JobState.ACTIVE:
            changes.pause(session, row, self._registry, CODE)
        elif job.next_run_time is not None and row.state == JobState.PAUSED:
            changes.resume(session, row, self._registry, CODE)
        if values:
            changes.change(session, row, values, self._registry, CODE)
        if job.next_run_time and job.next_run_time not in (was.next_run_time, row.next_run_at):
            changes.move_cursor(session, row, self._registry, job.next_run_time, CODE)

    def _view(self, row: Job) -> LedgerJob:
        """The job as APScheduler's users see it."""
        function = self._registry.find(row.service)
        job = LedgerJob.__new__(LedgerJob)
        for name, value in {
            "_scheduler": self._scheduler,
            "_jobstore_alias": self._alias,
            "id": row.key,
            "name": row.name,
            "func": missing(row.service) if function is None else function.function,
            "func_ref": row.service,
            "args": (),
            "kwargs": self._opened(row),
            "trigger": as_apscheduler(readable(row)),
            "executor": "default",
            "misfire_grace_time": row.grace_seconds,
            "coalesce": row.catch_up != CatchUp.ALL,
            "max_instances": row.max_running,
            "next_run_time": row.next_run_at if row.state == JobState.ACTIVE else None,
        }.items():
            setattr(job, name, value)
        return job

    def _opened(self, row: Job) -> dict[str, Any]:
        """A job's real arguments; none where it is broken."""
        function = self._registry.find(row.service)
        if function is None:
            return {}
        try:
            return dict(function.open(row.arguments, self._vault).kwargs)
        except AegisError:
            return {}


def live_jobs() -> Select[Job]:
    """All jobs that nobody has deleted."""
    return select(Job).where(Job.deleted_at.is_(None))


def make_way(session: Session, keys: Collection[str]) -> None:
    """Give other keys to people's jobs that have keys which the code declares now."""
    theirs = live_jobs().where(Job.key.in_(keys)).order_by(Job.id)
    for row in session.scalars(theirs.with_for_update()):
        row.key = f"{row.key} ({row.id})"
        changes.touch(session, row, CODE)


def readable(row: Job) -> Trigger:
    """The trigger of a job; where this release cannot read it, its next fire time."""
    try:
        return from_json(row.trigger)
    except Invalid:
        return DateTrigger(row.next_run_at or row.updated_at, zone_named("UTC"))


def live(session: Session, key: str) -> Job | None:
    """The live job with APScheduler's id `key`, locked."""
    query = live_jobs().where(Job.key == key).with_for_update()
    return session.scalar(query)


def missing(service: str) -> Callable[..., None]:
    """Stands in for the function of a broken job."""

    def function_is_missing(**_: Any) -> None:
        raise AegisError(f"the service function {service} is not there any more")

    return function_is_missing


def with_keys(declarations: Iterable[Declared], rows: Mapping[str, Job]) -> dict[str, NewJob]:
    """Declarations by key. Of several without an id on one function, one keeps the plain name:
    the one that had it, else the first; the others add their trigger in words.

    Raises: Invalid when two declarations have the same key.
    """
    plain: dict[str, list[NewJob]] = {}
    keyed: dict[str, NewJob] = {}
    for declared in declarations:
        if not declared.named:
            plain.setdefault(declared.job.key, []).append(declared.job)
        else:
            put(keyed, declared.job.key, declared.job)
    for key, jobs in plain.items():
        row = rows.get(key)
        owner = next(
            (job for job in jobs if row is not None and job.declaration == row.declaration), jobs[0]
        )
        for job in jobs:
            words = in_english(job.trigger)
            if job is owner:
                put(keyed, key, job)
            else:
                name = f"{job.name} ({words})"
                put(keyed, f"{key} ({words})", replaced(job, f"{key} ({words})", name))
    return keyed


def replaced(job: NewJob, key: str, name: str) -> NewJob:
    """`job` under another key and name."""
    return replace(job, key=key, name=name)


def put(keyed: dict[str, NewJob], key: str, job: NewJob) -> None:
    """Add under `key`. Raises: Invalid when it is taken."""
    if key in keyed:
        raise Invalid({"id": f"two declarations in code have the id {key!r}; give each its own"})
    keyed[key] = job
