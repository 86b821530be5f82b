"""What only a real browser shows: htmx under the strict policy, and the look.

The address comes first among the arguments, so that the server outlives the pages.
"""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from aegis_web.clock import utc_now
from aegis_web.web import formats
from tests.support.browsers import OpenPage, assert_accessible, assert_fits

pytestmark = pytest.mark.browser

HOUR, DAY = 3600, 86_400
SET_TIME = """instant => {
    document.querySelector("time[data-relative]").dateTime = instant;
    document.dispatchEvent(new Event("visibilitychange"));
}"""
WHEN_READ = """window.addEventListener("DOMContentLoaded", () => {
    window.powered = document.querySelector("[hx-get]").dataset.htmxPowered;
})"""  # the window hears of it after the document, and so after htmx
CLICKED_TWICE = """button => {
    let sent = 0;
    window.addEventListener("submit", (event) => {
        sent += event.defaultPrevented ? 0 : 1;
        event.preventDefault();
    });
    button.click();
    button.click();
    return sent;
}"""


@pytest.mark.parametrize(
    ("path", "width", "theme"),
    [
        ("/", 1440, "light"),
        ("/", 1440, "dark"),
        ("/", 390, "light"),
        ("/", 390, "dark"),
        ("/bare", 1440, "dark"),
        ("/bare", 390, "light"),
        ("/raise/conflict", 390, "dark"),
    ],
)
def test_every_kind_of_part_is_accessible_and_fits(
    address: str, open_page: OpenPage, path: str, width: int, theme: str
) -> None:
    open_page.complaints.expect("409")  # type: ignore[attr-defined]
    page = open_page(width, theme)
    page.goto(address + path)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    assert_accessible(page)
    assert_fits(page)


def test_what_is_typed_at_once_is_heard(address: str, page: Page) -> None:
    page.add_init_script(WHEN_READ)
    page.goto(f"{address}/")
    assert page.evaluate("powered") == "true"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_open_menus_and_dialogs_are_accessible(
    address: str, open_page: OpenPage, theme: str
) -> None:
    page = open_page(1440, theme)
    page.goto(address)
    page.get_by_role("button", name="More actions for Daily report").click()
    expect(page.get_by_role("link", name="Edit")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog", name="Stop this run?")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_be_hidden()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="View", exact=True).click()
    expect(page.get_by_role("group", name="Theme")).to_be_visible()
    assert_accessible(page)


def test_the_side_bar_folds_on_a_phone(address: str, open_page: OpenPage) -> None:
    page = open_page(390)
    page.goto(address)
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Jobs")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(link).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()


def test_it_is_usable_without_script(address: str, open_page: OpenPage) -> None:
    page = open_page(390, java_script_enabled=False)
    page.goto(f"{address}/form")
    expect(page.get_by_role("link", name="Jobs")).to_be_visible()
    page.get_by_label("Number").fill("42")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_the_switch_of_the_theme_needs_no_reload(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="View", exact=True).click()
    with page.expect_response("**/account/preferences"):
        page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_browser_tells_its_zone(address: str, open_page: OpenPage) -> None:
    page = open_page(1440, timezone_id="Asia/Tokyo")
    page.goto(address)
    page.reload()
    expect(page.locator("dd time").first).to_contain_text("JST")


def test_times_stay_true_in_the_words_of_the_server(address: str, page: Page) -> None:
    page.goto(address)
    for seconds in (
        -30,
        -90,
        -5 * HOUR - 60,
        -3 * DAY,
        30,
        90,
        5 * HOUR + 750,
        2 * DAY + 3 * HOUR + 60,
    ):
        instant = utc_now() + timedelta(seconds=seconds + 0.5)
        page.evaluate(SET_TIME, instant.isoformat())
        wanted = {formats.relative(instant), formats.relative(instant - timedelta(seconds=1))}
        assert page.locator("time[data-relative]").first.inner_text() in wanted


@pytest.mark.parametrize("days", [-1, 1])
def test_a_viewer_s_wrong_clock_changes_no_words(address: str, page: Page, days: int) -> None:
    def words() -> str:
        page.evaluate(SET_TIME, (utc_now() - timedelta(minutes=3.5)).isoformat())
        return page.locator("time[data-relative]").first.inner_text()

    page.clock.install(time=utc_now() + timedelta(days=days))
    page.goto(address)
    assert words() == "3 min ago"
    page.clock.set_system_time(utc_now())  # the viewer notices; the next answer says it anew
    assert words() != "3 min ago"
    page.evaluate("htmx.ajax('GET', location.href, {target: 'body', swap: 'none'})")
    assert words() == "3 min ago"


def test_a_refused_form_swaps_and_an_accepted_one_leads_on(
    address: str, open_page: OpenPage
) -> None:
    open_page.complaints.expect("422")  # type: ignore[attr-defined]
    page = open_page()
    page.goto(f"{address}/form")
    page.get_by_label("Number").fill("forty")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Use digits only, such as 42.")).to_be_visible()
    expect(page.get_by_label("Number")).to_have_value("forty")
    page.get_by_label("Number").fill("42")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_polling_keeps_focus_text_and_what_is_open(address: str, page: Page) -> None:
    page.goto(f"{address}/jobs")
    page.get_by_label("Typed").fill("half a wo")
    page.locator("#more summary").click()
    page.get_by_label("Typed").focus()
    wait_for_polls(page)
    expect(page.get_by_label("Typed")).to_be_focused()
    expect(page.get_by_label("Typed")).to_have_value("half a wo")
    expect(page.get_by_text("Inside")).to_be_visible()


def test_a_write_brings_its_message_along(address: str, page: Page) -> None:
    page.goto(f"{address}/jobs")
    page.get_by_role("button", name="Post").click()
    expect(page.locator("#flash")).to_contain_text("The row is new.")


def test_good_news_leaves_and_trouble_stays_until_dismissed(
    address: str, open_page: OpenPage
) -> None:
    open_page.complaints.expect("404")  # type: ignore[attr-defined]
    page = open_page()
    page.clock.install()
    page.goto(f"{address}/jobs")
    news = page.locator("#flash").get_by_text("The row is new.")
    trouble = page.locator("#flash").get_by_role("alert")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Post").click()
    expect(news).to_be_visible()
    expect(trouble).to_contain_text("This job was deleted.")
    news.hover()
    page.clock.fast_forward(7_000)
    expect(news).to_be_visible()
    page.get_by_role("button", name="Post").hover()
    page.clock.fast_forward(7_000)
    expect(news).to_have_count(0)
    expect(trouble).to_be_visible()
    page.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Escape")
    expect(trouble).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_no_message_covers_what_has_the_focus(address: str, open_page: OpenPage) -> None:
    open_page.complaints.expect("404")  # type: ignore[attr-defined]
    page = open_page(390)
    page.goto(f"{address}/jobs")
    page.get_by_role("button", name="Delete").click()
    message, last = page.get_by_role("alert"), page.get_by_role("button", name="Break")
    expect(message).to_be_in_viewport()
    last.evaluate("button => { button.style.marginTop = '60rem'; button.focus(); }")
    expect(page.locator("#flash")).to_have_attribute("data-side", "top")
    expect(last).to_be_in_viewport()
    above, below = message.bounding_box(), last.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] <= below["y"]


