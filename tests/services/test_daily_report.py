"""The daily report: what it says, what it keeps, and the mail of it over a real SMTP server."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from aegis_web.audit.models import SYSTEM
from aegis_web.engine import changes
from aegis_web.engine.triggers import from_json
from aegis_web.errors import AegisError, Invalid
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobState
from aegis_web.reports.words import KEPT
from aegis_web.runs.models import Kind, Reason, Run, RunStatus
from aegis_web.services.daily_report import daily_report
from tests.support.applications import MakeApp
from tests.support.mails import Post

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOURLY = {"kind": "cron", "expression": "0 * * * *", "zone": "UTC"}
ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON - timedelta(days=10), tick=False) as traveller:
        yield traveller


class History:
    """Jobs and runs as the ledger would have them."""

    def __init__(self, app: Flask, clock: time_machine.Traveller) -> None:
        self.app, self.clock = app, clock

    def job(self, name: str, trigger: dict[str, Any] = HOURLY) -> int:
        with self.app.app_context(), transaction() as session:
            new = changes.NewJob(name, name, "prune_history", from_json(trigger))
            return changes.add(session, new, SYSTEM).id

    def run(
        self,
        job: int,
        hours_ago: float,
        status: RunStatus = RunStatus.SUCCEEDED,
        seconds: float = 2,
        **facts: Any,
    ) -> int:
        """A run that was settled so many hours before noon."""
        ended = NOON - timedelta(hours=hours_ago)
        began = ended - timedelta(seconds=seconds)
        with self.app.app_context(), transaction() as session:
            run = Run(
                job_id=job,
                fire_at=began,
                status=status,
                queued_at=began,
                started_at=began,
                finished_at=ended,
                **facts,
            )
            session.add(run)
            session.flush()
            return run.id

    def change(self, job: int, **facts: object) -> None:
        with self.app.app_context(), transaction() as session:
            for name, value in facts.items():
                setattr(session.get_one(Job, job), name, value)

    def report(self, hours: int = 24, email_to: list[str] | None = None) -> dict[str, Any]:
        """The report of noon."""
        self.clock.move_to(NOON)
        with self.app.app_context():
            found = daily_report(hours, email_to or [])
        assert found is not None
        return found


@pytest.fixture
def history(any_app: Flask, clock: time_machine.Traveller) -> History:
    return History(any_app, clock)


@pytest.fixture
def short_history(app: Flask, clock: time_machine.Traveller) -> History:
    """On SQLite alone."""
    return History(app, clock)


def test_it_counts_what_ran_in_the_last_hours(history: History) -> None:
    job, other = history.job("Sync"), history.job("Mail")
    history.run(job, 30, RunStatus.FAILED, error="too long ago")
    history.run(job, 23)
    history.run(job, 1)
    history.run(other, 2, RunStatus.CANCELLED, reason=Reason.STOPPED)
    found = history.report()
    assert found["ran"] == {"jobs": 2, "succeeded": 2, "cancelled": 1}
    assert found["failed"]["count"] == 0
    assert (found["from"], found["to"]) == (
        "2026-03-09T12:00:00+00:00",
        "2026-03-10T12:00:00+00:00",
    )


def test_a_run_that_began_before_counts_where_it_ended(history: History) -> None:
    job = history.job("Long")
    history.run(job, 1, RunStatus.TIMED_OUT, seconds=3 * 86_400, error="It ran longer.")
    assert history.report(hours=2)["failed"]["first"][0]["timed_out"] == 1


def test_it_lists_what_failed_worst_first_with_the_last_error(history: History) -> None:
    once, often = history.job("Once"), history.job("Often")
    history.run(once, 3, RunStatus.LOST, reason=Reason.PROCESS_DIED)
    history.run(often, 5, RunStatus.FAILED, error="ValueError: old")
    history.run(often, 4, RunStatus.TIMED_OUT, error="It ran longer")
    last = history.run(often, 1, RunStatus.FAILED, error="ValueError: new")
    failed = history.report()["failed"]
    assert failed["count"] == 2
    assert failed["first"][0] == {
        "job_id": often,
        "job": "Often",
        "failed": 2,
        "timed_out": 1,
        "last_run": last,
        "last_at": "2026-03-10T11:00:00+00:00",
        "error": "ValueError: new",
    }
    assert "process that ran it died" in failed["first"][1]["error"]


def test_it_says_what_never_ran_and_why(history: History) -> None:
    job = history.job("Sync")
    for hours_ago in (1, 2, 3):
        history.run(job, hours_ago, RunStatus.MISSED, reason=Reason.TOO_LATE)
    history.run(job, 4, RunStatus.SKIPPED, reason=Reason.OVERLAP)
    history.run(
        job, 5, RunStatus.MISSED, reason=Reason.BACKLOG, kind=Kind.SUMMARY, range_count=5000
    )
    unrun = history.report()["never_ran"]["first"]
    assert [(one["status"], one["times"]) for one in unrun] == [
        ("missed", 5000),
        ("missed", 3),
        ("skipped", 1),
    ]
    assert "within the grace time" in unrun[1]["reason"]


def test_it_says_which_fire_times_a_paused_job_has_passed(history: History) -> None:
    job = history.job("Sync")
    history.change(job, state=JobState.PAUSED, next_run_at=NOON - timedelta(days=3))
    unrun = history.report(hours=24)["never_ran"]["first"]
    assert [(one["status"], one["times"]) for one in unrun] == [("paused", 25)]  # both ends


def test_it_says_what_got_slower(history: History) -> None:
    slower, steady, young = (history.job(name) for name in ("Slower", "Steady", "Young"))
    for days in (2, 3, 4, 5):
        history.run(slower, 24 * days, seconds=10)
        history.run(steady, 24 * days, seconds=10)
    history.run(young, 48, seconds=1)
    history.run(slower, 2, seconds=34)
    history.run(slower, 1, RunStatus.FAILED, seconds=1, error="x")
    history.run(steady, 1, seconds=12)
    history.run(young, 1, seconds=60)
    found = history.report()["slower"]
    assert found == {
        "count": 1,
        "first": [{"job_id": slower, "job": "Slower", "now_seconds": 34.0, "before_seconds": 10.0}],
    }


def test_it_says_what_comes_next(history: History) -> None:
    hourly = history.job("Hourly")
    daily = history.job("Daily", {**HOURLY, "expression": "30 12 * * *"})
    yearly = history.job("Yearly", {**HOURLY, "expression": "0 0 1 1 *"})
    paused = history.job("Paused")
    history.change(hourly, next_run_at=NOON + timedelta(hours=1))
    history.change(daily, next_run_at=NOON + timedelta(minutes=30))
    history.change(paused, state=JobState.PAUSED, next_run_at=NOON + timedelta(hours=1))
    coming = history.report(hours=3)["next"]
    assert [(one["job_id"], one["times"]) for one in coming["first"]] == [(daily, 1), (hourly, 3)]
    assert coming["first"][0]["at"] == "2026-03-10T12:30:00+00:00"
    assert yearly not in [one["job_id"] for one in coming["first"]]


def test_it_is_a_readable_text_in_the_log(
    make_app: MakeApp,
    sqlite_database: str,
    clock: time_machine.Traveller,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = make_app(
        DATABASE_URL=sqlite_database,
        AEGIS_TIMEZONE="Europe/Berlin",
        AEGIS_PUBLIC_URL="https://jobs.example.com",
    )
    history = History(app, clock)
    job = history.job("Sync")
    history.change(job, next_run_at=NOON + timedelta(hours=1))
    history.run(job, 1, RunStatus.FAILED, error="ValueError: no 🎈")
    caplog.set_level("INFO")
    history.report(hours=3)
    assert caplog.messages[0].splitlines() == [
        "Aegis, Tue 10 Mar 10:00 to Tue 10 Mar 13:00 CET",
        "",
        "1 fire time or request of 1 job: 1 failed",
        "",
        "Failed",
        f"  Sync: 1 failed, last Tue 10 Mar 12:00 (run {1}): ValueError: no 🎈",
        "",
        "Never ran",
        "  nothing",
        "",
        "Got slower",
        "  nothing",
        "",
        "Next, until Tue 10 Mar 16:00",
        "  Tue 10 Mar 14:00  Sync (3 times)",
        "",
        "https://jobs.example.com",
    ]


def test_an_empty_installation_gets_a_report_too(short_history: History) -> None:
    found = short_history.report()
    assert found["ran"] == {"jobs": 0}
    assert found["next"] == {"count": 0, "first": []}


def test_however_much_there_is_the_result_can_be_kept(short_history: History) -> None:
    for number in range(KEPT + 5):
        job = short_history.job(f"{number} " + "🎈" * 5000)
        short_history.run(job, 1, RunStatus.FAILED, error="🎈" * 500)
        short_history.run(job, 2, RunStatus.MISSED, reason=Reason.TOO_LATE)
    found = short_history.report()
    assert found["failed"]["count"] == KEPT + 5
    assert len(found["failed"]["first"]) == KEPT
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 64 * 1024


def test_it_stops_when_it_is_asked_to(
    short_history: History, ask_to_stop: Callable[[], None]
) -> None:
    short_history.run(short_history.job("Sync"), 1)
    short_history.clock.move_to(NOON)
    ask_to_stop()
    with short_history.app.app_context():
        assert daily_report() is None


@pytest.fixture
def mailing(
    make_app: MakeApp, sqlite_database: str, post: Post, clock: time_machine.Traveller
) -> History:
    app = make_app(
        DATABASE_URL=sqlite_database,
        AEGIS_SMTP_URL=f"smtp://{post.address}?from=jobs@example.com",
    )
    return History(app, clock)


def test_it_is_mailed_to_whom_it_is_told(mailing: History, post: Post) -> None:
    job = mailing.job("Sync")
    mailing.run(job, 1, RunStatus.FAILED, error="ValueError: ünï 🎈")
    found = mailing.report(email_to=[ALICE, BOB])
    mail = post.mail()
    assert (mail["From"], mail["To"]) == ("jobs@example.com", f"{ALICE}, {BOB}")
    assert mail["Subject"] == "Aegis: 1 job failed"
    assert "ValueError: ünï 🎈" in str(mail.get_content())
    assert found["mailed_to"] == [ALICE, BOB]


def test_a_good_day_is_said_in_the_subject(mailing: History, post: Post) -> None:
    mailing.run(mailing.job("Sync"), 1)
    mailing.report(email_to=[ALICE])
    assert post.mail()["Subject"] == "Aegis: all is well, 1 run succeeded"


def test_without_addresses_nothing_is_mailed(mailing: History, post: Post) -> None:
    mailing.report()
    assert post.lines == []


def test_an_address_that_is_refused_is_named(mailing: History, post: Post) -> None:
    for to in ([ALICE, "nobody@example.org"], ["nobody@example.org"]):
        with pytest.raises(AegisError, match=r"refused nobody@example\.org"):
            mailing.report(email_to=to)
    assert len(post.mails) == 1  # Alice has hers


def test_without_a_mail_server_in_the_settings_it_says_so(short_history: History) -> None:
    with pytest.raises(AegisError, match="AEGIS_SMTP_URL is not set"):
        short_history.report(email_to=[ALICE])


def test_a_mail_server_that_is_not_there_is_named(
    make_app: MakeApp, sqlite_database: str, post: Post, clock: time_machine.Traveller
) -> None:
    gone = Post()
    gone.server_close()
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_SMTP_URL=f"smtp://{gone.address}")
    with pytest.raises(AegisError, match=f"{gone.address} did not take the mail"):
        History(app, clock).report(email_to=[ALICE])


@pytest.mark.parametrize(
    "to", ["alice", "a@b\nBcc: x@y", "a@b, c@d", "@", "a b@c", "x" * 300 + "@y"]
)
def test_what_is_no_address_is_refused_in_the_form(app: Flask, to: str) -> None:
    function = app.extensions["aegis.registry"].find("daily_report")
    with pytest.raises(Invalid) as caught:
        function.check({"email_to": [to]})
    assert any(name.startswith("email_to") for name in caught.value.errors)
