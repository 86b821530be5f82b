"""The pages of accounts, sessions and tokens in a real browser."""

import re

import pytest
from flask import Flask
from passlib.totp import TOTP
from playwright.sync_api import expect

from tests.support.applications import EMAIL, PASSWORD, signed_in
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    app: Flask, open_signed_in: OpenPage, address: str, theme: str
) -> None:
    signed_in(app, "an.operator.with.a.long.name@example.org").get("/account")
    page = open_signed_in("/accounts", theme=theme)
    assert_accessible_and_fits(page)
    page.get_by_label("E-mail", exact=True).fill("bob@example.org")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#link")
    expect(link).to_have_text(re.compile(rf"{re.escape(address)}/password/[\w-]{{43}}"))
    assert_accessible_and_fits(page)
    stranger = link.inner_text()
    page.goto(f"{address}/tokens")
    assert_accessible_and_fits(page)
    page.get_by_label("What uses it").fill("deploy script")
    page.get_by_label("Run jobs now").check()
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#token")).to_have_text(re.compile(r"aegis_\w{8}_[\w-]{43}"))
    assert_accessible_and_fits(page)
    page.goto(f"{address}/account/second-factor")
    assert_accessible_and_fits(page)
    code = TOTP(key=page.locator("#secret").inner_text()).generate().token
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    kept = page.locator("#recovery-codes").inner_text().split()
    assert_accessible_and_fits(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them").click()
    assert download.value.path().read_text().split() == kept
    for path in ("/account", "/account/confirm", "/accounts/2"):
        page.goto(address + path)
        assert_accessible_and_fits(page)
    page.goto(stranger)
    assert_accessible_and_fits(page)
    page.context.clear_cookies()
    page.goto(f"{address}/tokens")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Device not at hand?").click()
    assert_accessible_and_fits(page)
    page.get_by_label("Recovery code").fill(kept[0])
    page.get_by_role("button", name="Go on with a recovery code").click()
    expect(page).to_have_url(f"{address}/tokens")


def test_signing_out_leaves_nothing_in_the_browser_but_looks(
    open_signed_in: OpenPage, address: str
) -> None:
    page = open_signed_in("/account")
    page.evaluate("localStorage.setItem('kept', 'a secret')")
    page.context.add_cookies([{"name": "theme", "value": "dark", "url": address}])
    page.get_by_role("button", name="alice@example.org").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(page).to_have_url(f"{address}/sign-in")
    assert page.evaluate("localStorage.getItem('kept')") is None
    assert "theme" in {cookie["name"] for cookie in page.context.cookies()}
