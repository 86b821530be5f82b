"""A rehearsal of the worst day: every backup restored into a scratch database."""

import logging

from aegis_web.audit.models import SYSTEM, Actor
from aegis_web.backups.copies import Stopped, watch_of
from aegis_web.backups.proving import prove_all
from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.language import N_
from aegis_web.registry import Requires, service

log = logging.getLogger(__name__)


@service(
    category="Upkeep",
    requires=Requires("persistent", N_("set AEGIS_COMPONENTS=scheduler,database")),
    of_all_jobs=True,
)
def prove_backups() -> list[str] | None:
    """Prove all backups.

    Restores each of them into a scratch database and compares what comes out with what was written
    down when it was made. The run fails when one of them is no good.
    """
    run = running.get(None)
    actor = Actor(run.requested_by) if run and run.requested_by else SYSTEM
    try:
        good, bad = prove_all(actor, watch_of(run))
    except Stopped as stopped:
        log.warning("Stopped: %s", stopped)
        return None
    if bad:
        name, problem = next(iter(bad.items()))
        raise AegisError(f"{len(bad)} of {len(good) + len(bad)} are no good, as {name}: {problem}")
    return good
