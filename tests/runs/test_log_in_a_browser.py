"""The pane of a log in a real browser: what one reads stays where it is, whatever comes."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from aegis_web.engine.output import PIECES
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_attempts, add_job, add_log, add_run
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser

LINE_AT_TOP = """() => {
    const box = document.querySelector("#run-log").getBoundingClientRect();
    const line = [...document.querySelectorAll("#run-log bdi")]
        .find((each) => each.getBoundingClientRect().top >= box.top);
    return [line.textContent, Math.round(line.getBoundingClientRect().top - box.top)];
}"""
NO_ANCHORS = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("#run-log { overflow-anchor: none !important }");
    document.adoptedStyleSheets = [sheet];
}"""  # as browsers without them: Chromium would hold the position by itself
AT_END = """() => {
    const pane = document.querySelector("#run-log");
    return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 2;
}"""


def long_run(app: Flask) -> int:
    """A run that goes and has said 1 200 lines."""
    run = add_run(app, add_job(app), RunStatus.RUNNING)
    for sequence in range(4):
        numbers = range(sequence * 300, sequence * 300 + 300)
        add_log(app, run, [f"info line {number}" for number in numbers], sequence=sequence)
    return run


def scroll_to(page: Page, top: int) -> None:
    page.locator("#run-log").evaluate("(pane, top) => { pane.scrollTop = top; }", top)


def test_scrolling_up_brings_earlier_lines_and_stops_following(
    app: Flask, open_signed_in: OpenPage
) -> None:
    run = long_run(app)
    page = open_signed_in(f"/runs/{run}")
    lines, follow = page.locator("#run-log bdi"), page.get_by_role("button", name="Follow")
    page.evaluate(NO_ANCHORS)
    page.wait_for_function(AT_END)
    expect(lines).to_have_count(500)
    expect(follow).to_have_attribute("aria-pressed", "true")

    scroll_to(page, 3000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.evaluate(
        "() => document.querySelector('#run-log-earlier a').addEventListener('earlier',"
        f" () => {{ window.read = ({LINE_AT_TOP})(); }})"
    )
    scroll_to(page, 400)
    expect(lines).to_have_count(1000)
    (line, top), (read, before) = page.evaluate(LINE_AT_TOP), page.evaluate("window.read")
    assert line == read
    assert abs(top - before) <= 1  # a pane scrolls by whole pixels
    scroll_to(page, 0)
    expect(lines).to_have_count(1200)
    expect(lines.first).to_have_text("line 0")
    expect(page.locator("#run-log-earlier a")).to_have_count(0)

    add_log(app, run, ["info the newest"], sequence=4)
    expect(lines.last).to_have_text("the newest")
    assert not page.evaluate(AT_END)
    page.get_by_role("button", name="Jump to end").click()
    page.wait_for_function(AT_END)
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-log-jump]")).to_be_hidden()


def test_lines_wrap_as_the_tab_remembers_and_are_copied_as_they_are(
    app: Flask, open_signed_in: OpenPage
) -> None:
    run = add_run(app, add_job(app))
    add_log(app, run, [*(f"info line {n}" for n in range(400)), "info " + "x" * 20_000])
    page = open_signed_in(f"/runs/{run}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pane = page.locator("#run-log")
    assert pane.evaluate("pane => pane.scrollWidth > 10 * pane.clientWidth")
    page.get_by_role("button", name="Wrap").click()
    page.reload()
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    assert pane.evaluate("pane => pane.scrollWidth <= pane.clientWidth")
    page.get_by_role("button", name="Copy lines").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()").rstrip("\n").split("\n")
    assert len(copied) == 402  # the date, too
    assert copied[1].endswith("info     line 0")


def test_a_search_among_attempts_is_accessible_and_fits(
    app: Flask, open_signed_in: OpenPage
) -> None:
    run = add_run(app, add_job(app), RunStatus.RUNNING, attempt=12)
    add_attempts(app, run, *({"error": "E" * 300} for _ in range(11)))
    lines = [f"info \x1b[31mred\x1b[0m page {number}" for number in range(700)]
    add_log(app, run, lines, sequence=PIECES)
    page = open_signed_in(f"/runs/{run}?attempt=2&find=page&only=1")
    expect(page.locator("#run-log mark")).to_have_count(500)
    assert_accessible_and_fits(page)
