"""Every page of the dashboard over a long history: how long the server takes.

    .venv/bin/python -m benchmarks.screens [--jobs 10000] [--runs 100] [--rounds 20] [--postgres]

Jobs with that many runs each over the last 30 days (3 in 100 failed), as rows of the database. The
server is started as users do; each page is read once to warm up, then round after round. Half of
the answers took at most p50, 19 of 20 at most p95, in milliseconds as a browser beside it waits.
"""

import argparse
import re
from datetime import timedelta
from html import unescape
from statistics import median

from sqlalchemy import insert, text

from aegis_web.clock import utc_now
from aegis_web.engine.ledger.finish import keep_results
from aegis_web.jobs.models import Job
from aegis_web.runs.models import Run, RunStatus
from benchmarks.databases import arguments, scratch
from benchmarks.nodes import BenchmarkNode
from benchmarks.pages import Viewer, served

BATCH = 200  # jobs whose runs are inserted in one statement
DAYS = 30
PAGES_DEEP = 20  # how often "Older" is followed for the deep pages
COUNTS = """
    INSERT INTO run_counts (hour, job_id, status, count)
    SELECT finished_at / 3600000000, job_id, status, count(*) FROM runs GROUP BY 1, 2, 3
"""
PATHS = (
    "/", "/jobs", "/jobs?order=name", "/jobs?q=job+99", "/jobs/5000", "/jobs/5000/edit",
    "/jobs/5000/ledger", "/jobs/5000/versions", "/runs", "/runs?status=failed", "/runs?job=5000",
    "/runs/5000", "/failures", "/timeline", "/ledger", "/services", "/system",
)  # fmt: skip


def store_history(node: BenchmarkNode, jobs: int, runs: int) -> None:
    """Give each stored job its runs, and the hours their counts."""
    now = utc_now()
    with node.engine.begin() as connection:
        ids = list(connection.scalars(Job.__table__.select().with_only_columns(Job.id)))
    for begin in range(0, jobs, BATCH):
        rows = []
        for place, job_id in enumerate(ids[begin : begin + BATCH], start=begin):
            for number in range(runs):
                at = now - timedelta(days=DAYS) * (runs - number) / runs
                at += timedelta(seconds=place % 3600)
                failed = (place + number) % 33 == 0
                rows.append(
                    {
                        "job_id": job_id,
                        "fire_at": at,
                        "status": RunStatus.FAILED if failed else RunStatus.SUCCEEDED,
                        "queued_at": at,
                        "started_at": at,
                        "finished_at": at + timedelta(seconds=1 + number % 40),
                        "error": f"ValueError: row {number} has no price" if failed else None,
                    }
                )
        with node.engine.begin() as connection:
            connection.execute(insert(Run), rows)
    with node.engine.begin() as connection:
        connection.execute(text(COUNTS))
        keep_results(connection, sorted(ids))
    node.analyze()


def deep(viewer: Viewer, path: str) -> str:
    """The address of the page that "Older" leads to after `PAGES_DEEP` times."""
    for _ in range(PAGES_DEEP):
        found = re.findall(r'href="([^"]+)"[^>]*><span>Older', viewer.read(path))
        assert found, path
        path = unescape(found[0])
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100, help="of each job")
    parser.add_argument("--rounds", type=int, default=20)
    arguments(parser)
    options = parser.parse_args()
    with scratch(options.postgres) as urls:
        for name, url in urls.items():
            with served(url.format("screens")) as viewer:
                node = BenchmarkNode(url.format("screens"), empty=False)
                node.store(options.jobs)
                with node.engine.begin() as connection:
                    connection.execute(text("UPDATE jobs SET name = 'Job ' || id"))
                store_history(node, options.jobs, options.runs)
                node.close()
                paths = {path: path for path in PATHS}
                paths |= {f"{path}, deep": deep(viewer, path) for path in ("/jobs", "/runs")}
                took: dict[str, list[float]] = {label: [] for label in paths}
                for path in paths.values():
                    viewer.read(path)
                for _ in range(options.rounds):
                    for label, path in paths.items():
                        took[label].append(viewer.milliseconds(path))
            print(f"{name}, {options.jobs} jobs, {options.jobs * options.runs} runs: ms")
            print(f"  {'page':24} {'p50':>8} {'p95':>8}")
            for label, times in took.items():
                times.sort()
                late = times[min(len(times) - 1, int(len(times) * 0.95))]
                print(f"  {label:24} {median(times):8.1f} {late:8.1f}")


if __name__ == "__main__":
    main()
