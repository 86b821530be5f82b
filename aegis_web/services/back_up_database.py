"""A consistent copy of the database, checked and kept in the backup folder."""

import logging
from typing import Any

from aegis_web.audit.models import SYSTEM, Actor
from aegis_web.backups.actions import back_up, facts_of
from aegis_web.backups.copies import Stopped, watch_of
from aegis_web.backups.proving import prove
from aegis_web.backups.pruning import prune
from aegis_web.context import RunContext, running
from aegis_web.errors import AegisError
from aegis_web.language import N_
from aegis_web.registry import Requires, service

log = logging.getLogger(__name__)


@service(
    category="Upkeep",
    requires=Requires("persistent", N_("set AEGIS_COMPONENTS=scheduler,database")),
    of_all_jobs=True,
)
def back_up_database() -> dict[str, Any] | None:
    """Back up the database.

    Copies the whole database as it is at one instant while work goes on, restores the copy into a
    scratch database and compares it: only then it is proven. Afterwards those are deleted that
    AEGIS_KEEP_BACKUPS_HOURLY, _DAILY, _WEEKLY and _MONTHLY no longer keep.
    """
    run = running.get(None)
    actor = Actor(run.requested_by) if run and run.requested_by else SYSTEM
    watch = watch_of(run)
    try:
        backup = back_up(
            actor, made_by=_maker(run), run_id=run.run_id if run else None, watch=watch
        )
        log.info(
            "%s, %s bytes in %.1f s, SHA-256 %s",
            backup.file_name,
            f"{backup.size_bytes:,}",
            backup.seconds,
            backup.sha256,
        )
        log.info("Proven in %.1f s", prove(backup.id, actor, watch))
    except Stopped as stopped:
        log.warning("Stopped: %s", stopped)
        return None
    deleted, failed = prune(actor)
    for name in deleted:
        log.info("Deleted the old backup %s", name)
    if failed:
        name, problem = next(iter(failed.items()))
        raise AegisError(
            f"{backup.file_name} is made and proven, but of the old ones {len(failed)} could not "
            f"be deleted, as {name}: {problem}"
        )
    return {"id": backup.id, **facts_of(backup), "deleted": deleted}


def _maker(run: RunContext | None) -> str | None:
    """Who a backup is by, as the list shows it: whoever asked, else the job."""
    return (run.requested_by or run.job_name) if run else None
