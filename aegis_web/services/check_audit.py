"""Checking that no row of the audit was edited, taken out or moved, and noting where it ends."""

import logging

from aegis_web.audit import actions
from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.registry import service

log = logging.getLogger(__name__)


@service(category="Upkeep", timeout_seconds=3_600, of_all_jobs=True)
def check_audit() -> dict[str, str | int | None]:
    """Check the audit.

    Computes the hash of every row of the audit anew, from the first on, and says which row is the
    last: its head. Fails where a row was edited, taken out or moved. A head that is kept elsewhere
    proves later that nothing before it was changed.
    """
    run = running.get(None)

    def tell(done: int, total: int) -> bool:
        if run is None:
            return True
        run.progress(done, total, "rows checked")
        return not run.stop_requested()

    verdict = actions.check_audit(tell)
    if verdict is None:
        log.warning("Stopped: the audit was not checked")
        return {"rows": None, "head": None}
    if verdict.fault:
        raise AegisError(f"the audit is not sound: {verdict.fault}")
    head = str(verdict.head) if verdict.head else None
    log.info("The audit is sound: %d rows, head %s", verdict.rows, head or "none")
    return {"rows": verdict.rows, "head": head}
