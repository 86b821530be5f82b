"""What happened lately and what comes next, in a log, as a result and as a mail."""

import logging
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.context import RunContext, running
from aegis_web.extensions import db
from aegis_web.mail import send_mail, server_of
from aegis_web.registry import service
from aegis_web.reports.queries import report
from aegis_web.reports.words import subject, text, to_json

Address = Annotated[str, Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$", max_length=254)]

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Somebody asked for the end of the report."""


@service(category="Reports", timeout_seconds=3_600, runs_in="thread", of_all_jobs=True)
def daily_report(
    hours: Annotated[int, Field(ge=1, le=744)] = 24,
    email_to: Annotated[list[Address], Field(max_length=50)] = [],  # noqa: B006 (never changed)
) -> dict[str, Any] | None:
    """Report on the last hours.

    Says what ran, what failed, what never ran and why, what got slower than before, and what
    comes next. Times are in the installation's zone.

    Args:
        hours: How many hours to look back, and ahead.
        email_to: Who gets it by mail; empty: nobody, it is only kept here.
    """
    config, run = settings(), running.get(None)
    if email_to:
        server_of(config)  # before the work, so that a missing setting is said at once
    try:
        found = report(db.session(), utc_now(), hours, lambda done, total: _tell(run, done, total))
    except _Stopped:
        log.warning("Stopped: no report was made")
        return None
    finally:
        db.session.close()  # no transaction waits for the mail server
    written = text(found, ZoneInfo(config.zone), config.public_url)
    log.info("%s", written)
    if email_to:
        send_mail(config, email_to, subject(found), written)
        log.info("Sent to %s", ", ".join(email_to))
    return {**to_json(found), "mailed_to": email_to}


def _tell(run: RunContext | None, done: int, total: int) -> None:
    """Report progress, and end where somebody asked for it."""
    if run is None:
        return
    if run.stop_requested():
        raise _Stopped
    run.progress(done, total, "jobs compared")
