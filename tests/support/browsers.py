"""Real Chromium for the tests, strict: any script error or CSP report fails the test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from scripts.browser import system_chromium
from tests.support import applications

expect.set_options(timeout=30_000)  # a bound against hanging, not a promise of speed
AXE = Path(__file__).parents[1] / "vendor" / "axe-4.14.1.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = {1440: 900, 390: 844}
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright has downloaded."""
    with sync_playwright() as playwright:
        path = system_chromium() or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip("there is no Chromium: run `make browser`")
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Opens pages, each in a browser profile of its own: width 1440 or 390, light or dark.

    Fails the test for an error in the console, an uncaught exception or a CSP report.
    """
    if "address" in request.fixturenames:
        request.getfixturevalue("address")  # so that pages are closed before their server is
    contexts, complaints = [], Complaints()

    def open_one(width: int = 1440, theme: str = "light", **options: Any) -> Page:
        options = {"viewport": {"width": width, "height": WIDTHS.get(width, 900)}, **options}
        context = chromium.new_context(color_scheme=theme, accept_downloads=True, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        complaints.watch(page)
        return page

    open_one.complaints = complaints  # type: ignore[attr-defined]
    yield open_one
    for context in contexts:
        context.close()
    assert not complaints.texts, "\n".join(complaints.texts)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page 1440 wide, light."""
    return open_page()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application listens, for a real browser."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    if streams := app.extensions.get("aegis.streams"):
        streams.close()
    server.server_close()


@pytest.fixture
def open_signed_in(
    address: str, admin: applications.Browser, open_page: OpenPage
) -> Callable[..., Page]:
    """Opens pages of Alice's at the application's address: width and theme as in `open_page`."""
    admin.get("/", base_url=address)
    host = urlsplit(address).hostname or ""
    name = str(admin.application.config["SESSION_COOKIE_NAME"])
    cookie = admin.get_cookie(name) or admin.get_cookie(name, domain=host)
    assert cookie is not None

    def open_one(path: str, width: int = 1440, theme: str = "light") -> Page:
        page = open_page(width, theme)
        page.context.add_cookies([{"name": name, "value": cookie.value, "url": address}])
        page.goto(address + path)
        return page

    return open_one


class Complaints:
    """What the browser held against our pages."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.expected: list[str] = []

    def expect(self, part: str) -> None:
        """Let complaints pass that contain `part`, such as "422" for a refused form."""
        self.expected.append(part)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self.note(message.type, f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: self.note("error", f"{page.url}: {error}"))

    def note(self, kind: str, text: str) -> None:
        """Keep an error. Chromium reports what the CSP forbids as an error in the console."""
        if kind == "error" and not any(part in text for part in self.expected):
            self.texts.append(text)


def assert_accessible(page: Page) -> None:
    """Fail with what axe-core finds on the page as it stands: WCAG 2.2 AA and best practice.

    In the dark nothing but colours differs, so there they alone are judged.
    """
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text())  # evaluated by the debugger, so no CSP stands in its way
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})",
        {"type": "rule", "values": COLOUR_RULES} if is_dark(page) else AXE_RULES,
    )
    lines = [
        f"{violation['id']}: {node['html']}\n  {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    assert not lines, f"{page.url}\n" + "\n".join(lines)


def assert_accessible_and_fits(page: Page) -> None:
    """Fail with what is wrong with the page as it stands, on a phone and on a desk.

    In the dark on a desk only: it lies as it does in the light.
    """
    if is_dark(page):
        assert_accessible(page)
        return
    for width, height in sorted(WIDTHS.items()):
        page.set_viewport_size({"width": width, "height": height})
        assert_accessible(page)
        assert_fits(page)


def is_dark(page: Page) -> bool:
    """Whether the page shows its dark colours."""
    return bool(page.evaluate("document.documentElement.dataset.bsTheme === 'dark'"))


def assert_fits(page: Page) -> None:
    """Fail when the page is wider than the window, so that one would scroll sideways."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window, f"{page.url} is {wide} px wide in a window of {window} px"
