"""Claim and promote: from due jobs to rows of the ledger, and from queued rows to attempts."""

import json
import logging
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from aegis_web.clock import from_us
from aegis_web.engine import ledger
from aegis_web.engine.attempt import Attempt, JobFacts
from aegis_web.engine.blackouts import Blackout, parse_blackouts
from aegis_web.engine.decide import BACKLOG_CAP, Load, Policy, Verdict, due
from aegis_web.engine.gauge import Gauge
from aegis_web.engine.output import Output
from aegis_web.engine.passed import Span, spans_of, verdicts
from aegis_web.engine.retries import NEVER, Retry
from aegis_web.engine.triggers import Trigger, from_json
from aegis_web.errors import Invalid
from aegis_web.jobs.models import OnLost, Overlap
from aegis_web.registry import Registry, ServiceFunction
from aegis_web.runs.models import BY_HAND, Lane, RunStatus

CACHED_JOBS = 20_000
SPARE = 20  # queued rows looked at beyond the room there is: some may not run yet
PAGES = 10  # looks in one turn
IDLE = Load()

Ruling = tuple[datetime | None, list[Verdict]]

LANE_OF = {int(lane): lane for lane in Lane}
LANES = {"thread": Lane.THREAD, "loop": Lane.LOOP, "process": Lane.PROCESS}

log = logging.getLogger(__name__)


class KnownJob(NamedTuple):
    """One revision of a job, parsed."""

    facts: JobFacts
    trigger: Trigger | None  # None: this release cannot read it; it claims nothing of this job
    policy: Policy
    lane: Lane
    priority: int


@dataclass(frozen=True)
class Settled:
    """A fire time that a claim has settled without a run."""

    job: JobFacts
    verdict: Verdict


