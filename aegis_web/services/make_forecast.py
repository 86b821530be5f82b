"""Computing what the next seven days bring, for the Forecast page."""

import logging

from aegis_web.context import running
from aegis_web.forecast import actions
from aegis_web.registry import service

log = logging.getLogger(__name__)


@service(category="Upkeep", timeout_seconds=600, of_all_jobs=True)
def make_forecast() -> dict[str, int]:
    """Make the forecast.

    Computes from the triggers and usual durations of all jobs which runs start in the next seven
    days, when many start at once, and which will probably be skipped.
    """
    run = running.get(None)

    def tell(done: int, total: int) -> bool:
        if run is None:
            return True
        run.progress(done, total)
        return not run.stop_requested()

    expected = actions.make_forecast(tell)
    if expected is None:
        return {"jobs": 0, "starts": 0, "pile_ups": 0, "skipped": 0}
    starts = sum(expected.starts)
    log.info("%d jobs start %d runs in the next seven days", expected.jobs, starts)
    return {
        "jobs": expected.jobs,
        "starts": starts,
        "pile_ups": len(expected.pile_ups),
        "skipped": expected.skipped_runs,
    }
