"""Computing the forecast of all jobs, and keeping it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from sqlalchemy import delete, select, text

from aegis_web.calendars.queries import blackouts_of
from aegis_web.clock import SECOND_US, utc_now
from aegis_web.engine.triggers import from_json
from aegis_web.errors import Invalid
from aegis_web.extensions import db, transaction
from aegis_web.forecast.load import Expected, Load
from aegis_web.forecast.models import Forecast
from aegis_web.forecast.streams import (
    Expectation,
    Source,
    Walk,
    beginning,
    source_of,
    streams_of,
)
from aegis_web.jobs.models import Job, JobState
from aegis_web.pauses.queries import current_pause
from aegis_web.runs.models import RunStatus

BATCH = 100  # jobs whose last runs are read in one query
LAST_RUNS = 20  # of a job, those looked at
STREAMS_TOLD = 1_000  # streams between two words about the progress
SPREAD_SECONDS = 60  # a jitter that takes a job out of its minute

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


def live_jobs() -> Sequence[Any]:
    """What matters here of all jobs that are not deleted. One query."""
    columns = (
        Job.id, Job.trigger, Job.next_run_at, Job.skip_next_at, Job.state, Job.pause_until,
        Job.problem, Job.calendar_id, Job.overlap, Job.max_running, Job.jitter_seconds,
    )  # fmt: skip
    found: Sequence[Any] = db.session.execute(
        select(*columns).where(Job.deleted_at.is_(None)).order_by(Job.id)
    ).all()
    return found


def usual_seconds(job_ids: Sequence[int]) -> dict[int, float]:
    """How long a good run of these jobs usually takes: the median of the last. One query."""
    one = (
        "SELECT job_id, finished_at - started_at FROM (SELECT job_id, status, started_at,"
        " finished_at FROM runs WHERE job_id = :job{} ORDER BY id DESC LIMIT :count) AS runs{}"
        " WHERE status = :good AND started_at IS NOT NULL"
    )
    query = " UNION ALL ".join(one.format(place, place) for place in range(len(job_ids)))
    values = {f"job{place}": job_id for place, job_id in enumerate(job_ids)}
    wanted = {**values, "count": LAST_RUNS, "good": int(RunStatus.SUCCEEDED)}
    took = defaultdict(list)
    for job_id, microseconds in db.session.execute(text(query), wanted):
        took[job_id].append(microseconds / SECOND_US)
    return {job_id: median(seconds) for job_id, seconds in took.items()}


def sources(
    jobs: Sequence[Any], usual: dict[int, float], now: datetime, resumes_at: datetime
) -> Iterator[tuple[Source, Expectation]]:
    """The jobs that will fire, with where their fire times come from."""
    for job in jobs:
        paused = job.state == JobState.PAUSED and job.pause_until is not None
        if job.problem or job.next_run_at is None or not (paused or job.state == JobState.ACTIVE):
            continue
        try:
            trigger = from_json(job.trigger)
        except Invalid:
            continue  # of another release; its page says so
        skip = job.skip_next_at == job.next_run_at
        begins = max(now, resumes_at, job.pause_until) if paused else max(now, resumes_at)
        if begins > now and job.next_run_at <= begins:
            source = Source(trigger, begins, None, job.calendar_id)
        else:
            source = source_of(trigger, job.next_run_at, now, skip, job.calendar_id)
        yield (
            source,
            Expectation(
                job.id,
                usual.get(job.id),
                job.overlap,
                job.max_running,
                job.jitter_seconds >= SPREAD_SECONDS,
            ),
        )
