"""Each policy is set in the job's form and seen at work on its page, in a real browser."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from aegis_web.clock import utc_now
from tests.browser.tour import run_now, set_up
from tests.support.browsers import OpenPage, assert_accessible, assert_accessible_and_fits
from tests.support.servers import Server, StartServer

pytestmark = [pytest.mark.browser, pytest.mark.essential]
SHOP = "tests.browser.shop"
Typed = dict[str, str]
EVERY_SECOND = {"trigger": "interval", "every": "1", "unit": "seconds"}


def minute(instant: datetime) -> str:
    """An instant as a date and time field takes it."""
    return f"{instant:%Y-%m-%dT%H:%M}"


def open_form(page: Page, server: Server, name: str, service: str) -> None:
    """A new job's form with its policies unfolded."""
    page.goto(f"{server.url}/jobs/new?service={service}")
    page.locator("[name=name]").fill(name)
    page.get_by_text("Policies", exact=True).click()


def fill(page: Page, typed: Typed) -> None:
    """Type into fields by name; choose where they are radio buttons or lists."""
    for name, text in typed.items():
        field = page.locator(f"[name='{name}']")
        kind = field.first.evaluate("field => field.type")
        if kind == "radio":
            button = page.locator(f"[name='{name}'][value='{text}']")
            page.locator("label", has=button).click()
        elif kind == "select-one":
            field.select_option(text)
        else:
            field.fill(text)


def make_job(page: Page, server: Server, name: str, service: str, typed: Typed) -> int:
    """Make a job in the form, every second unless `typed` says otherwise; its number."""
    open_form(page, server, name, service)
    fill(page, typed if "trigger" in typed else {**EVERY_SECOND, **typed})
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    return int(page.url.rpartition("/")[2])


def make_calendar(page: Page, server: Server, name: str, days: int = 1) -> None:
    """A calendar in UTC whose one period began yesterday and lasts for `days` more."""
    page.goto(f"{server.url}/calendars/new")
    fill(page, {"name": name, "zone": "UTC", "period_name": "Freeze of the release"})
    fill(page, {"period_from": minute(utc_now() - timedelta(days=1))})
    fill(page, {"period_until": minute(utc_now() + timedelta(days=days))})
    page.get_by_role("button", name="Create calendar").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()


SLOW = {"arg.until": "30"}  # about three seconds, at a fire time each second
AT_WORK: dict[str, tuple[str, Typed, list[str]]] = {
    "Skips": ("shop.count_slowly", SLOW, ["The run before was still going"]),
    "Lets one wait": (
        "shop.count_slowly",
        {**SLOW, "overlap": "queue_one"},
        ["Queued", "The run before was still going"],
    ),
    "Replaces": (
        "shop.count_slowly",
        {**SLOW, "overlap": "replace"},
        ["The next run of this job took its place"],
    ),
    "Fills its queue": (
        "shop.count_slowly",
        {**SLOW, "overlap": "queue", "queue_limit": "1"},
        ["Too many runs were waiting already"],
    ),
    "Times out": ("shop.count_slowly", {"timeout": "1s"}, ["Timed out"]),
    "Is forbidden": (
        "shop.count_slowly",
        {"calendar": "1"},
        ["Its blackout calendar forbids runs at this time"],
    ),
    "Tries again": (
        "shop.break_down",
        {"every": "5", "retries": "1", "retry_delay": "1s", "start": "2026-01-01T00:00"},
        ["attempt 2"],
    ),
}


def test_each_policy_is_set_in_the_form_and_seen_at_work(
    start_server: StartServer, page: Page
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP, AEGIS_PROCESSES=str(2 * len(AT_WORK))).ready()
    set_up(page, server)
    make_calendar(page, server, "Releases")
    jobs = {
        name: make_job(page, server, name, service, typed)
        for name, (service, typed, _) in AT_WORK.items()
    }
    for name, (_, _, words) in AT_WORK.items():
        page.goto(f"{server.url}/jobs/{jobs[name]}")
        for text in words:
            said = page.locator("#jobs-live table").get_by_text(text)
            expect(said.first).to_be_visible(timeout=40_000)


