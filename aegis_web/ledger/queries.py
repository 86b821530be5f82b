"""The account of a job: how many fire times it had, and what became of each of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, literal, select, tuple_

from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.jobs.filters import is_number
from aegis_web.jobs.models import Job, JobVersion
from aegis_web.ledger.expected import Rule, count_expected, just_before
from aegis_web.ledger.models import LedgerAccount
from aegis_web.runs.models import Kind, Run, RunStatus

DAYS = 30
SUCCEEDED = (RunStatus.SUCCEEDED,)
FAILED = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)
OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
COUNTS = ("expected", "succeeded", "failed", "skipped", "missed", "cancelled", "open")
PAGE_SIZE = 50
CHECK = "check_ledger"  # the service function that fills the table


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
    kept = timedelta(days=min(DAYS, settings().keep_runs_days))
    after = max(rules[0].begins, now - kept)
    until = now if job.next_run_at is None else min(now, just_before(job.next_run_at))
    if until <= after:
        return Account(after, now, 0, {}, count_expected(rules, after, now))
    counts = counted(job.id, after, until)
    counts.subtract(older_part(job.id, rules, after, until))
    waiting = count_expected(rules, until, now)
    return Account(after, until, count_expected(rules, after, until), counts, waiting)


@dataclass(frozen=True)
class KeptAccount:
    """The account of one job, or of all, as the last check found it."""

    job_id: int | None  # None: all
    job_name: str
    from_at: datetime
    until_at: datetime
    expected: int
    succeeded: int
    failed: int  # timed out and lost too
    skipped: int
    missed: int
    cancelled: int
    open: int
    unexplained: int
    checked_at: datetime  # of all: the oldest check


@dataclass(frozen=True)
class AccountPage:
    """One page of accounts, and where the next one begins (None: there is none)."""

    rows: tuple[KeptAccount, ...]
    older: str | None


def total_account() -> KeptAccount | None:
    """What all jobs together had; None before the first check. One query."""
    sums = (func.sum(getattr(LedgerAccount, name)) for name in COUNTS)
    ends = (
        func.min(LedgerAccount.from_at),
        func.max(LedgerAccount.until_at),
        func.min(LedgerAccount.checked_at),
    )
    doubtful = func.sum(func.abs(LedgerAccount.unexplained))
    row = db.session.execute(select(*ends, *sums, doubtful)).one()
    if row[0] is None:
        return None
    counts = dict(zip((*COUNTS, "unexplained"), (int(value) for value in row[3:]), strict=True))
    return KeptAccount(None, "All jobs", row[0], row[1], checked_at=row[2], **counts)


def list_accounts(after: tuple[int, int, int] | None, size: int = PAGE_SIZE) -> AccountPage:
    """The accounts of live jobs, the doubtful ones first, then by fire times. One query."""
    doubt = func.abs(LedgerAccount.unexplained)
    place = tuple_(doubt, LedgerAccount.expected, LedgerAccount.job_id)
    query = select(LedgerAccount, Job.name).join(Job, Job.id == LedgerAccount.job_id)
    query = query.where(Job.deleted_at.is_(None))
    if after is not None:
        query = query.where(place < tuple_(*map(literal, after)))
    ordered = query.order_by(
        doubt.desc(), LedgerAccount.expected.desc(), LedgerAccount.job_id.desc()
    )
    found = db.session.execute(ordered.limit(size + 1)).all()
    rows = tuple(kept(row.LedgerAccount, row.name) for row in found[:size])
    last = rows[-1] if len(found) > size else None
    older = f"{abs(last.unexplained)}-{last.expected}-{last.job_id}" if last else None
    return AccountPage(rows, older)


def kept(row: LedgerAccount, name: str) -> KeptAccount:
    """A stored account as a value."""
    counts = {column: getattr(row, column) for column in (*COUNTS, "unexplained")}
    ends = (row.from_at, row.until_at)
    return KeptAccount(row.job_id, name, *ends, checked_at=row.checked_at, **counts)


def read_place(text: str) -> tuple[int, int, int] | None:
    """The place in the list that a URL names; None where it names none."""
    parts = text.split("-")
    if len(parts) != 3 or not all(is_number(part) for part in parts):
        return None
    doubt, expected, job_id = map(int, parts)
    return doubt, expected, job_id


def find_check_job() -> int | None:
    """The job that checks the ledger, if there is one. One query."""
    query = select(Job.id).where(Job.service == CHECK, Job.deleted_at.is_(None))
    number: int | None = db.session.scalar(query.order_by(Job.id).limit(1))
    return number


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
