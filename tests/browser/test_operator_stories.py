"""Five things an operator comes for, from the Overview on: each takes what docs/stories.md says."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import select

from aegis_web.audit.models import Actor
from aegis_web.clock import EPOCH
from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger, IntervalTrigger, Trigger, zone_named
from aegis_web.extensions import transaction
from aegis_web.jobs.actions import create_job
from aegis_web.jobs.definition import Definition
from aegis_web.jobs.models import Pause
from aegis_web.pauses.queries import passed_in_pause
from aegis_web.runs.models import Reason, Run, RunStatus
from tests.browser import tour
from tests.browser.person import Person
from tests.support.applications import MakeApp, make_admin
from tests.support.browsers import OpenPage
from tests.support.clocks import wait_until
from tests.support.servers import Server, StartServer, free_port

pytestmark = [pytest.mark.browser, pytest.mark.essential]
SHOP = "tests.browser.shop"
NIGHT = timedelta(hours=8)
EARLY = CronTrigger(parse("0 6 * * *"), zone_named("UTC"))
EVERY_SECOND = IntervalTrigger(1, "seconds", EPOCH, zone_named("UTC"))
ALICE = Actor("alice@example.org", 1)
Come = Callable[[Server], Person]


@pytest.fixture
def shop(make_app: MakeApp, sqlite_database: str) -> Flask:
    """The application that prepares the database of the test's server; Alice has an account."""
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_SERVICES=SHOP)
    with app.app_context():
        make_admin()
    return app


@pytest.fixture
def server(shop: Flask, start_server: StartServer) -> Server:
    """A server whose engine runs the shop's jobs."""
    return start_server(AEGIS_SERVICES=SHOP).ready()


@pytest.fixture
def come(open_page: OpenPage) -> Come:
    """An operator who signs in and looks at the Overview; nothing is counted yet."""

    def come(server: Server) -> Person:
        page = open_page()
        tour.sign_in(page, server)
        return Person(page)

    return come


def make_job(
    app: Flask, name: str, service: str, trigger: Trigger = EARLY, **arguments: int
) -> int:
    """A job as Alice made it once, at six each morning unless told otherwise; its number."""
    with app.app_context():
        return create_job(Definition(name, f"shop.{service}", trigger, arguments), ALICE)


def let_it_be_last_night(app: Flask) -> None:
    """Move all runs eight hours back."""
    with app.app_context(), transaction() as session:
        for run in session.scalars(select(Run)):
            for name in ("queued_at", "started_at", "finished_at"):
                setattr(run, name, getattr(run, name) - NIGHT)


def passed_now(app: Flask) -> int:
    """How many fire times have passed in the pause that lasts."""
    with app.app_context():
        return passed_in_pause()


def fates_in_pause(app: Flask, job: int) -> list[tuple[int, str | None]]:
    """Status and reason of the job's settled fire times in the pause, in their order."""
    with app.app_context(), transaction() as session:
        pause = session.scalars(select(Pause)).one()
        query = select(Run.status, Run.reason).where(
            Run.job_id == job,
            Run.fire_at.between(pause.from_at, pause.until_at),
            Run.finished_at.is_not(None),
        )
        return [(row.status, row.reason) for row in session.execute(query.order_by(Run.fire_at))]


def test_finding_the_failure_of_last_night_and_its_cause(
    shop: Flask, server: Server, come: Come
) -> None:
    job = make_job(shop, "Send invoices", "break_down")
    operator = come(server)
    page = operator.page
    tour.run_now(page, server, job)
    expect(page.locator("#facts-title + *")).to_contain_text("Failed")
    let_it_be_last_night(shop)
    page.goto(server.url)

    trouble = page.get_by_role("row", name="Send invoices")
    expect(trouble).to_contain_text("ValueError: invoice INV-20931 has no number")
    expect(trouble).to_contain_text("8 h ago")
    operator.click(trouble.get_by_role("link", name=re.compile("^Run ")))
    expect(page.locator("#runs-run")).to_contain_text("invoice INV-20931 has no number")
    own = page.locator("#traceback .ag-own")
    expect(own).to_be_visible()
    expect(own).to_contain_text("shop.py")
    expect(own).to_contain_text("in break_down")
    operator.assert_took_what_is_promised("Find last night's failure and its cause")


def test_stopping_a_run_that_never_ends(shop: Flask, server: Server, come: Come) -> None:
    job = make_job(shop, "Run away", "spin")
    operator = come(server)
    page = operator.page
    tour.run_now(page, server, job)
    page.goto(server.url)

    running = page.get_by_role("region", name="Running now")
    operator.click(running.get_by_role("link", name="Run away"))
    operator.click(page.get_by_role("button", name="Stop run"))
    expect(page.locator("#facts-title + *")).to_contain_text("Cancelled")
    expect(page.locator("#runs-run")).to_contain_text("Somebody stopped it")
    expect(page.get_by_role("button", name="Stop run")).to_have_count(0)
    operator.assert_took_what_is_promised("Stop a runaway run")


