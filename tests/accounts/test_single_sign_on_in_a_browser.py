"""Single sign-on in a real browser: out to the provider and back, under our own policy."""

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.support.applications import EMAIL, PASSWORD, MakeApp
from tests.support.browsers import OpenPage, assert_accessible_and_fits
from tests.support.providers import Provider

from .test_single_sign_on import connected

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def app(make_app: MakeApp, provider: Provider) -> Flask:
    """An installation at an address that the provider lets anybody register."""
    provider.knows("ann", email="ann@example.org", email_verified=True, groups=["platform"])
    return connected(make_app, provider, AEGIS_OIDC_CLIENT_ID="any-installation")


def test_out_to_the_provider_and_back(address: str, open_page: OpenPage) -> None:
    open_page.complaints.expect("/oauth2/authorize")  # of the provider's own page
    page = open_page()
    page.goto(f"{address}/sign-in")
    assert_accessible_and_fits(page)
    page.get_by_role("link", name="Sign in with Example SSO").click()
    page.locator("input[name=sub]").fill("bob")
    page.get_by_role("button", name="Authorize").first.click()
    expect(page).to_have_url(f"{address}/")
    page.goto(f"{address}/account")
    expect(page.get_by_role("heading", name="Single sign-on")).to_be_visible()
    assert_accessible_and_fits(page)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_the_page_that_connects_an_account_is_accessible_and_fits(
    address: str, open_page: OpenPage, theme: str, width: int
) -> None:
    open_page.complaints.expect("/oauth2/authorize")
    open_page.complaints.expect("422")
    page = open_page(width, theme)
    page.goto(f"{address}/sign-in?next=/account")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Connect single sign-on").click()
    page.locator("input[name=sub]").fill("ann")
    page.get_by_role("button", name="Authorize").first.click()
    expect(page).to_have_url(f"{address}/account/single-sign-on/confirm")
    assert_accessible_and_fits(page)
    page.get_by_label("Current password").fill("wrong horse battery")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("This is not your current password.")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Connected with")).to_be_visible()
    assert_accessible_and_fits(page)
