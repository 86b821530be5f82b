"""What a person does in the browser, as functions over a page."""

import re

from playwright.sync_api import Page, expect

from tests.support.applications import EMAIL, PASSWORD
from tests.support.servers import Server

SET_UP = re.compile(r"http://\S+/set-up/\S+")


def set_up(page: Page, server: Server) -> None:
    """Open the printed link and make the administrator."""
    found = SET_UP.search(server.prints("/set-up/"))
    assert found is not None
    page.goto(found.group())
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def sign_in(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def create_job(page: Page, server: Server, service: str, name: str, cron: str) -> int:
    """Make a job in the form, without arguments of its own; its number."""
    page.goto(f"{server.url}/jobs/new?service={service}")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label("Cron expression").fill(cron)
    page.get_by_role("button", name="Create job").click()
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    return int(page.url.rpartition("/")[2])


def run_now(page: Page, server: Server, job: int) -> int:
    """Press Run now on a job's page; the run's number."""
    page.goto(f"{server.url}/jobs/{job}")
    page.get_by_role("button", name="Run now").first.click()
    page.wait_for_url(re.compile(r"/runs/\d+"))
    return int(re.findall(r"/runs/(\d+)", page.url)[0])


def change_job(page: Page, server: Server, job: int, field: str, value: str, why: str) -> None:
    """Change one field of a job, look at what that changes, and save it."""
    page.goto(f"{server.url}/jobs/{job}/edit")
    page.get_by_label(field).fill(value)
    page.get_by_role("button", name="Save job").click()
    page.get_by_label("Reason").fill(why)
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_text("Saved the job")).to_be_visible()
