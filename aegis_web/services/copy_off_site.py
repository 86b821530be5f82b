"""A copy of each proven backup in a place off-site, in case this machine is lost."""

import logging

from aegis_web.audit.models import SYSTEM, Actor
from aegis_web.backups.copies import Stopped, watch_of
from aegis_web.backups.off_site_copies import copy_all
from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.language import N_
from aegis_web.registry import Requires, service

log = logging.getLogger(__name__)


@service(
    category="Upkeep",
    idempotent=True,
    requires=Requires("backup_off_site", N_("set AEGIS_BACKUP_OFF_SITE to a place off-site")),
    of_all_jobs=True,
)
def copy_off_site() -> dict[str, list[str]] | None:
    """Copy backups off-site.

    Copies every proven backup to the place that AEGIS_BACKUP_OFF_SITE names, unless it is there
    already, and reads back what arrived. Copies of backups that were pruned here are then deleted
    there, but never the newest one.
    """
    run = running.get(None)
    actor = Actor(run.requested_by) if run and run.requested_by else SYSTEM
    try:
        done = copy_all(actor, watch_of(run))
    except Stopped as stopped:
        log.warning("Stopped: %s", stopped)
        return None
    for name in done.copied:
        log.info("Copied %s", name)
    for name in done.removed:
        log.info("Deleted the copy of %s, which was pruned here", name)
    for name, problem in done.failed.items():
        log.error("%s: %s", name, problem)
    if done.failed:
        raise AegisError(next(iter(done.failed.values())))
    return {"copied": done.copied, "removed": done.removed}
