"""Checking that each fire time has exactly one row: the product's promise, held against itself."""

import logging

from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.ledger import check
from aegis_web.registry import service

NAMED = 5  # jobs in the error

log = logging.getLogger(__name__)


@service(category="Upkeep", timeout_seconds=3_600, of_all_jobs=True)
def check_ledger() -> dict[str, int]:
    """Check the ledger.

    Computes from what each job said which fire times it had in the last 30 days, and holds that
    against their rows in the history. Fails where one has no row, or where there is a row too many.
    """
    run = running.get(None)

    def tell(done: int, total: int) -> bool:
        if run is None:
            return True
        run.progress(done, total, "jobs checked")
        return not run.stop_requested()

    found = check.check_ledger(tell)
    if found.unexplained:
        names = ", ".join(
            f"“{name}” ({n:+})" for name, n in list(found.unexplained.items())[:NAMED]
        )
        more = len(found.unexplained) - NAMED
        raise AegisError(
            f"{len(found.unexplained)} of {found.jobs} jobs have fire times without a row (+) or "
            f"rows without one (-): {names}{f' and {more} more' if more > 0 else ''}. Report this."
        )
    log.info("%d jobs, %d fire times, each explained", found.jobs, found.expected)
    return {"jobs": found.jobs, "fire_times": found.expected, "unexplained": 0}
