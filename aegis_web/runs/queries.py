"""What people see of the ledger: pages of runs through a filter, and one run with all its facts.

No query here counts the table, and each page costs a constant number of queries.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Row, Select, select

from aegis_web.clock import utc_now
from aegis_web.errors import NotFound
from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.language import N_, _
from aegis_web.parameters.values import mask_sealed
from aegis_web.registry import Registry
from aegis_web.runs.attempts import (
    AttemptRow,
    Cost,
    LateEnd,
    attempts_of,
    cost_of,
    late_end,
    reason_sentence,
)
from aegis_web.runs.filters import LARGEST_KEY, RunFilter
from aegis_web.runs.frames import Chunk, chunks_of
from aegis_web.runs.log import inert
from aegis_web.runs.models import (
    BY_HAND,
    Kind,
    Lane,
    Run,
    RunDetails,
    RunStatus,
)
from aegis_web.runs.progress import RunProgress, progress_of
from aegis_web.runs.search import page_of_ids
from aegis_web.system.models import Node

PAGE_SIZE = 50
LONGEST_RESULT = 256 * 1024  # characters; only very deep values become that long


STOP_WORDS = {
    Lane.LOOP: N_("Stop cancels it at its next await."),
    Lane.THREAD: N_(
        "It runs in a thread, which nobody can kill: Stop asks, and it ends when its function"
        " heeds stop_requested(). One that never does ends with its server process, as lost."
    ),
    Lane.PROCESS: N_(
        "Stop asks its function to end. After 3 seconds its process is told to end, after 5 it is"
        " killed, with every program that it has started."
    ),
}


@dataclass(frozen=True)
class RunRow:
    """One run as lists show it."""

    id: int
    job_id: int
    job_name: str
    job_deleted: bool
    zone: str  # the job's
    status: str  # the word: "timed_out"
    reason: str | None  # a Reason
    kind: Kind
    fire_at: datetime | None  # None: manual
    queued_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    stop_at: datetime | None  # when somebody asked it to stop
    requested_by: str | None  # None: the trigger
    attempt: int
    node: str | None  # "host:pid"
    error: str | None  # one line
    range_from: datetime | None  # of a summary row: its first fire time,
    range_count: int | None  # and how many fire times it stands for

    @property
    def is_open(self) -> bool:
        """Whether it has yet to end."""
        return self.status in ("queued", "running")

    @property
    def is_manual(self) -> bool:
        """Whether a person asked for it."""
        return self.kind in BY_HAND

    @property
    def is_trial(self) -> bool:
        """Whether it belongs to no job."""
        return self.kind is Kind.TRIAL

    @property
    def due_at(self) -> datetime:
        """Its fire time, or when it was asked for."""
        return self.fire_at or self.queued_at

    @property
    def who(self) -> str:
        """Who asked for it."""
        return self.requested_by or _("Schedule")

    @property
    def sentence(self) -> str | None:
        """Why it is skipped, missed, lost or cancelled, for people."""
        status = RunStatus[self.status.upper()]
        return None if self.reason is None else reason_sentence(status, self.reason)

    @property
    def lateness_seconds(self) -> float | None:
        """How long after its fire time it began; None: manual, or it never did."""
        if self.fire_at is None or self.started_at is None:
            return None
        return max(0.0, (self.started_at - self.fire_at).total_seconds())

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been going; None: it never began."""
        if self.started_at is None:
            return None
        end = utc_now() if self.is_open else self.finished_at
        return None if end is None else max(0.0, (end - self.started_at).total_seconds())


@dataclass(frozen=True)
class RunPage:
    """One page of a list, newest first, and the filters of its neighbours."""

    rows: tuple[RunRow, ...]
    newer: RunFilter | None
    older: RunFilter | None

    @property
    def is_live(self) -> bool:
        """Whether a row may still change."""
        return any(row.is_open for row in self.rows)


@dataclass(frozen=True)
class Standing:
    """What a part of a run's page needs to know of the run."""

    is_open: bool  # it has yet to end
    attempt: int  # the newest
    zone: str  # of its job

    def may_say_more(self, attempt: int | None) -> bool:
        """Whether the log of that attempt (None: of the run) may still grow."""
        return self.is_open and attempt in (None, self.attempt)


