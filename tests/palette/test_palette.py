"""The command palette: what it offers, and the keys that it hears."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Route, expect

from aegis_web.audit.models import Actor
from aegis_web.jobs.models import CatchUp
from aegis_web.pauses.actions import pause_everything, resume_everything
from tests.runs.rows import add_job
from tests.support.applications import Browser
from tests.support.browsers import OpenPage, assert_accessible, assert_fits
from tests.web.test_pages import PART

ALICE = Actor("alice@example.org", 1)


def offered(client: FlaskClient, text: str) -> list[str]:
    """The titles that are found, in their order."""
    answer = client.get("/palette", query_string={"q": text}, headers=PART)
    assert answer.status_code == 200
    titles = re.findall(r'role="option".*?<bdi>(.*?)</bdi>', answer.text)
    assert f'data-found="{len(titles)}"' in answer.text
    return titles


def test_it_finds_jobs_then_pages_then_commands(admin: Browser, app: Flask) -> None:
    for number in range(9):
        add_job(app, f"New job {number}")
    add_job(app, "Backups elsewhere")
    found = offered(admin, "new job")
    assert found[8:] == ["New job"]
    assert all(title.startswith("New job ") for title in found[:8])
    assert offered(admin, "BACKUPS") == ["Backups elsewhere", "Backups"]
    assert offered(admin, "theme dark") == ["Change theme: dark"]
    assert offered(admin, "nothing of the kind\0") == []


def test_before_anything_is_typed_it_names_no_jobs(admin: Browser, app: Flask) -> None:
    add_job(app, "Nightly import")
    found = offered(admin, "")
    assert found[0] == "Overview"
    assert {"Account", "New job", "Pause all…"} <= set(found)
    assert "Nightly import" not in found


def test_it_offers_to_resume_while_everything_is_paused(admin: Browser, app: Flask) -> None:
    with app.app_context():
        pause_everything(ALICE, "")
    assert "Resume everything…" in offered(admin, "resume")
    with app.app_context():
        resume_everything(ALICE, CatchUp.NONE)
    assert offered(admin, "resume") == []


def test_without_script_its_button_leads_to_the_search_of_jobs(admin: Browser) -> None:
    assert re.search(r'<a class="ag-palette-open" href="/jobs"', admin.get("/").text)
    answer = admin.get("/palette?q=nightly")
    assert (answer.status_code, answer.location) == (303, "/jobs?q=nightly")


@pytest.mark.browser
def test_the_keyboard_finds_chooses_and_leaves(app: Flask, open_signed_in: OpenPage) -> None:
    add_job(app, "Report of the day")
    job = add_job(app, "Report of the week")
    page = open_signed_in("/runs", 390)
    button = page.get_by_role("button", name="Find")
    button.focus()
    page.keyboard.press("Control+k")
    field, option = (
        page.get_by_role("combobox", name="Find a job"),
        page.locator("#palette [role=option]"),
    )
    expect(field).to_be_focused()
    expect(option.first).to_have_attribute("aria-selected", "true")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert_accessible(page)
        assert_fits(page)
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    button.click()
    field.press_sequentially("report of")
    expect(option).to_have_text([re.compile("of the day"), re.compile("of the week")])
    page.keyboard.press("ArrowUp")
    expect(field).to_have_attribute("aria-activedescendant", f"palette-job-{job}")
    expect(option.nth(1)).to_have_attribute("aria-selected", "true")
    field.fill("report of the week")
    page.keyboard.press("Enter")  # before the answer is there: it is waited for
    page.wait_for_url(re.compile(rf"/jobs/{job}$"))
    page.keyboard.press("Control+k")
    field.fill("theme dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(field).to_be_hidden()


@pytest.mark.browser
def test_an_old_answer_chooses_nothing(app: Flask, open_signed_in: OpenPage) -> None:
    """As on a slow line: Enter is pressed for what was typed, and the answer before it comes."""
    page = open_signed_in("/runs")
    held: list[Route] = []
    page.route(re.compile(r"/palette\?q=$"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"/palette\?q=$")):
        page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Find a job")
    field.evaluate("field => field.value = 'ledger'")
    page.keyboard.press("Enter")
    held[0].continue_()
    expect(page.locator("#palette [role=option]").first).to_be_visible()
    assert page.url.endswith("/runs")
    field.press_sequentially(" ")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/ledger$"))
