"""Computing the forecast of all jobs, and keeping it."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete

from aegis_web.calendars.queries import blackouts_of
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from aegis_web.forecast.load import Expected, Load
from aegis_web.forecast.models import Forecast
from aegis_web.forecast.sources import live_jobs, sources
from aegis_web.forecast.streams import Walk, beginning, streams_of
from aegis_web.pauses.queries import current_pause
from aegis_web.runs.usual import usual_seconds

BATCH = 100  # jobs whose last runs are read in one query
STREAMS_TOLD = 1_000  # streams between two words about the progress

Tell = Callable[[int, int], bool]  # steps done and in all; False: do not go on


def make_forecast(tell: Tell = lambda _done, _total: True) -> Expected | None:
    """Compute what the next days bring, and keep it in place of what was; None: told to stop.

    Needs an application context. One query for each 100 jobs, and three more.
    """
    now = utc_now()
    start = beginning(now)
    expected = expect(now, start, tell)
    if expected is None:
        return None
    with transaction() as session:
        session.execute(delete(Forecast))
        session.add(Forecast(made_at=now, from_at=start, document=expected.to_json()))
    return expected


def expect(now: datetime, start: datetime, tell: Tell) -> Expected | None:
    """What the days from `start` on bring, as all jobs are now; None: told to stop."""
    jobs = live_jobs()
    usual: dict[int, float] = {}
    for begin in range(0, len(jobs), BATCH):
        if not tell(begin, 2 * len(jobs)):
            return None
        usual |= usual_seconds([job.id for job in jobs[begin : begin + BATCH]])
    blackouts = blackouts_of({job.calendar_id for job in jobs if job.calendar_id})
    pause = current_pause()
    db.session.close()  # from here on it is arithmetic
    resumes_at = pause.until if pause and pause.until else now
    known = list(sources(jobs, usual, now, resumes_at))
    load, walk = Load(), Walk(start)
    load.expected.not_counted = len(jobs) - len(known)
    streams = sorted(streams_of(known, start).values(), key=walk.cost_first)
    for place, stream in enumerate(streams):
        if place % STREAMS_TOLD == 0 and not tell(len(streams) + place, 2 * len(streams)):
            return None
        load.add(stream, walk.fires(stream, blackouts.get(stream.source.calendar_id or 0, ())))
    return load.result()
