"""The check of all accounts: what it keeps, when it fails, and the page that shows it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from aegis_web.errors import AegisError
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job
from aegis_web.ledger import check
from aegis_web.ledger.queries import KeptAccount, list_accounts, read_place, total_account
from aegis_web.runs.models import Reason, Run, RunStatus
from aegis_web.services.check_ledger import check_ledger
from tests.jobs.conftest import MakeJob, change, cron_trigger, text_of
from tests.runs.rows import add_job, add_run
from tests.support.applications import Browser
from tests.support.clocks import NOON

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is doubtful is looked at again without a wait."""
    monkeypatch.setattr(check, "SECOND_LOOK_SECONDS", 0.0)


@pytest.fixture
def hourly(app: Flask, frozen: Any, make_job: MakeJob) -> int:
    """A job with three fire times: one ran, one was skipped, one failed."""
    job_id = make_job("Hourly", trigger=cron_trigger("0 * * * *"))
    frozen.move_to(NOON + 3.5 * HOUR)
    add_run(app, job_id, RunStatus.SUCCEEDED, NOON + HOUR)
    add_run(app, job_id, RunStatus.SKIPPED, NOON + 2 * HOUR, reason=Reason.OVERLAP)
    add_run(app, job_id, RunStatus.FAILED, NOON + 3 * HOUR, error="no")
    change(app, job_id, next_run_at=NOON + 4 * HOUR)
    return job_id


def checked(app: Flask) -> dict[str, int]:
    with app.app_context():
        return check_ledger()


def kept(app: Flask) -> dict[str, KeptAccount]:
    with app.app_context():
        return {row.job_name: row for row in list_accounts(None).rows}


def test_it_keeps_an_account_for_each_job_and_their_sum(
    app: Flask, hourly: int, make_job: MakeJob
) -> None:
    make_job("Nightly")
    assert checked(app) == {"jobs": 2, "fire_times": 3, "unexplained": 0}
    row = kept(app)["Hourly"]
    assert (row.expected, row.succeeded, row.failed, row.skipped) == (3, 1, 1, 1)
    assert kept(app)["Nightly"].expected == 0
    with app.app_context():
        total = total_account()
    assert total is not None
    assert (total.expected, total.unexplained) == (3, 0)


def test_a_second_check_replaces_the_first_and_deleted_jobs_go(
    app: Flask, hourly: int, admin: Browser, make_job: MakeJob
) -> None:
    gone = make_job("Gone")
    checked(app)
    admin.post(f"/jobs/{gone}/delete")
    checked(app)
    assert set(kept(app)) == {"Hourly"}


def test_a_missing_row_makes_it_fail_and_names_the_job(
    app: Flask, hourly: int, admin: Browser
) -> None:
    with app.app_context(), transaction() as session:
        session.execute(delete(Run).where(Run.fire_at == NOON + 2 * HOUR))
    with pytest.raises(AegisError, match=r"1 of 1 jobs .* “Hourly” \(\+1\)\. Report this"):
        checked(app)
    page = text_of(admin.get("/ledger"))
    assert "1 fire time is not explained" in page


def test_what_is_wrong_for_a_moment_only_is_not_told(
    app: Flask, hourly: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, looks = check.accounts_of, []

    def accounts_of(job_ids: Any) -> Any:
        looks.append(list(job_ids))
        found = real(job_ids)
        if len(looks) == 1:  # as if a row had been on its way
            add_run(app, hourly, RunStatus.SUCCEEDED, NOON + 2 * HOUR)
        return found

    with app.app_context(), transaction() as session:
        session.execute(delete(Run).where(Run.fire_at == NOON + 2 * HOUR))
    monkeypatch.setattr(check, "accounts_of", accounts_of)
    assert checked(app)["unexplained"] == 0
    assert looks == [[hourly], [hourly]]


def test_a_job_without_versions_is_left_out(app: Flask, frozen: Any) -> None:
    add_job(app)
    assert checked(app)["jobs"] == 0


def test_it_can_be_stopped_between_batches(
    app: Flask, hourly: int, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job("Nightly")
    monkeypatch.setattr(check, "BATCH", 1)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> bool:
        told.append((done, total))
        return done < 1

    with app.app_context():
        assert check.check_ledger(tell).jobs == 1
    assert told == [(0, 2), (1, 2)]


def test_the_overview_has_the_sum_and_an_alarm(app: Flask, hourly: int, admin: Browser) -> None:
    checked(app)
    assert "3 fire times, 2 ran, 1 skipped, 0 missed, 0 unexplained" in text_of(admin.get("/"))
    with app.app_context(), transaction() as session:
        session.execute(delete(Run).where(Run.fire_at == NOON + 2 * HOUR))
    with pytest.raises(AegisError):
        checked(app)
    assert "1 fire time is not explained" in text_of(admin.get("/"))


def test_the_page_says_what_a_check_is_before_the_first(admin: Browser) -> None:
    assert "Not checked yet" in text_of(admin.get("/ledger"))


def test_every_number_opens_its_rows(app: Flask, hourly: int, admin: Browser) -> None:
    checked(app)
    page = text_of(admin.get("/ledger"))
    row = page.partition(f'id="account-{hourly}"')[2].partition("</tr>")[0]
    urls = re.findall(r'href="(/runs[^"]+)"', row)
    listed = [re.findall(r'id="run-(\d+)"', text_of(admin.get(url))) for url in urls]
    assert listed == [["1"], ["3"], ["2"]]
    whole = re.findall(r'href="(/runs[^"]+)"', page.partition('id="accounts-title"')[0])
    assert [re.findall(r'id="run-(\d+)"', text_of(admin.get(url))) for url in whole] == [
        ["3"], ["2"],
    ]  # fmt: skip


def test_pages_follow_each_other_the_doubtful_jobs_first(
    app: Flask, hourly: int, make_job: MakeJob
) -> None:
    numbers = [make_job(f"Job {number}") for number in range(4)]
    with app.app_context(), transaction() as session:
        session.get_one(Job, numbers[2]).next_run_at = NOON + timedelta(days=3)
    with app.app_context():
        check.check_some([hourly, *numbers], check.Checked())
        seen, place = [], None
        while True:
            page = list_accounts(place, size=2)
            seen += [row.job_id for row in page.rows]
            if page.older is None:
                break
            place = read_place(page.older)
    assert seen == [hourly, *reversed(numbers)]


@pytest.mark.parametrize("place", ["", "x", "1-2", "1-2-x", "-1--1-1", "9" * 40 + "-1-1"])
def test_a_place_that_is_none_is_the_beginning(admin: Browser, place: str) -> None:
    assert read_place(place) is None
    assert admin.get(f"/ledger?after={place}").status_code == 200