class JobCache:
    """Parsed jobs by id and revision, so that a fire time parses nothing."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._jobs: OrderedDict[int, KnownJob] = OrderedDict()

    def get(
        self, connection: Connection, revisions: Iterable[tuple[int, int]]
    ) -> Mapping[int, KnownJob]:
        """The jobs with the given (id, revision), by id; unknown ones are read in one query."""
        wanted = dict(revisions)
        stale = [id for id, revision in wanted.items() if not self._fresh(id, revision)]
        if stale:
            self._load(connection, stale)
        for id in wanted:
            self._jobs.move_to_end(id)
        found = {id: self._jobs[id] for id in wanted}
        while len(self._jobs) > CACHED_JOBS:
            self._jobs.popitem(last=False)
        return found

    def _fresh(self, id: int, revision: int) -> bool:
        known = self._jobs.get(id)
        return known is not None and known.facts.revision == revision

    def _load(self, connection: Connection, ids: list[int]) -> None:
        select = f"""
            SELECT id, revision, key, name, service, CAST(arguments AS text) AS arguments, problem,
                   CAST("trigger" AS text) AS "trigger", grace_seconds, overlap, max_running,
                   catch_up, timeout_seconds, jitter_seconds, priority, queue_limit, retries,
                   retry_delay_seconds, retry_backoff,
                   CAST(retry_errors AS text) AS retry_errors, on_lost
            FROM jobs WHERE {ledger.dialect_of(connection).among("id")}
        """
        for row in ledger.fetch(connection, select, ids):
            self._jobs[row.id] = known_job(row, self._registry)


def known_job(row: Any, registry: Registry) -> KnownJob:
    """Parse one row of `jobs`."""
    service = registry.find(row.service)
    return KnownJob(
        JobFacts(
            id=row.id,
            revision=row.revision,
            key=row.key,
            name=row.name,
            service=row.service,
            arguments=json.loads(row.arguments),
            timeout_seconds=row.timeout_seconds or (service.timeout_seconds if service else None),
            retry=retry_of(row, service),
        ),
        readable_trigger(row),
        policy_of(
            row.grace_seconds,
            row.overlap,
            row.max_running,
            row.catch_up,
            row.jitter_seconds,
            row.queue_limit,
            row.problem is not None or service is None,
        ),
        Lane.THREAD if service is None else LANES[service.runs_in],
        row.priority,
    )


# Jobs with the same rules share them, so that a herd is judged once: see `Rulings`.
policy_of = lru_cache(maxsize=1024)(Policy)


@lru_cache(maxsize=4096)
def trigger_of(text: str) -> Trigger:
    """The trigger that a row of `jobs` describes. Raises: Invalid when it cannot be read."""
    return from_json(json.loads(text))


def retry_of(row: Any, service: ServiceFunction | None) -> Retry:
    """The rule of a row of `jobs` about further attempts."""
    if not row.retries and row.on_lost == OnLost.MARK:
        return NEVER
    return Retry(
        retries=row.retries,
        delay_seconds=row.retry_delay_seconds,
        backoff=row.retry_backoff,
        errors=frozenset(json.loads(row.retry_errors)),
        when_lost=row.on_lost == OnLost.RERUN and service is not None and service.idempotent,
    )


def readable_trigger(row: Any) -> Trigger | None:
    """The trigger of a row of `jobs`; None, and a line in the log, where it cannot be read."""
    try:
        return trigger_of(row.trigger)
    except Invalid as error:
        log.error("the trigger of job %s (%s) cannot be read: %s", row.id, row.name, error)
        return None


def lane_of(registry: Registry, service: str) -> Lane:
    """Where runs of a service function execute."""
    function = registry.find(service)
    return Lane.THREAD if function is None else LANES[function.runs_in]


def claim(
    connection: Connection,
    cache: JobCache,
    gauge: Gauge,
    now: int,
    limit: int,
    settled: list[Settled],
) -> int:
    """Give each due fire time of up to `limit` jobs its row and move their cursors on.

    What does not run is added to `settled`. `gauge` says how much the queue still takes.
    Returns: how many jobs moved on; `limit` means that there may be more.
    """
    rows = ledger.due_jobs(connection, now, limit)
    if not rows:
        return 0
    jobs = cache.get(connection, ((row.id, row.revision) for row in rows))
    loads = ledger.open_runs(connection, [row.id for row in rows])
    forbidden = blackouts(connection, {row.calendar_id for row in rows if row.calendar_id})
    spans = spans_of(ledger.pauses_after(connection, rows[0].next_run_at))
    skips = ledger.skips_between(connection, rows[0].next_run_at, now)
    room = begun_with = gauge.room(connection)
    rulings = Rulings(from_us(now), spans, forbidden)
    claims: list[ledger.Claim] = []
    cursors: dict[int, datetime | None] = {}
    replaced = []
    for row in rows:
        job = jobs[row.id]
        if job.trigger is None:
            continue
        policy = replace(job.policy, skips=skips[row.id]) if row.id in skips else job.policy
        cursors[row.id], found = rulings.of(
            job.trigger,
            policy,
            row.next_run_at,
            row.calendar_id,
            loads.get(row.id, IDLE),
            room,
        )
        for verdict in found:
            claims.append(ledger.Claim(row.id, job.lane, job.priority, verdict))
            if verdict.status is RunStatus.QUEUED:
                room -= 1
            else:
                settled.append(Settled(job.facts, verdict))
        if job.policy.overlap == Overlap.REPLACE and row.id in loads and begins(found):
            replaced.append(row.id)
    if replaced:
        ledger.replace_runs(connection, replaced, now)
    ledger.insert_runs(connection, claims, now)
    gauge.add(begun_with - room)
    ledger.advance(connection, cursors)
    ledger.forget_skips(connection, skips.keys() & cursors.keys(), now)
    return len(cursors)


class Rulings:
    """What becomes of due fire times in one claim; of jobs that are alike it is found once."""

    def __init__(
        self,
        now: datetime,
        spans: Sequence[Span],
        forbidden: Mapping[int, Sequence[Blackout]],
    ) -> None:
        self._now, self._spans, self._forbidden = now, spans, forbidden
        self._known: dict[tuple[int, int, int, int | None], Ruling] = {}

    def of(
        self,
        trigger: Trigger,
        policy: Policy,
        cursor: int,
        calendar_id: int | None,
        load: Load,
        room: int,
    ) -> Ruling:
        """The next cursor and the verdicts about a job due since `cursor`."""
        own = policy.jitter_seconds or policy.skips
        alike = load is IDLE and room > BACKLOG_CAP and not own
        key = (id(trigger), id(policy), cursor, calendar_id)
        if alike and (known := self._known.get(key)):
            return known
        fires = due(trigger, from_us(cursor), self._now)
        found = verdicts(
            fires,
            policy,
            self._now,
            load,
            random.random(),  # noqa: S311
            room,
            self._spans,
            self._forbidden.get(calendar_id or 0, ()),
        )
        ruling = fires.next_run_at, found
        if alike:
            self._known[key] = ruling
        return ruling


def blackouts(connection: Connection, calendar_ids: set[int]) -> dict[int, Sequence[Blackout]]:
    """What blackout calendars forbid, by their numbers, as they are now."""
    if not calendar_ids:
        return {}
    return {
        row.id: parse_blackouts(
            row.zone, row.periods if isinstance(row.periods, str) else json.dumps(row.periods)
        )
        for row in ledger.calendars(connection, sorted(calendar_ids))
    }


def begins(verdicts: Iterable[Verdict]) -> bool:
    """Whether any fire time got a run."""
    return any(verdict.status is RunStatus.QUEUED for verdict in verdicts)


def promote(
    connection: Connection, cache: JobCache, now: int, room: Mapping[Lane, int], node_id: int
) -> list[Attempt]:
    """Make as many queued runs this node's running ones as there is `room` for."""
    left = {lane: places for lane, places in room.items() if places > 0}
    chosen: list[Any] = []
    groups: dict[str, int] = {}  # how many more runs of each group may start
    after = (-1, 0)
    for _ in range(PAGES):
        if not left:
            break
        limit = sum(left.values()) + SPARE
        rows = ledger.waiting(connection, now, list(left), after, limit)
        if not rows:
            break
        chosen.extend(pick(connection, rows, left, groups))
        after = (rows[-1].priority, rows[-1].id)
        if len(rows) < limit:
            break
    return attempts(connection, cache, chosen, now, node_id)