@dataclass(frozen=True)
class RunFacts:
    """One run as its own page shows it."""

    row: RunRow
    job_key: str
    service: str
    service_title: str | None  # None: the function is not there any more
    timeout_seconds: int | None
    lane: Lane  # where it executes
    arguments: Mapping[str, str]  # as text, secrets masked
    own_arguments: bool  # given for this run alone; else the job's, as they are now
    result: str | None  # JSON, indented
    result_note: str | None  # why the returned value was not kept
    traceback: str | None
    progress: RunProgress | None
    cost: Cost
    attempts: tuple[AttemptRow, ...]  # all, the newest first; empty where there was only one
    late: LateEnd | None

    @property
    def frames(self) -> tuple[Chunk, ...]:
        """The traceback in parts."""
        return tuple(chunks_of(self.traceback or ""))

    @property
    def stopping(self) -> str:
        """What Stop does to it."""
        return _(STOP_WORDS[self.lane])

    def attempt_numbered(self, number: int | None) -> int:
        """That attempt; None: the newest that has begun. Raises: NotFound."""
        newest = self.row.attempt
        if number is None:
            return newest - 1 if self.waits_to_retry and newest > 1 else newest
        if number > newest:
            raise NotFound(
                _(
                    "Run %(id)s has no attempt %(number)s; its newest is %(newest)s.",
                    id=self.row.id,
                    number=number,
                    newest=newest,
                )
            )
        return number

    @property
    def waits_to_retry(self) -> bool:
        """Whether an attempt has failed and the next one is to come."""
        return self.row.status == "queued" and self.row.attempt > 1


def list_runs(chosen: RunFilter, size: int = PAGE_SIZE) -> RunPage:
    """The page of runs that `chosen` describes, newest first. At most four queries."""
    ids = page_of_ids(db.session, chosen, utc_now(), size + 1)
    more, ids = len(ids) > size, ids[:size]
    if chosen.after is not None:
        if not ids:  # nothing is newer any more
            return list_runs(chosen.first_page(), size)
        ids = ids[::-1]
    rows = rows_of(Run.id.in_(ids), len(ids)) if ids else ()
    return RunPage(rows, newer_page(chosen, ids, more), older_page(chosen, ids, more))


def newer_page(chosen: RunFilter, ids: list[int], more: bool) -> RunFilter | None:
    """The filter of the page before; None on the first."""
    if not ids or (chosen.after is None and chosen.before is None):
        return None
    if chosen.after is not None and not more:
        return None
    return at(chosen, after=ids[0])


def older_page(chosen: RunFilter, ids: list[int], more: bool) -> RunFilter | None:
    """The filter of the page after; None on the last."""
    if not ids or (chosen.after is None and not more):
        return None
    return at(chosen, before=ids[-1])


def at(chosen: RunFilter, before: int | None = None, after: int | None = None) -> RunFilter:
    """The same choice at another place."""
    return replace(chosen, before=before, after=after)


def runs_of_job(job_id: int, limit: int = 20) -> tuple[RunRow, ...]:
    """The newest runs of one job, newest first. One query."""
    return rows_of(Run.job_id == job_id, limit)


def job_name(job_id: int) -> str:
    """What the job is or was called. One query."""
    name = db.session.scalar(select(Job.name).where(Job.id == job_id))
    return _("Job %(id)s", id=job_id) if name is None else str(name)


def rows_of(condition: ColumnElement[bool], limit: int) -> tuple[RunRow, ...]:
    """The newest runs that meet `condition`, newest first."""
    query = row_query().where(condition).order_by(Run.id.desc()).limit(limit)
    return tuple(run_row(row) for row in db.session.execute(query))


def row_query() -> Select[*tuple[Any, ...]]:
    """The columns that `run_row` needs."""
    return (
        select(Run, Job.name.label("job_name"), Job.deleted_at, Job.zone, Node.name.label("node"))
        .join(Job, Job.id == Run.job_id)
        .outerjoin(Node, Node.id == Run.node_id)
    )


