"""Finding the runs of a filter fast in a ledger of millions: which rows, by which index.

Runs are listed by their number. Numbers rise with the instant at which a row was written, which is
never before its fire time; so a time range becomes a range of numbers, plus the few rows that were
written long after their fire time and stand in an index of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    func,
    literal_column,
    or_,
    select,
    text,
    union,
)
from sqlalchemy.orm import Session

from aegis_web.clock import to_us
from aegis_web.jobs.models import Job
from aegis_web.runs.filters import KINDS, RunFilter
from aegis_web.runs.models import Run, RunStatus

LATE = "runs.queued_at - runs.fire_at > 3600000000"  # word for word the conditions
MANUAL = "runs.kind = 1"  # of the indexes ix_runs_late and ix_runs_manual
SLACK = timedelta(minutes=1)  # by how much numbers and instants of several nodes may disagree
WRITTEN_LATE = timedelta(hours=1)
FEW_JOBS = 300  # up to here the runs of matching jobs are looked up job by job

Conditions = list[ColumnElement[bool]]

# The smallest number of a run that was written at or after an instant, by bisection.
FIRST_SINCE = """
    WITH RECURSIVE step(low, high) AS (
      SELECT coalesce((SELECT min(id) FROM runs), 0), coalesce((SELECT max(id) FROM runs), -1) + 1
      UNION ALL
      SELECT
        CASE WHEN (SELECT queued_at FROM runs WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1)
                  < :instant THEN (low + high) / 2 + 1 ELSE low END,
        CASE WHEN (SELECT queued_at FROM runs WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1)
                  < :instant THEN high ELSE (low + high) / 2 END
      FROM step WHERE low < high
    )
    SELECT low FROM step WHERE low >= high
"""


@dataclass(frozen=True)
class Window:
    """A time range as conditions on rows."""

    exact: Conditions
    usual: Conditions  # where the rows written in time stand
    late: Conditions | None  # where the others stand; None: `usual` has them all


def page_of_ids(session: Session, chosen: RunFilter, now: datetime, limit: int) -> list[int]:
    """At most `limit` runs of `chosen` from its place on, nearest to that place first."""
    window = window_of(session, chosen, now)
    narrow = [*place(chosen), *kind_of(chosen), *window.exact]
    branches = [
        [*branch, *narrow, *where]
        for branch in branches_of(session, chosen)
        for where in (window.usual, window.late)
        if where is not None
    ]
    up = chosen.after is not None
    return list(session.scalars(nearest([nearest_of(b, up, limit) for b in branches], up, limit)))


def nearest_of(conditions: Conditions, up: bool, limit: int) -> Select[int]:
    """The `limit` nearest runs that meet `conditions`."""
    return select(Run.id).where(*conditions).order_by(Run.id if up else Run.id.desc()).limit(limit)


def nearest(parts: Sequence[Select[int]], up: bool, limit: int) -> Select[int]:
    """The `limit` nearest of all that the `parts` find."""
    if len(parts) == 1:
        return parts[0]
    found = union(*(select(part.subquery().c.id) for part in parts)).subquery()
    return select(found.c.id).order_by(found.c.id if up else found.c.id.desc()).limit(limit)


def place(chosen: RunFilter) -> Conditions:
    """Where in the list the page begins."""
    if chosen.after is not None:
        return [Run.id > chosen.after]
    return [] if chosen.before is None else [Run.id < chosen.before]


def kind_of(chosen: RunFilter) -> Conditions:
    """Scheduled, manual or both."""
    if chosen.kind == "manual":
        return [literal_column(MANUAL)]
    return [Run.kind.in_(KINDS[chosen.kind])] if chosen.kind else []


def window_of(session: Session, chosen: RunFilter, now: datetime) -> Window:
    """The time range of `chosen`; one short query for each of its ends."""
    since, until = chosen.window(now)
    due_at = func.coalesce(Run.fire_at, Run.queued_at)
    exact: Conditions = []
    usual: Conditions = []
    if since is not None:
        exact.append(due_at >= since)
        usual.append(Run.id >= first_since(session, since - SLACK))
    if until is None:
        return Window(exact, usual, None)
    exact.append(due_at < until)
    usual.append(Run.id < first_since(session, until + WRITTEN_LATE + SLACK))
    late = select(Run.id).where(literal_column(LATE), Run.fire_at < until)
    if since is not None:
        late = late.where(Run.fire_at >= since)
    return Window(exact, usual, [Run.id.in_(late)])


def first_since(session: Session, instant: datetime) -> int:
    """The smallest number of a run written at or after `instant`."""
    return int(session.execute(text(FIRST_SINCE), {"instant": to_us(instant)}).scalar_one())


def branches_of(session: Session, chosen: RunFilter) -> list[Conditions]:
    """Alternatives that together are the choice, each one range of one index."""
    statuses = in_statuses(chosen.statuses)
    if chosen.job_id is not None:
        return [[Run.job_id == chosen.job_id, *statuses, *said(session, chosen)]]
    if chosen.text:
        return [*of_matching_jobs(session, chosen), with_matching_errors(chosen)]
    if chosen.statuses:
        return [[Run.status == status] for status in chosen.statuses]
    return [[]]


def in_statuses(statuses: Sequence[RunStatus]) -> Conditions:
    """One of these statuses; none: any."""
    return [Run.status.in_(statuses)] if statuses else []


def said(session: Session, chosen: RunFilter) -> Conditions:
    """The text of a filter that names its job."""
    if not chosen.text:
        return []
    return [or_(Run.job_id.in_(named(chosen.text)), contains(Run.error, chosen.text))]


def of_matching_jobs(session: Session, chosen: RunFilter) -> list[Conditions]:
    """The runs of jobs whose name holds the text."""
    statuses = in_statuses(chosen.statuses)
    jobs = list(session.scalars(named(chosen.text).limit(FEW_JOBS + 1)))
    if len(jobs) > FEW_JOBS:  # so many match that the newest runs will soon be among theirs
        unindexed = literal_column("runs.job_id + 0", Integer)
        return [[unindexed.in_(named(chosen.text)), *statuses]]
    return [[Run.job_id.in_(jobs), *statuses]] if jobs else []


def with_matching_errors(chosen: RunFilter) -> Conditions:
    """The runs whose error holds the text, by the index that has all errors."""
    unindexed = literal_column("runs.status + 0", Integer)
    statuses = [unindexed.in_(chosen.statuses)] if chosen.statuses else []
    return [Run.error.is_not(None), contains(Run.error, chosen.text), *statuses]


def named(part: str) -> Select[int]:
    """The jobs, deleted ones too, whose name holds `part`."""
    return select(Job.id).where(contains(Job.name, part))


def contains(column: object, part: str) -> ColumnElement[bool]:
    """Whether a column holds `part`, whatever the case; `%` and `_` are ordinary characters."""
    return column.icontains(part, autoescape=True)  # type: ignore[attr-defined,no-any-return]