def pick(
    connection: Connection, rows: list[Any], left: dict[Lane, int], groups: dict[str, int]
) -> list[Any]:
    """Those of `rows` that there is room for, and whose job and group may run once more."""
    new = sorted({row.group_name for row in rows if row.group_name} - groups.keys())
    if new:
        groups |= dict.fromkeys(new, 0) | ledger.group_rooms(connection, new)
    running = ledger.running_counts(connection, sorted({row.job_id for row in rows}))
    chosen = []
    for row in rows:
        lane = LANE_OF[row.lane]
        number = running.get(row.job_id, 0)
        if lane not in left or (row.overlap != Overlap.RUN and number >= row.max_running):
            continue
        if row.group_name:
            if groups[row.group_name] <= 0:
                continue
            groups[row.group_name] -= 1
        running[row.job_id] = number + 1
        left[lane] -= 1
        if not left[lane]:
            del left[lane]
        chosen.append(row)
    return chosen


def attempts(
    connection: Connection, cache: JobCache, rows: list[Any], now: int, node_id: int
) -> list[Attempt]:
    """Promote `rows` and describe each as an attempt."""
    if not rows:
        return []
    mine = ledger.promote(connection, [row.id for row in rows], node_id, now)
    manual = [row.id for row in rows if row.kind in BY_HAND]
    given = ledger.request_arguments(connection, manual) if manual else {}
    jobs = cache.get(connection, {(row.job_id, row.revision) for row in rows})
    return [
        Attempt(
            run_id=row.id,
            number=row.attempt,
            node_id=node_id,
            job=jobs[row.job_id].facts,
            fire_at=None if row.fire_at is None else from_us(row.fire_at),
            requested_by=row.requested_by,
            lane=LANE_OF[row.lane],
            arguments=given.get(row.id, jobs[row.job_id].facts.arguments),
            output=Output(row.attempt),
        )
        for row in rows
        if row.id in mine
    ]
