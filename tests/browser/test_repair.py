"""A broken job is repaired in a real browser."""

import json
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.browser.tour import create_job, set_up
from tests.support.browsers import assert_accessible_and_fits
from tests.support.servers import Server, StartServer

pytestmark = [pytest.mark.browser, pytest.mark.essential]
OLD = {"names": "Ann", "times": 2, "colour": "blue"}
BREAK = "UPDATE jobs SET service = 'shop.greetings', arguments = ?, problem = 'gone' WHERE id = ?"


def break_job(server: Server, job: int) -> None:
    """As if the job's function had been another, which is gone since."""
    with closing(sqlite3.connect(server.data_dir / "aegis.db", timeout=10)) as database, database:
        database.execute(BREAK, (json.dumps(OLD), job))


def test_a_broken_job_takes_over_what_fits(start_server: StartServer, page: Page) -> None:
    server = start_server(AEGIS_SERVICES="tests.browser.shop").ready()
    set_up(page, server)
    job = create_job(page, server, "shop.break_down", "Greets", "0 0 1 1 *")
    break_job(server, job)
    page.goto(f"{server.url}/jobs/{job}")
    page.get_by_role("link", name="Repair…").click()
    expect(page.locator("#field-service")).to_have_value("shop.greet")
    expect(page.locator("#field-from-name")).to_have_value("old.names")
    expect(page.locator("#field-arg-times")).to_be_hidden()
    page.locator("#field-from-times").select_option("value")
    page.locator("#field-arg-times").fill("7")
    page.locator("#field-from-mood").select_option("old.colour")
    expect(page.locator("#jobs-dropped")).to_have_count(0)
    page.locator("#field-from-mood").select_option("default")
    expect(page.locator("#jobs-dropped")).to_contain_text("colour")
    expect(page.locator("#field-arg-times")).to_have_value("7")
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Save repair").click()
    expect(page.get_by_text("Repaired the job")).to_be_visible()
    page.goto(f"{server.url}/jobs/{job}/audit")
    expect(page.get_by_text("Repaired: shop.greet in place of shop.greetings")).to_be_visible()
    assert_accessible_and_fits(page)