def run_row(row: Row[Any]) -> RunRow:
    """One result of `row_query` as a value."""
    run: Run = row.Run
    return RunRow(
        id=run.id,
        job_id=run.job_id,
        job_name=row.job_name,
        job_deleted=row.deleted_at is not None,
        zone=row.zone,
        status=RunStatus(run.status).name.lower(),
        reason=run.reason,
        kind=Kind(run.kind),
        fire_at=run.fire_at,
        queued_at=run.queued_at,
        not_before=run.not_before,
        started_at=run.started_at,
        finished_at=run.finished_at,
        stop_at=run.stop_at,
        requested_by=run.requested_by,
        attempt=run.attempt,
        node=row.node,
        error=None if run.error is None else inert(run.error),
        range_from=run.range_from,
        range_count=run.range_count,
    )


def find_run(run_id: int) -> RunFacts:
    """The run `run_id` with everything that is kept of it. One query, two after a retry.

    Raises: NotFound.
    """
    query = row_query().add_columns(Job, RunDetails)
    query = query.outerjoin(RunDetails, RunDetails.run_id == Run.id).where(Run.id == run_id)
    found = db.session.execute(query).one_or_none() if run_id <= LARGEST_KEY else None
    if found is None:
        raise not_found(run_id)
    job: Job = found.Job
    details: RunDetails = found.RunDetails or RunDetails(run_id=run_id)
    function = registry().find(job.service)
    return RunFacts(
        row=run_row(found),
        job_key=job.key,
        service=job.service,
        service_title=None if function is None else function.title,
        timeout_seconds=job.timeout_seconds or (function and function.timeout_seconds) or None,
        lane=Lane(found.Run.lane),
        arguments=arguments_of(job, details),
        own_arguments=details.arguments is not None,
        result=pretty(details.result),
        result_note=details.result_note,
        traceback=None if details.traceback is None else inert(details.traceback),
        progress=progress_of(details),
        cost=cost_of(found.Run),
        attempts=attempts_of(found.Run, details),
        late=late_end(details),
    )


def given_arguments(job_id: int, run_id: int) -> dict[str, Any] | None:
    """The stored arguments given for that run of a job alone; None: the job's own. One query.

    Raises: NotFound.
    """
    query = select(Run.id, RunDetails.arguments).where(Run.id == run_id, Run.job_id == job_id)
    query = query.outerjoin(RunDetails, RunDetails.run_id == Run.id)
    found = db.session.execute(query).one_or_none() if run_id <= LARGEST_KEY else None
    if found is None:
        raise not_found(run_id)
    given: dict[str, Any] | None = found.arguments
    return given


def find_standing(run_id: int) -> Standing:
    """How far a run is and in which zone its job lives. One query.

    Raises: NotFound.
    """
    found = None
    if run_id <= LARGEST_KEY:
        query = select(Run.status, Run.attempt, Job.zone).join(Job, Job.id == Run.job_id)
        found = db.session.execute(query.where(Run.id == run_id)).one_or_none()
    if found is None:
        raise not_found(run_id)
    return Standing(found.status < RunStatus.SUCCEEDED, found.attempt, found.zone)


def not_found(run_id: int) -> NotFound:
    """What to say about a run that is not there."""
    return NotFound(
        _(
            "There is no run %(id)s, or it is no longer kept: old runs are deleted after a while.",
            id=run_id,
        )
    )


def registry() -> Registry:
    """The registry of this application."""
    found: Registry = current_app.extensions["aegis.registry"]
    return found


def arguments_of(job: Job, details: RunDetails) -> Mapping[str, str]:
    """What the run was given, by name: texts as they are, the rest as JSON."""
    stored = job.arguments if details.arguments is None else details.arguments
    return {
        name: inert(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in masked(job.service, stored).items()
    }


def masked(service: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Stored arguments for people; secrets stay hidden even when the function is gone."""
    function = registry().find(service)
    hidden: Mapping[str, Any] = mask_sealed(stored) if function is None else function.masked(stored)
    return hidden


def pretty(result: str | None) -> str | None:
    """A returned value, indented where that helps (a masked secret may have broken its JSON)."""
    if result is None:
        return None
    try:
        indented = json.dumps(json.loads(result), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return result
    return indented if len(indented) <= LONGEST_RESULT else result
