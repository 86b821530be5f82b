"""The account of a job: how many fire times it had, and what became of each of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobVersion
from aegis_web.ledger.expected import Rule, count_expected, just_before
from aegis_web.runs.models import Kind, Run, RunStatus

DAYS = 30
SUCCEEDED = (RunStatus.SUCCEEDED,)
FAILED = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(frozen=True)
class Account:
    """What became of the fire times of a job in (from_at, until_at]."""

    from_at: datetime
    until_at: datetime
    expected: int  # computed from what the job said
    counts: Mapping[RunStatus, int]  # fire times that have a row, by what became of them
    waiting: int  # fire times passed that nobody has claimed: of a pause, or just now

    @property
    def recorded(self) -> int:
        """How many fire times have a row."""
        return sum(self.counts.values())

    @property
    def unexplained(self) -> int:
        """How many have none. Below 0: there are rows for which no fire time is known."""
        return self.expected - self.recorded

    def total(self, *statuses: RunStatus) -> int:
        """How many came to any of these."""
        return sum(self.counts.get(status, 0) for status in statuses)


def rules_of(job: Job) -> list[Rule] | None:
    """What the job said when, oldest first; None where it cannot be read. One query."""
    query = select(JobVersion).where(JobVersion.job_id == job.id).order_by(JobVersion.number)
    versions = db.session.scalars(query).all()
    ends = [*(version.from_at for version in versions[1:]), job.deleted_at]
    try:
        return [
            Rule(from_json(version.definition["trigger"]), version.from_at, until, version.first_at)
            for version, until in zip(versions, ends, strict=False)
        ]
    except Invalid:
        return None


def account_of(job: Job) -> Account | None:
    """The account of the last `DAYS`, or since its first version; None where it has none.

    Three queries; the rows of that time are counted, at most one for each fire time of one job.
    """
    rules, now = rules_of(job), utc_now()
    if not rules:
        return None
    begins = rules[0].after if rules[0].first_at is None else just_before(rules[0].first_at)
    kept = timedelta(days=min(DAYS, settings().keep_runs_days))
    after = max(min(begins, rules[0].after), now - kept)
    until = now if job.next_run_at is None else min(now, just_before(job.next_run_at))
    if until <= after:
        return Account(after, now, 0, {}, count_expected(rules, after, now))
    counts = counted(job.id, after, until)
    counts.subtract(older_part(job.id, rules, after, until))
    waiting = count_expected(rules, until, now)
    return Account(after, until, count_expected(rules, after, until), counts, waiting)


def counted(job_id: int, after: datetime, until: datetime) -> Counter[RunStatus]:
    """The fire times that rows in (after, until] stand for, by status."""
    stands_for = func.sum(func.coalesce(Run.range_count, 1))
    query = (
        select(Run.status, stands_for)
        .where(Run.job_id == job_id, Run.fire_at > after, Run.fire_at <= until)
        .group_by(Run.status)
    )
    return Counter({RunStatus(status): int(total) for status, total in db.session.execute(query)})


def older_part(
    job_id: int, rules: list[Rule], after: datetime, until: datetime
) -> Counter[RunStatus]:
    """What summary rows in (after, until] say of fire times that lie before."""
    query = select(Run.status, Run.range_from).where(
        Run.job_id == job_id,
        Run.kind == Kind.SUMMARY,
        Run.fire_at > after,
        Run.fire_at <= until,
        Run.range_from <= after,
    )
    before: Counter[RunStatus] = Counter()
    for status, begin in db.session.execute(query):
        before[RunStatus(status)] += count_expected(rules, just_before(begin), after)
    return before
