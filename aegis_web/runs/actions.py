"""What people may do to a run: stop it. To do it again is the job's business."""

from enum import Enum

from sqlalchemy import select
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.clock import to_us
from aegis_web.engine import ledger
from aegis_web.engine.settle import now_of
from aegis_web.errors import Conflict
from aegis_web.extensions import transaction
from aegis_web.jobs.sight import seen_runs
from aegis_web.language import _
from aegis_web.runs.filters import LARGEST_KEY
from aegis_web.runs.models import Reason, Run, RunStatus
from aegis_web.runs.queries import not_found


class Stopped(Enum):
    """What became of a request to stop a run."""

    CANCELLED = "cancelled"  # it had not begun, and never will
    ASKED = "asked"  # it runs; its node sees the request within half a second
    ASKED_BEFORE = "asked before"


def stop_run(run_id: int, actor: Actor) -> Stopped:
    """Cancel a waiting run at once, or ask a running one to stop.

    Raises: NotFound; Conflict when it has ended.
    """
    with transaction() as session:
        run = lock_run(session, run_id)
        before = {"status": RunStatus(run.status).name.lower()}
        if run.status == RunStatus.QUEUED:
            cancel(session, run)
        elif run.status != RunStatus.RUNNING:
            raise Conflict(_("Run %(id)s has already ended: there is nothing to stop.", id=run_id))
        elif run.stop_at is not None:
            return Stopped.ASKED_BEFORE
        else:
            run.stop_at = now_of(session)
        after = {"status": RunStatus(run.status).name.lower(), "stop": True}
        session.add(audit_entry(actor, "run.stop", f"run:{run_id}", before, after))
        return Stopped.CANCELLED if run.status == RunStatus.CANCELLED else Stopped.ASKED


def lock_run(session: Session, run_id: int) -> Run:
    """The run, as it is now and stays until the transaction ends.

    Raises: NotFound.
    """
    if run_id > LARGEST_KEY:
        raise not_found(run_id)
    wanted = select(Run).where(Run.id == run_id, *seen_runs()).with_for_update()
    run = session.scalar(wanted)
    if run is None:
        raise not_found(run_id)
    return run


def cancel(session: Session, run: Run) -> None:
    """Settle a run that has not begun as cancelled."""
    now = now_of(session)
    run.status, run.reason, run.finished_at = RunStatus.CANCELLED, Reason.STOPPED, now
    session.flush()
    settled = [(run.job_id, RunStatus.CANCELLED, 1)]
    ledger.count(session.connection(), to_us(now), settled)