def test_moving_a_job_away_from_a_pile_up(shop: Flask, server: Server, come: Come) -> None:
    jobs = [make_job(shop, f"Report {number}", "break_down") for number in range(11)]
    operator = come(server)
    page = operator.page
    page.goto(f"{server.url}/forecast")
    page.get_by_role("button", name="Compute now").click()
    expect(page.locator("#facts-title + *")).to_contain_text("Succeeded")
    page.goto(server.url)

    operator.click(page.get_by_role("link", name="Forecast", exact=True))
    pile = page.get_by_role("row", name="11 jobs")
    operator.click(pile.get_by_role("link", name="Report 3"))
    operator.click(page.get_by_role("link", name="Edit", exact=True))
    expect(page.get_by_text("10 jobs already start at 06:00.")).to_be_visible()
    operator.click(page.get_by_role("button", name="Start at 06:01, with no other"))
    expect(page.get_by_text("10 jobs already start")).to_have_count(0)
    operator.click(page.get_by_role("button", name="Save job"))
    review = page.locator("#jobs-review")
    expect(review).to_contain_text("Every day at 06:01")
    operator.click(review.get_by_role("button", name="Save these changes"))
    expect(page).to_have_url(f"{server.url}/jobs/{jobs[3]}")
    expect(page.get_by_text("Every day at 06:01").first).to_be_visible()
    operator.assert_took_what_is_promised("Move a job away from a pile-up")


def test_pausing_all_for_a_deploy_and_resuming_with_the_right_catch_up(
    shop: Flask, server: Server, come: Come
) -> None:
    job = make_job(shop, "Every second", "count_slowly", EVERY_SECOND, until=1)
    operator = come(server)
    page = operator.page

    operator.click(page.get_by_role("link", name="Jobs", exact=True))
    operator.click(page.get_by_role("link", name="Pause all…"))
    operator.type(page.get_by_label("Reason"), "Deploy of 2.1")
    operator.click(page.get_by_role("button", name="Pause everything"))
    banner = page.locator("#pauses-banner")
    expect(banner).to_contain_text("Everything is paused. Deploy of 2.1")
    wait_until(lambda: passed_now(shop) > 2)
    operator.click(banner.get_by_role("link", name="Resume…"))
    expect(page.get_by_text(re.compile("[0-9]+ fire times passed"))).to_be_visible()
    operator.click(page.get_by_text("Run the latest of each job"))
    operator.click(page.get_by_role("button", name="Resume everything"))
    expect(page.get_by_text("Everything goes on.")).to_be_visible()
    expect(banner).to_be_empty()
    operator.assert_took_what_is_promised("Pause everything for a deploy, and resume it")
    ran = (RunStatus.SUCCEEDED, None)
    wait_until(lambda: ran in fates_in_pause(shop, job))
    *passed, latest = fates_in_pause(shop, job)
    assert set(passed) == {(RunStatus.SKIPPED, Reason.PAUSED)}
    assert latest == ran


def test_repairing_a_job_whose_function_was_renamed(
    shop: Flask, start_server: StartServer, come: Come, tmp_path: Path
) -> None:
    module, port = tmp_path / "billing.py", free_port()
    module.write_text("def send_invoices(customer: str = 'all') -> None:\n    pass\n")
    given = {"PYTHONPATH": str(tmp_path), "AEGIS_SERVICES": "billing"}
    server = start_server(port, **given).ready()
    operator = come(server)
    page = operator.page
    tour.create_job(page, server, "billing.send_invoices", "Month end", "0 2 * * *")
    page.goto("about:blank")  # else the page complains that nobody answers
    server.stop()
    module.write_text("def send_all_invoices(customer: str = 'all') -> None:\n    pass\n")
    server = start_server(port, **given).ready()
    page.goto(server.url)

    trouble = page.get_by_role("row", name="Month end")
    expect(trouble).to_contain_text("Broken")
    operator.click(trouble.get_by_role("link", name="Repair…"))
    expect(page.locator("#field-service")).to_have_value("billing.send_all_invoices")
    operator.click(page.get_by_role("button", name="Save repair"))
    expect(page.get_by_text("Repaired the job")).to_be_visible()
    operator.click(page.get_by_role("button", name="Run now"))
    expect(page.locator("#facts-title + *")).to_contain_text("Succeeded")
    operator.assert_took_what_is_promised("Repair a job whose function was renamed")
