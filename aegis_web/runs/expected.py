"""When a run that goes should end: by its own progress, else by how long its job usually runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aegis_web.clock import utc_now
from aegis_web.runs.progress import RunProgress
from aegis_web.runs.queries import RunRow
from aegis_web.runs.usual import usual_seconds

LONGEST = timedelta(days=366)  # what would take longer is no estimate


@dataclass(frozen=True)
class Expected:
    """What is known of the end of a run that goes."""

    at: datetime | None  # None: it has already taken longer than usual, and tells no pace
    by_progress: bool  # `at` follows from its own progress
    usual_seconds: float | None  # None: the job's last runs had no good one
    longer_than_usual: bool


def expected_ends(
    going: Sequence[tuple[RunRow, RunProgress | None]],
) -> dict[int, Expected]:
    """What is known of the ends of these runs, by number. One query; none where none goes."""
    going = [(row, progress) for row, progress in going if row.status == "running"]
    usual = usual_seconds(sorted({row.job_id for row, _ in going})) if going else {}
    found = (
        (row.id, expected_end(row, progress, usual.get(row.job_id))) for row, progress in going
    )
    return {run_id: expected for run_id, expected in found if expected is not None}


def expected_end(row: RunRow, progress: RunProgress | None, usual: float | None) -> Expected | None:
    """What is known of the end of one run; None: nothing."""
    if row.started_at is None:
        return None
    elapsed = utc_now() - row.started_at
    longer = usual is not None and elapsed.total_seconds() > usual
    whole = None if progress is None else whole_time(elapsed, progress)
    if whole is not None:
        return Expected(row.started_at + whole, True, usual, longer)
    if usual is None:
        return None
    at = None if longer else row.started_at + timedelta(seconds=usual)
    return Expected(at, False, usual, longer)


def whole_time(elapsed: timedelta, progress: RunProgress) -> timedelta | None:
    """How long the run takes from begin to end if it goes on at its pace; None: it has none."""
    done, total = progress.done, progress.total
    if total is None or not (0 < done <= total) or not math.isfinite(total):
        return None
    return elapsed * (total / done) if elapsed < LONGEST * (done / total) else None
