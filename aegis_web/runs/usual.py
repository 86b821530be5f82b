"""How long a job's runs usually take."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from sqlalchemy import text

from aegis_web.clock import SECOND_US
from aegis_web.extensions import db
from aegis_web.runs.models import RunStatus

LAST_RUNS = 20  # of a job, those looked at


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
