"""The jobs declared in code, in APScheduler's own `add_job` words.

Add your team's here, or in a `declare(scheduler)` of a module named in AEGIS_SERVICES. Restarts
neither duplicate nor reset what is declared, and a person's pause survives a deploy.
"""

from typing import Any

from aegis_web.config import settings
from aegis_web.services.back_up_database import back_up_database
from aegis_web.services.check_audit import check_audit
from aegis_web.services.check_ledger import check_ledger
from aegis_web.services.copy_off_site import copy_off_site
from aegis_web.services.make_forecast import make_forecast
from aegis_web.services.prove_backups import prove_backups
from aegis_web.services.prune_history import prune_history


def declare(scheduler: Any) -> None:
    """Declare the product's own jobs."""
    if settings().persistent:
        scheduler.add_job(
            back_up_database,
            trigger="cron",
            hour=2,
            minute=0,
            id="database_backup",
            name="Daily database backup",
        )
        scheduler.add_job(
            prove_backups,
            trigger="cron",
            day=1,
            hour=5,
            minute=0,
            id="backup_rehearsal",
            name="Monthly restore rehearsal",
        )
    if settings().backup_off_site:
        scheduler.add_job(  # asked for after each proven backup too
            copy_off_site,
            trigger="cron",
            minute=11,  # when little else starts
            id="off_site_copy",
            name="Copy backups off-site",
            retries=4,
            retry_backoff="exponential",
        )
    scheduler.add_job(
        prune_history,
        trigger="cron",
        hour=3,
        minute=0,
        id="prune_history",
        name="Prune history",
    )
    scheduler.add_job(
        check_ledger,
        trigger="cron",
        hour=4,
        minute=0,
        id="ledger_check",
        name="Check the ledger",
    )
    scheduler.add_job(
        make_forecast,
        trigger="cron",
        minute=23,  # when little else starts
        id="forecast",
        name="Make the forecast",
    )
    scheduler.add_job(
        check_audit,
        trigger="cron",
        minute=41,  # when little else starts
        id="audit_check",
        name="Check the audit",
    )
