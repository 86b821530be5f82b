"""Passkeys in a real browser, whose debugger brings a device that has them."""

from collections.abc import Iterator
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import CDPSession, Page, expect
from sqlalchemy import update
from werkzeug.serving import make_server

from aegis_web.accounts.models import Passkey
from aegis_web.extensions import transaction
from tests.support.applications import EMAIL, PASSWORD, MakeApp, make_admin
from tests.support.browsers import OpenPage, assert_accessible_and_fits
from tests.support.servers import free_port

from .passkeys import kept

pytestmark = pytest.mark.browser


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, port: int) -> Flask:
    """An installation under a host name, for an address of numbers has no passkeys."""
    url = f"http://localhost:{port}"
    app = make_app(AEGIS_PASSKEYS="1", AEGIS_PUBLIC_URL=url, DATABASE_URL=sqlite_database)
    with app.app_context():
        make_admin()
    return app


@pytest.fixture
def address(app: Flask, port: int) -> Iterator[str]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://localhost:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Device:
    """A device in the browser's debugger, which has checked its person or not."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = added["authenticatorId"]

    def verifies(self, verified: bool) -> None:
        wanted = {"authenticatorId": self.id, "isUserVerified": verified}
        self.session.send("WebAuthn.setUserVerified", wanted)

    def credentials(self) -> list[dict[str, object]]:
        known = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        found: list[dict[str, object]] = known["credentials"]
        return found

    def forget(self) -> None:
        self.session.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})


def sign_in(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}/sign-in?next={path}")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{address}{path}")


def sign_out(page: Page, address: str) -> None:
    page.goto(f"{address}/account")
    page.locator(".ag-actions").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{address}/sign-in")


def add(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add the passkey").click()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_one_is_added_signs_in_confirms_and_is_removed(
    address: str, app: Flask, open_page: OpenPage, theme: str, width: int
) -> None:
    page = open_page(width, theme)
    device = Device(page)
    sign_in(page, address, "/account")
    expect(page.get_by_text("No passkeys yet")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_role("link", name="Add a passkey").click()
    expect(page.get_by_text("This browser knows no passkeys")).to_have_count(0)
    assert_accessible_and_fits(page)
    add(page, "Ann's phone")
    expect(page.get_by_text("The passkey is added.")).to_be_visible()
    expect(page.get_by_text("Ann's phone", exact=True)).to_be_visible()
    assert_accessible_and_fits(page)
    assert [key["rpId"] for key in device.credentials()] == ["localhost"]

    sign_out(page, address)
    page.goto(f"{address}/sign-in?next=/account")
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{address}/account")
    assert kept(app)[0].used_at

    page.goto(f"{address}/account/confirm?next=/account/passkeys/new")
    assert_accessible_and_fits(page)
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page).to_have_url(f"{address}/account/passkeys/new")

    page.goto(f"{address}/account")
    page.get_by_role("button", name="Remove Ann's phone").click()
    assert_accessible_and_fits(page)
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Removed the passkey")).to_be_visible()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()
    assert kept(app) == []


def test_what_goes_wrong_is_said_on_the_page(address: str, app: Flask, open_page: OpenPage) -> None:
    open_page.complaints.expect("422")
    page = open_page()
    device = Device(page)
    sign_in(page, address, "/account/passkeys/new")
    for name in ("", "  "):
        add(page, name)
        assert device.credentials() == []  # else the device would keep what the server refuses
    device.verifies(False)
    add(page, "Phone")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("Nothing was done")
    assert kept(app) == []
    device.verifies(True)
    add(page, "Phone")
    expect(page.get_by_text("The passkey is added.")).to_be_visible()
    page.goto(f"{address}/account/passkeys/new")
    add(page, "Phone again")
    expect(problem).to_contain_text("has a passkey of this account already")

    sign_out(page, address)
    button = page.get_by_role("button", name="Sign in with a passkey")
    device.verifies(False)
    button.click()
    expect(problem).to_contain_text("Nothing was done")
    assert_accessible_and_fits(page)
    device.verifies(True)
    with app.app_context(), transaction() as session:
        session.execute(update(Passkey).values(counter=1_000_000))
    button.click()
    expect(problem).to_contain_text("counter went back")
    assert_accessible_and_fits(page)
    device.forget()
    button.click()
    expect(problem.last).to_contain_text("Nothing was done")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{address}/")


def test_a_page_that_is_too_old_leaves_nothing_on_the_device(
    address: str, open_page: OpenPage
) -> None:
    page = open_page()
    device = Device(page)
    page.clock.install()
    sign_in(page, address, "/account/passkeys/new")
    page.clock.fast_forward("05:01")
    add(page, "Phone")
    expect(page.get_by_role("alert")).to_contain_text("Load the page again")
    assert device.credentials() == []


def test_at_another_address_the_browser_refuses_in_words(
    address: str, port: int, open_page: OpenPage
) -> None:
    page = open_page()
    Device(page)
    page.goto(f"http://127.0.0.1:{port}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("do not work at this address")


def test_without_scripts_the_password_is_enough(address: str, open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, address, "/account/passkeys/new")
    expect(page.get_by_text("This browser knows no passkeys here.")).to_be_visible()
    expect(page.get_by_role("button", name="Add the passkey")).to_be_disabled()
    page.context.clear_cookies()
    page.goto(f"{address}/sign-in")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
