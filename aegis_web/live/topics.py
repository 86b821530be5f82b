"""What a page can watch, and what to compare to see that it has changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, text

Kind = Literal["all", "job", "run"]

ALL = text("""
    SELECT (SELECT max(id) FROM runs) AS newest_run, (SELECT max(id) FROM audit) AS newest_change,
      (SELECT max(id) FROM jobs) AS newest_job, count(*) AS running, sum(runs.id) AS which,
      sum(attempt) AS attempts, sum(progress_done) AS progress, max(stop_at) AS stop
    FROM runs LEFT JOIN run_details ON run_id = runs.id WHERE status = 1
""")
JOBS = text("""
    SELECT id, revision, state, next_run_at, updated_at, deleted_at,
      (SELECT max(id) FROM runs WHERE job_id = jobs.id) AS newest_run,
      (SELECT count(*) FROM runs WHERE job_id = jobs.id AND status < 2) AS open,
      (SELECT sum(status) FROM runs WHERE job_id = jobs.id AND status < 2) AS running
    FROM jobs WHERE id IN :ids
""").bindparams(bindparam("ids", expanding=True))
RUNS = text("""
    SELECT id, status, attempt, stop_at, not_before,
      progress_done, progress_total, progress_message,
      (SELECT max(sequence) FROM run_logs WHERE run_logs.run_id = runs.id) AS last_piece
    FROM runs LEFT JOIN run_details ON run_details.run_id = runs.id WHERE id IN :ids
""").bindparams(bindparam("ids", expanding=True))


@dataclass(frozen=True)
class Topic:
    """What one page watches."""

    kind: Kind
    id: int = 0  # of the job or run; 0 for all


def signatures(connection: Connection, topics: Iterable[Topic]) -> dict[Topic, object]:
    """For each topic a value that differs once something about it has. At most three queries."""
    topics, found = set(topics), dict[Topic, object]()
    if Topic("all") in topics:
        found[Topic("all")] = tuple(connection.execute(ALL).one())
    kinds: tuple[tuple[Kind, object], ...] = (("job", JOBS), ("run", RUNS))
    for kind, query in kinds:
        ids = [topic.id for topic in topics if topic.kind == kind]
        if ids:
            for row in connection.execute(query, {"ids": ids}):  # type: ignore[call-overload]
                found[Topic(kind, row.id)] = tuple(row)
    return found
