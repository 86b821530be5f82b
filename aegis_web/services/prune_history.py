"""Deleting old runs, logs and counts, so that the database does not grow for ever."""

import logging
from typing import Annotated

from pydantic import Field

from aegis_web.config import settings
from aegis_web.context import running
from aegis_web.registry import service
from aegis_web.runs.retention import Retention, prune

Days = Annotated[int, Field(ge=1, le=3_650)]
Megabytes = Annotated[int, Field(ge=1, le=1_000_000)]

log = logging.getLogger(__name__)


@service(category="Upkeep", timeout_seconds=3_600, of_all_jobs=True)
def prune_history(
    runs_days: Days | None = None,
    logs_days: Days | None = None,
    logs_mb: Megabytes | None = None,
) -> dict[str, int]:
    """Prune history.

    Deletes old runs, logs and hourly counts in small steps. Never deleted are open runs, the last
    run and the last failure of a job, and whatever keeps a fire time from being run twice.

    Args:
        runs_days: Days of runs to keep; empty: AEGIS_KEEP_RUNS_DAYS.
        logs_days: Days of logs to keep; empty: AEGIS_KEEP_LOGS_DAYS.
        logs_mb: Megabytes of logs to keep in all; empty: AEGIS_KEEP_LOGS_MB.
    """
    run, config = running.get(None), settings()

    def tell(what: str, number: int) -> bool:
        if run is None:
            return True
        run.progress(number, None, f"{what} deleted")
        return not run.stop_requested()

    keep = Retention(
        runs_days=runs_days or config.keep_runs_days,
        logs_days=logs_days or config.keep_logs_days,
        logs_mb=logs_mb or config.keep_logs_mb,
    )
    pruned = prune(keep, tell)
    log.info(
        "Deleted %d runs, %d pieces of logs and %d hourly counts",
        pruned.runs,
        pruned.log_pieces,
        pruned.counts,
    )
    return {"runs": pruned.runs, "log_pieces": pruned.log_pieces, "hourly_counts": pruned.counts}
