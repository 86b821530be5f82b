"""The form of a job in a real browser: what is chosen, found and followed while one types."""

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.browser.tour import set_up
from tests.support.browsers import OpenPage, assert_accessible_and_fits
from tests.support.servers import Server, StartServer

pytestmark = [pytest.mark.browser, pytest.mark.essential]
SHOP = "tests.browser.shop"


def crowd(server: Server, count: int) -> None:
    """Rows of jobs that start with the daily backup, at 02:00 UTC."""
    with closing(sqlite3.connect(server.data_dir / "aegis.db", timeout=30)) as database, database:
        table = database.execute("PRAGMA table_info(jobs)").fetchall()
        columns = ", ".join(row[1] for row in table if row[1] not in ("id", "key"))
        backup = "FROM jobs WHERE service = 'back_up_database' ORDER BY id LIMIT 1"
        copied = f"INSERT INTO jobs (key, {columns}) SELECT ?, {columns} {backup}"
        database.executemany(copied, [(f"copy-{number}",) for number in range(count)])


def test_the_form_follows_what_one_types(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    page = open_page(theme="dark")  # the tour sees the form in both
    set_up(page, server)
    crowd(server, 12)
    page.goto(f"{server.url}/jobs/new")
    search = page.get_by_label("Search the service functions")
    expect(search).to_be_focused()
    search.fill("nothing like it")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    search.fill("somebody greeted")
    page.keyboard.press("Enter")  # searches, and saves nothing
    expect(page.locator(".ag-service")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[name='arg.mood']")).to_be_visible()
    expect(page.locator("[name=name]")).to_be_focused()
    page.locator("[name=name]").fill("Greetings")

    time, days = page.locator("[name=time]"), page.locator("[name=days]:checked")
    page.locator("label", has=page.locator("[name=days][value='3']")).click()
    expect(page.locator("[name=cron]")).to_have_value("0 9 * * 1,2,4-7")
    page.locator("[name=cron]").fill("30 4 * * 0")
    expect(time).to_have_value("04:30")
    expect(days).to_have_count(1)
    page.locator("[name=cron]").fill("*/5 * * * *")
    expect(page.get_by_text("says more than a time and days can")).to_be_visible()
    expect(days).to_have_count(0)

    page.locator("[name=zone]").fill("UTC")
    page.locator("[name=cron]").fill("0 2 * * *")
    expect(page.locator("#jobs-preview li")).to_have_count(10)
    page.get_by_text("Choose another", exact=True).click()
    expect(page.get_by_text("13 jobs already start at 02:00.")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Start at 02:01").click()
    expect(page.locator("[name=cron]")).to_have_value("1 2 * * *")
    expect(time).to_have_value("02:01")
    expect(page.locator("[name=name]")).to_have_value("Greetings")
    docs = page.get_by_role("complementary", name="Greet somebody")
    expect(docs).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(docs).to_be_hidden()
    page.get_by_text("What it does", exact=True).click()
    expect(page.get_by_text("All its parameters").first).to_be_visible()


def test_the_form_works_without_script(start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server(AEGIS_SERVICES=SHOP).ready()
    signed_in = open_page()
    set_up(signed_in, server)
    crowd(server, 12)
    state = signed_in.context.storage_state()
    page = open_page(java_script_enabled=False, storage_state=state)
    page.goto(f"{server.url}/jobs/new")
    page.get_by_label("Search the service functions").fill("somebody greeted")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Greet somebody").click()
    page.locator("[name=name]").fill("Greetings")
    page.locator("[name='arg.name']").fill("world")
    page.locator("[name=zone]").fill("UTC")
    page.get_by_role("button", name="Daily at 02:00").click()
    page.get_by_role("button", name="Start at 02:01").click()
    expect(page.locator("[name=cron]")).to_have_value("1 2 * * *")
    expect(page.locator("[name=time]")).to_have_value("02:01")
    page.get_by_role("button", name="Create job").click()
    expect(page.get_by_role("heading", name="Greetings")).to_be_visible()