def test_an_error_is_told_and_leaves_the_part_alone(address: str, open_page: OpenPage) -> None:
    for status in ("404", "500"):
        open_page.complaints.expect(status)  # type: ignore[attr-defined]
    page = open_page()
    page.goto(f"{address}/jobs")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#flash")).to_contain_text("This job was deleted.")
    page.get_by_role("button", name="Break").click()
    expect(page.locator("#flash")).to_contain_text("Something went wrong here")
    expect(page.locator("#gallery-live")).to_be_visible()


def test_a_lost_network_is_told_until_it_is_back(address: str, open_page: OpenPage) -> None:
    for part in ("ERR_INTERNET_DISCONNECTED", "htmx:error"):
        open_page.complaints.expect(part)  # type: ignore[attr-defined]
    page = open_page()
    page.goto(f"{address}/jobs")
    page.context.set_offline(True)
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("The server does not answer.")).to_be_hidden()


def test_a_search_keeps_its_place_and_its_address(address: str, page: Page) -> None:
    page.goto(address)
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search jobs")
    expect(search).to_be_focused()
    search.press_sequentially("backup")
    page.wait_for_url(re.compile(r"q=backup"))
    expect(search).to_be_focused()
    expect(search).to_have_value("backup")


def test_back_returns_to_what_was_seen(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("link", name="Older").click()
    page.wait_for_url(re.compile(r"after=1"))
    page.evaluate("history.back()")  # Playwright's own go_back never ends where the cache answers
    page.wait_for_url(address)
    expect(page.get_by_role("heading", name="Jobs", exact=True, level=1)).to_be_visible()
    assert "after" not in page.url


def test_a_form_is_sent_once(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Pause all").first.click()
    button = page.get_by_role("dialog").get_by_role("button", name="Pause all")
    assert button.evaluate(CLICKED_TWICE) == 1
    expect(page.get_by_role("dialog").locator("form")).to_have_attribute("aria-busy", "true")


def test_a_copy_button_copies(address: str, open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(address)
    page.get_by_role("button", name="Copy log").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "invoice INV-20931" in page.evaluate("navigator.clipboard.readText()")


def wait_for_polls(page: Page) -> None:
    """Until the part was replaced at least twice."""
    first = int(page.locator("#count").inner_text())
    page.wait_for_function(
        "first => +document.getElementById('count').innerText > first + 1", arg=first
    )
