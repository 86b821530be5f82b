"""Holding the ledger of all jobs against what they said, and keeping what was found."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select

from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import Job
from aegis_web.ledger.models import LedgerAccount
from aegis_web.ledger.queries import FAILED, OPEN, SUCCEEDED, Account, account_of
from aegis_web.runs.models import RunStatus

BATCH = 100  # jobs whose accounts are kept in one transaction
SECOND_LOOK_SECONDS = 2.0  # what is wrong for a moment only is not wrong

Tell = Callable[[int, int], bool]  # jobs checked and in all; False: do not go on


@dataclass
class Checked:
    """What a check found."""

    jobs: int = 0
    expected: int = 0
    unexplained: dict[str, int] = field(default_factory=dict)  # by the job's name, where not 0


def check_ledger(tell: Tell = lambda _done, _total: True) -> Checked:
    """Check the accounts of all live jobs. Needs an application context; three queries a job."""
    ids = list(db.session.scalars(select(Job.id).where(Job.deleted_at.is_(None)).order_by(Job.id)))
    db.session.close()
    found = Checked()
    for begin in range(0, len(ids), BATCH):
        if not tell(begin, len(ids)):
            return found
        check_some(ids[begin : begin + BATCH], found)
    with transaction() as session:
        gone = select(Job.id).where(Job.deleted_at.is_not(None))
        session.execute(delete(LedgerAccount).where(LedgerAccount.job_id.in_(gone)))
    tell(len(ids), len(ids))
    return found


def check_some(job_ids: Sequence[int], found: Checked) -> None:
    """Check some jobs, those with something wrong twice, and keep their accounts."""
    accounts = accounts_of(job_ids)
    doubtful = [job_id for job_id, (_, account) in accounts.items() if account.unexplained]
    if doubtful:
        time.sleep(SECOND_LOOK_SECONDS)
        accounts |= accounts_of(doubtful)
    with transaction() as session:
        for job_id, (_, account) in accounts.items():
            session.merge(row_of(job_id, account))
    found.jobs += len(accounts)
    for name, account in accounts.values():
        found.expected += account.expected
        if account.unexplained:
            found.unexplained[name] = account.unexplained


def accounts_of(job_ids: Sequence[int]) -> dict[int, tuple[str, Account]]:
    """The names and accounts of those of these jobs that have one, as they are now."""
    accounts = {}
    for job_id in job_ids:
        job = db.session.get(Job, job_id)
        account = None if job is None or job.deleted_at is not None else account_of(job)
        if job is not None and account is not None:
            accounts[job_id] = (job.name, account)
        db.session.close()  # the next one is looked at as it is then
    return accounts


def row_of(job_id: int, account: Account) -> LedgerAccount:
    """An account as it is kept."""
    return LedgerAccount(
        job_id=job_id,
        from_at=account.from_at,
        until_at=account.until_at,
        expected=account.expected,
        succeeded=account.total(*SUCCEEDED),
        failed=account.total(*FAILED),
        skipped=account.total(RunStatus.SKIPPED),
        missed=account.total(RunStatus.MISSED),
        cancelled=account.total(RunStatus.CANCELLED),
        open=account.total(*OPEN),
        unexplained=account.unexplained,
        checked_at=utc_now(),
    )
