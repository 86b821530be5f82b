"""Every filter against a plain reading of all rows, on both databases."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import select

from aegis_web.clock import utc_now
from aegis_web.extensions import db
from aegis_web.jobs.models import Job
from aegis_web.runs.filters import KINDS, RunFilter
from aegis_web.runs.models import Kind, Run, RunStatus
from aegis_web.runs.queries import list_runs
from aegis_web.runs.search import first_since
from tests.runs.rows import add_job, add_runs, run_values

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ERRORS = ("ValueError: 100% wrong", "TimeoutError: import host", "It ran longer than its 5 s.")


def history(app: Flask, number: int = 260) -> None:
    """Rows of all kinds over five days; some written long after their fire time."""
    chance = random.Random(7)
    jobs = [add_job(app, name) for name in ("Nightly import", "Invoices", "IMPORT of files", "x_y")]
    rows = []
    for step in range(number):
        written = NOON + timedelta(minutes=30 * step)
        status = chance.choice(list(RunStatus))
        manual = chance.random() < 0.2
        late = timedelta(hours=chance.choice((0, 0, 0, 0, 2, 30)))
        rows.append(
            run_values(
                chance.choice(jobs),
                status,
                written,
                queued_at=written,
                fire_at=None if manual else written - late + timedelta(microseconds=step),
                kind=Kind.MANUAL if manual else Kind.SCHEDULED,
                error=chance.choice(ERRORS) if status in (3, 4, 5) else None,
            )
        )
    add_runs(app, rows)


def expected(chosen: RunFilter) -> list[int]:
    """The numbers of the runs that `chosen` means, newest first, by reading everything."""
    since, until = chosen.window(utc_now())
    names = {row.id: row.name for row in db.session.execute(select(Job.id, Job.name))}
    text = chosen.text.lower()

    def fits(run: Run) -> bool:
        due_at = run.fire_at or run.queued_at
        return (
            (chosen.job_id is None or run.job_id == chosen.job_id)
            and (not chosen.statuses or run.status in chosen.statuses)
            and (not chosen.kind or run.kind in KINDS[chosen.kind])
            and (since is None or due_at >= since)
            and (until is None or due_at < until)
            and (text in names[run.job_id].lower() or text in (run.error or "").lower())
        )

    return [run.id for run in db.session.scalars(select(Run).order_by(Run.id.desc())) if fits(run)]


def found(chosen: RunFilter, size: int) -> list[int]:
    """The numbers of the runs on all pages, from the newest on."""
    numbers: list[int] = []
    page = list_runs(chosen, size)
    while True:
        numbers += [row.id for row in page.rows]
        if page.older is None:
            return numbers
        page = list_runs(page.older, size)


def back(chosen: RunFilter, size: int) -> list[int]:
    """The same from the oldest on, by the links to newer pages; newest first."""
    numbers: list[int] = []
    page = list_runs(replace(chosen, after=1), size)  # run 1 itself is left out
    while True:
        numbers = [row.id for row in page.rows] + numbers
        if page.newer is None:
            return numbers
        page = list_runs(page.newer, size)


def filters() -> list[RunFilter]:
    chance = random.Random(11)
    statuses = list(RunStatus)
    made = [RunFilter(), RunFilter(period="24h"), RunFilter(kind="manual")]
    for _ in range(60):
        since = NOON + timedelta(hours=chance.randrange(-5, 130))
        made.append(
            RunFilter(
                job_id=chance.choice((None, None, 1, 2, 3)),
                statuses=tuple(chance.sample(statuses, chance.choice((0, 0, 1, 3)))),
                kind=chance.choice(("", "", "manual", "scheduled")),
                since=chance.choice((None, since)),
                until=chance.choice((None, since + timedelta(hours=chance.randrange(1, 40)))),
                text=chance.choice(("", "", "import", "100%", "_", "wrong", "nothing")),
            )
        )
    return made


def test_pages_hold_what_the_filter_means_and_nothing_else(any_app: Flask) -> None:
    history(any_app)
    with any_app.app_context():
        for chosen in filters():
            wanted = expected(chosen)
            assert found(chosen, size=7) == wanted, chosen
            newer = [number for number in wanted if number > 1]
            if newer:
                assert back(chosen, size=7) == newer, chosen


def test_the_first_run_since_an_instant_is_found_by_bisection(any_app: Flask) -> None:
    with any_app.app_context():
        assert first_since(db.session, NOON) == 0
    history(any_app, number=9)
    with any_app.app_context():
        db.session.execute(select(Run.id))
        for step in range(9):
            at = NOON + timedelta(minutes=30 * step)
            assert first_since(db.session, at) == step + 1
            assert first_since(db.session, at + timedelta(microseconds=1)) == step + 2
        assert first_since(db.session, NOON - timedelta(days=9)) == 1
