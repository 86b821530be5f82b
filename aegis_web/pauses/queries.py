"""What is asked about the pause of everything."""

from dataclasses import dataclass
from datetime import datetime

from aegis_web.engine import pauses
from aegis_web.extensions import db


@dataclass(frozen=True)
class OpenPause:
    """The pause of everything that lasts now."""

    reason: str
    paused_by: str
    since: datetime
    until: datetime | None  # None: until somebody resumes


def current_pause() -> OpenPause | None:
    """The pause that lasts now; None: jobs run as usual. At most two short queries."""
    pause = pauses.open_pause(db.session)
    if pause is None:
        return None
    return OpenPause(pause.reason, pause.paused_by, pause.from_at, pause.until_at)


def passed_in_pause() -> int:
    """How many fire times of all jobs have passed in the pause that lasts; 0 without one.

    Costs by the number of jobs that are due.
    """
    pause = pauses.open_pause(db.session)
    return 0 if pause is None else pauses.passed_count(db.session, pause)