def test_a_group_runs_no_more_at_once_than_its_limit(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    rare = {"trigger": "cron", "cron": "0 0 1 1 *", "group": "counters"}
    first = make_job(page, server, "First", "shop.count_slowly", {**rare, "group_limit": "1"})
    second = make_job(page, server, "Second", "shop.count_slowly", rare)
    expect(page.get_by_text("counters: at most 1 of its runs at once")).to_be_visible()
    running = run_now(page, server, first)
    expect(page.get_by_text("Running").first).to_be_visible()
    run_now(page, server, second)
    expect(page.get_by_text("at 5", exact=True)).to_have_count(0)
    expect(page.locator("#facts-title + *")).to_contain_text("Queued")
    page.goto(f"{server.url}/runs/{running}")
    page.get_by_role("button", name="Stop run").click()
    expect(page.locator("#facts-title + *")).to_contain_text("Cancelled")
    page.goto(f"{server.url}/jobs/{second}")
    expect(page.locator("#jobs-live table").get_by_text("Running").first).to_be_visible()


def test_a_run_lists_its_attempts(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    rare = {"trigger": "cron", "cron": "0 0 1 1 *"}
    typed = {**rare, "retries": "2", "retry_delay": "2s", "retry_backoff": "exponential"}
    job = make_job(page, server, "Breaks", "shop.break_down", typed)
    run_now(page, server, job)
    expect(page.get_by_text("Next attempt at")).to_be_visible()
    tabs = page.get_by_role("navigation", name="Attempts of this run")
    expect(tabs.get_by_role("link", name="Attempt 3: failed")).to_be_visible(timeout=40_000)
    for number in (1, 2):
        tabs.get_by_role("link", name=f"Attempt {number}: failed").click()
        expect(page.locator(f"#attempt-{number}")).to_contain_text("INV-20931 has no number")
    assert_accessible(page)


def test_another_function_and_another_calendar_change_the_form_at_once(
    start_server: StartServer, page: Page
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    make_calendar(page, server, "Releases", days=400)
    open_form(page, server, "Named before", "shop.break_down")
    fill(page, {"retry_errors": "OSError", "cron": "0 0 * * *"})
    expect(page.locator("#jobs-preview li").first).to_be_visible()
    expect(page.locator("#jobs-preview").get_by_text("skipped: Freeze")).to_have_count(0)
    fill(page, {"calendar": "1"})
    expect(page.locator("#jobs-preview").get_by_text("skipped: Freeze")).to_have_count(10)
    page.get_by_text("Choose another", exact=True).click()
    page.get_by_label("Search the service functions").fill("http request")
    page.get_by_role("button", name="Send an HTTP request").click()
    expect(page.locator("[name='arg.url']")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("Named before")
    expect(page.locator("[name=retry_errors]")).to_have_value("OSError")
    expect(page.locator("#jobs-preview").get_by_text("skipped: Freeze")).to_have_count(10)


def test_pausing_skipping_and_pausing_everything(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    set_up(page, server)
    job = make_job(page, server, "Breaks", "shop.break_down", {"unit": "hours"})
    page.get_by_text("Give a reason for what you skip").click()
    page.locator("#field-skip-reason").fill("The partner sleeps")
    page.locator("#field-skip-reason").press("Enter")  # presses none of the buttons
    page.get_by_role("button", name="Skip this one").nth(1).click()
    expect(page.locator("#jobs-live li").nth(1).locator("s")).to_be_visible()
    expect(page.locator("#jobs-live")).to_contain_text("alice@example.org: The partner sleeps")
    expect(page.get_by_text("Will be skipped", exact=True)).to_have_count(1)
    page.get_by_text("5 more", exact=True).click()
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Run it after all").click()
    expect(page.locator("#jobs-live s")).to_have_count(0)
    page.locator("#job-changes summary").click()
    expect(page.locator("#jobs-audit")).to_contain_text("Asked to skip")
    assert_accessible_and_fits(page)

    page.get_by_role("button", name="Pause…").click()
    dialog = page.locator("#job-pause")
    dialog.get_by_label("Reason").fill("The partner moves")
    dialog.get_by_label("For how long").select_option("at")
    dialog.get_by_label("Until", exact=True).fill(minute(datetime(2031, 1, 1)))  # noqa: DTZ001
    dialog.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The partner moves")).to_be_visible()
    expect(page.locator("#jobs-live")).to_contain_text("1 Jan 2031, 00:00")
    page.get_by_role("button", name="Resume…").click()
    page.locator("#job-resume").get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause…")).to_be_visible()

    page.goto(f"{server.url}/jobs")
    page.get_by_role("link", name="Pause all…").click()
    page.get_by_label("Reason").fill("The data centre moves")
    page.get_by_role("button", name="Pause everything").click()
    banner = page.locator("#pauses-banner")
    expect(banner).to_contain_text("The data centre moves")
    page.goto(f"{server.url}/jobs/{job}")
    expect(banner).to_contain_text("Everything is paused")
    banner.get_by_role("link", name="Resume…").click()
    page.get_by_role("button", name="Resume everything").click()
    expect(page.get_by_text("Everything goes on.")).to_be_visible()
    expect(page.get_by_text("Everything is paused")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_policies_are_accessible_and_fit(
    start_server: StartServer, open_page: OpenPage, theme: str
) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    page = open_page(theme=theme)
    set_up(page, server)
    page.goto(f"{server.url}/calendars")
    assert_accessible_and_fits(page)
    make_calendar(page, server, "Releases")
    typed = {"unit": "hours", "calendar": "1", "group": "g", "retries": "3", "jitter": "1m"}
    job = make_job(page, server, "Breaks", "shop.break_down", typed)
    page.get_by_role("button", name="Pause…").click()
    assert_accessible_and_fits(page)
    page.goto(f"{server.url}/pauses/new")
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Pause everything").click()
    paths = (
        f"/jobs/{job}", f"/jobs/{job}/edit", "/jobs", "/calendars", "/calendars/new",
        "/calendars/1/edit", "/pauses/resume",
    )  # fmt: skip
    for path in paths:
        page.goto(server.url + path)
        expect(page.get_by_text(re.compile("Everything is paused")).first).to_be_visible()
        assert_accessible_and_fits(page)
