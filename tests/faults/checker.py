"""The judge: computes by itself when jobs were due, and compares with ledger and testimony.

Shares no code with the product: plain SQL, arithmetic of its own.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

SECOND = 1_000_000
EPOCH_US = 1_767_225_600 * SECOND  # 2026-01-01, from which the witnesses count
QUEUED, RUNNING, SUCCEEDED, FAILED = 0, 1, 2, 3
RAN = {"succeeded", "failed", "timed_out", "cancelled", "lost"}  # may have testimony
STATUSES = (
    "queued", "running", "succeeded", "failed", "timed_out", "cancelled", "lost", "skipped",
    "missed",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One line of testimony."""

    word: str
    job: str
    fire: int
    attempt: int
    pid: int
    at: int


@dataclass
class Judgement:
    """What was found; `violations` must be empty."""

    fire_times: int = 0
    rows: Counter[str] = field(default_factory=Counter)  # by status
    begun: int = 0
    violations: list[str] = field(default_factory=list)

    def against(self, what: str) -> None:
        self.violations.append(what)


def testimony(file: Path) -> list[Said]:
    """All lines of the witnesses so far."""
    lines = file.read_text().splitlines() if file.exists() else []
    said = []
    for line in lines:
        word, job, fire, attempt, pid, at = line.split()
        said.append(Said(word, job, int(fire), int(attempt), int(pid), int(at)))
    return said


def read(url: str, query: str, **values: Any) -> list[Any]:
    """Rows by plain SQL, on a connection of the judge's own."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(query), values))
    finally:
        engine.dispose()


def judge(
    url: str, witness: Path, times: dict[str, tuple[int, int]], clock_was_set: bool = False
) -> Judgement:
    """Compare all three for interval jobs: seconds and first microsecond after EPOCH_US, by job.

    Where the clock was set, instants from before and after it are not compared.
    """
    found = Judgement()
    said = [one for one in testimony(witness) if one.job in times]
    rows = read(
        url,
        "SELECT j.key, r.fire_at, r.status, r.attempt, r.finished_at, r.range_from, r.range_count"
        " FROM runs r JOIN jobs j ON j.id = r.job_id WHERE r.fire_at IS NOT NULL",
    )
    for job in read(url, "SELECT key, created_at, next_run_at FROM jobs"):
        if job.key in times:
            step, start = times[job.key][0] * SECOND, EPOCH_US + times[job.key][1]
            first = start + ((job.created_at - start) // step + 1) * step
            expected = set(range(first, job.next_run_at, step))
            found.fire_times += len(expected)
            judge_rows(found, job.key, expected, [row for row in rows if row.key == job.key])
    mine = [row for row in rows if row.key in times]
    judge_counts(found, url, mine)
    judge_results(found, url)
    found.rows = Counter(STATUSES[row.status] for row in mine)
    judge_testimony(found, {(row.key, row.fire_at): row for row in mine}, said)
    if not clock_was_set:
        judge_order(found, {(row.key, row.fire_at, row.attempt): row for row in mine}, said)
    return found


def judge_rows(found: Judgement, job: str, expected: set[int], rows: list[Any]) -> None:
    """Each expected fire time lies in exactly one row, and no row has another."""
    seen: Counter[int] = Counter()
    for row in rows:
        if row.range_count is None:
            seen[row.fire_at] += 1
            continue
        covered = [at for at in expected if row.range_from <= at <= row.fire_at]
        seen.update(covered)
        if len(covered) != row.range_count:
            found.against(f"{job}: a summary counts {row.range_count} of {len(covered)}")
    for at in expected - seen.keys():
        found.against(f"{job}: no row for {at}")
    for at, number in seen.items():
        if at not in expected:
            found.against(f"{job}: a row for {at}, at which it was not due")
        elif number > 1:
            found.against(f"{job}: {number} rows for {at}")
    for row in rows:
        if STATUSES[row.status] == "running":
            found.against(f"{job}: the run of {row.fire_at} never ended")


def judge_counts(found: Judgement, url: str, rows: list[Any]) -> None:
    """The hourly counts, from which screens are drawn, say what the rows say."""
    settled: Counter[tuple[str, int]] = Counter()
    for row in rows:
        if row.status > RUNNING:
            settled[row.key, row.status] += row.range_count or 1
    query = (
        "SELECT j.key, c.status, sum(c.count) AS n FROM run_counts c JOIN jobs j ON j.id = c.job_id"
        " GROUP BY j.key, c.status"
    )
    jobs = {row.key for row in rows}
    counted = {(row.key, row.status): int(row.n) for row in read(url, query) if row.key in jobs}
    for key in settled.keys() | counted.keys():
        if settled[key] != counted.get(key, 0):
            found.against(f"{key}: {settled[key]} rows, counted {counted.get(key, 0)}")


def judge_results(found: Judgement, url: str) -> None:
    """What each job's newest telling run came to is kept as its rows say."""
    newest = (
        "SELECT job_id, id, status FROM runs r WHERE status IN (2, 3, 4, 6, 8) AND NOT EXISTS"
        " (SELECT 1 FROM runs n WHERE n.job_id = r.job_id AND n.id > r.id"
        "  AND n.status IN (2, 3, 4, 6, 8))"
    )
    kept = {tuple(row) for row in read(url, "SELECT job_id, run_id, status FROM job_results")}
    for row in {tuple(row) for row in read(url, newest)} ^ kept:
        found.against(f"job {row[0]}: run {row[1]} with status {row[2]} is not kept as its result")


def judge_testimony(found: Judgement, rows: dict[tuple[str, int], Any], said: list[Said]) -> None:
    """What the witnesses say agrees with the rows; nothing began twice or too early."""
    begun = Counter((s.job, s.fire, s.attempt) for s in said if s.word == "begin")
    ended = {(s.job, s.fire) for s in said if s.word == "end"}
    found.begun = len(begun)
    for what, number in begun.items():
        if number > 1:
            found.against(f"{what} began {number} times")
    for s in said:
        row = rows.get((s.job, s.fire))
        if row is None:
            found.against(f"{s.job} of {s.fire} ran without a row")
        elif row.status == QUEUED and row.attempt > s.attempt:
            continue  # it waits for another attempt
        elif STATUSES[row.status] not in RAN:
            found.against(f"{s.job} of {s.fire} ran, and its row says {STATUSES[row.status]}")
    for (job, fire), row in rows.items():
        if row.status == SUCCEEDED and (job, fire) not in ended:
            found.against(f"{job} of {fire} is called succeeded, and did not end")


def judge_order(found: Judgement, rows: dict[tuple[str, int, int], Any], said: list[Said]) -> None:
    """Nothing began before it was due, nor after its row had been settled."""
    for s in said:
        if s.word != "begin":
            continue
        if s.at < s.fire:
            found.against(f"{s.job} of {s.fire} began {s.fire - s.at} us early")
        row = rows.get((s.job, s.fire, s.attempt))
        if row is not None and row.finished_at is not None and s.at > row.finished_at:
            late = s.at - row.finished_at
            found.against(f"{s.job} of {s.fire} began {late} us after it had been settled")
