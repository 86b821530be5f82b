"""The Failures page: the same error over runs and jobs is one line, quiet while it is known."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from aegis_web.audit.models import AuditEntry
from aegis_web.extensions import db, transaction
from aegis_web.failures import queries
from aegis_web.failures.fingerprint import fingerprint
from aegis_web.failures.queries import Failures, failures
from aegis_web.runs.models import RunStatus
from tests.jobs.conftest import text_of
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser, signed_in
from tests.support.clocks import NOON

HOUR = timedelta(hours=1)
ERROR = "HTTPError: <502> after 3 s"
MARK = fingerprint(ERROR)


@pytest.fixture
def admin(any_app: Flask, frozen: Any) -> Browser:
    return signed_in(any_app)


def fail(app: Flask, job: int, at: datetime, error: str = ERROR) -> int:
    return add_run(app, job, RunStatus.FAILED, at, error=error)


def found(app: Flask) -> Failures:
    with app.app_context():
        return failures()


def acknowledge(admin: Browser, note: str = "") -> None:
    answer = admin.post(f"/failures/{MARK}/acknowledge", data={"note": note})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/failures")


def test_the_same_error_is_one_line_with_its_counts(any_app: Flask, frozen: Any) -> None:
    often, seldom = add_job(any_app, "Often"), add_job(any_app, "Seldom")
    add_run(any_app, often, RunStatus.SUCCEEDED, NOON - 100 * HOUR)
    good = add_run(any_app, often, RunStatus.SUCCEEDED, NOON - 90 * HOUR)
    fail(any_app, often, NOON - 80 * HOUR, "HTTPError: <500> after 7 s")
    fail(any_app, seldom, NOON - 20 * HOUR)
    last = fail(any_app, often, NOON - HOUR / 2)
    fail(any_app, often, NOON - HOUR / 3, "KeyError: 'price'")
    add_run(any_app, often, RunStatus.SKIPPED, NOON - HOUR / 4)
    other, one = found(any_app).open
    assert other.error == "KeyError: 'price'"
    assert (one.error, one.last_run_id) == (ERROR, last)
    assert one.counts == {"1 h": 1, "24 h": 2, "7 d": 3}
    assert one.jobs == {often: 2, seldom: 1}
    assert one.names == {often: "Often", seldom: "Seldom"}
    assert one.first_at == NOON - 80 * HOUR + timedelta(seconds=2)
    assert one.good is not None
    assert one.good.run_id == good


def test_what_is_older_than_a_month_is_not_looked_at(any_app: Flask, frozen: Any) -> None:
    job = add_job(any_app)
    fail(any_app, job, NOON - timedelta(days=31))
    assert found(any_app).open == ()


def test_only_so_many_runs_are_looked_at_and_the_page_says_so(
    any_app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 3)
    job = add_job(any_app)
    for minutes in range(5):
        fail(any_app, job, NOON - minutes * HOUR / 60)
    assert found(any_app).more
    assert found(any_app).open[0].counts["1 h"] == 3
    assert "Only the newest" in text_of(admin.get("/failures"))


def test_an_acknowledged_error_is_quiet_and_says_who_knows(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app)
    fail(any_app, job, NOON - HOUR)
    acknowledge(admin, "The <partner> is asked")
    page = text_of(admin.get("/failures"))
    assert "Nothing fails" in page
    assert "The <partner> is asked" in page
    assert "The <partner>" not in admin.get("/failures").get_data(as_text=True)
    with any_app.app_context(), transaction() as session:
        (entry,) = session.scalars(
            select(AuditEntry).where(AuditEntry.subject == f"failure:{MARK}")
        )
    assert (entry.actor, entry.action) == ("alice@example.org", "failure.acknowledge")


def test_it_stays_quiet_while_it_only_goes_on(any_app: Flask, admin: Browser, frozen: Any) -> None:
    job = add_job(any_app)
    fail(any_app, job, NOON - HOUR)
    acknowledge(admin)
    frozen.move_to(NOON + 2 * HOUR)
    fail(any_app, job, NOON + HOUR)
    assert found(any_app).open == ()


def test_it_is_news_again_where_it_hits_another_job(any_app: Flask, admin: Browser) -> None:
    fail(any_app, add_job(any_app, "One"), NOON - HOUR)
    acknowledge(admin)
    fail(any_app, add_job(any_app, "Two"), NOON - HOUR / 2)
    (group,) = found(any_app).open
    assert len(group.jobs) == 2


def test_it_is_news_again_where_it_comes_back_after_a_good_run(
    any_app: Flask, admin: Browser, frozen: Any
) -> None:
    job = add_job(any_app)
    fail(any_app, job, NOON - HOUR)
    acknowledge(admin)
    frozen.move_to(NOON + 5 * HOUR)
    add_run(any_app, job, RunStatus.SUCCEEDED, NOON + HOUR)
    assert found(any_app).open == ()
    fail(any_app, job, NOON + 2 * HOUR)
    assert len(found(any_app).open) == 1


def test_it_can_be_reopened_once(any_app: Flask, admin: Browser) -> None:
    fail(any_app, add_job(any_app), NOON - HOUR)
    acknowledge(admin)
    acknowledge(admin, "again, with a note")
    assert admin.post(f"/failures/{MARK}/reopen").status_code == 303
    assert len(found(any_app).open) == 1
    assert admin.post(f"/failures/{MARK}/reopen").status_code == 409


def test_an_error_that_no_run_has_cannot_be_acknowledged(any_app: Flask, admin: Browser) -> None:
    assert admin.post(f"/failures/{'0' * 16}/acknowledge").status_code == 404
    assert admin.post("/failures/short/acknowledge").status_code == 404


def test_a_note_that_is_too_long_is_refused_in_words(any_app: Flask, admin: Browser) -> None:
    fail(any_app, add_job(any_app), NOON - HOUR)
    answer = admin.post(f"/failures/{MARK}/acknowledge", data={"note": "x" * 501})
    assert answer.status_code == 422
    assert "at most 500" in text_of(answer)


def test_without_failures_it_says_so(any_app: Flask, admin: Browser) -> None:
    assert "Nothing fails" in text_of(admin.get("/failures"))


def test_the_number_of_queries_does_not_grow_with_the_groups(
    any_app: Flask, admin: Browser
) -> None:
    def count() -> int:
        seen: list[Any] = []
        with any_app.app_context():
            engine = db.engines[None]
        event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        admin.get("/failures")
        return len(seen)

    fail(any_app, add_job(any_app), NOON - HOUR)
    admin.get("/failures")
    few = count()
    for letter in "abcdefghijklmnop":
        fail(any_app, add_job(any_app, f"Job {letter}"), NOON - HOUR, f"Error{letter}: x")
    assert count() == few
