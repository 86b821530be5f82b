"""A download in a real browser, of somebody who signed in a while ago."""

import hashlib
import json

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import select

from aegis_web.accounts.models import AccountSession
from aegis_web.extensions import transaction
from tests.backups.conftest import MakeBackup
from tests.support.applications import PASSWORD
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_asks_who_it_is_and_then_the_file_arrives(
    app: Flask, make_backup: MakeBackup, open_signed_in: OpenPage, open_page: OpenPage, theme: str
) -> None:
    open_page.complaints.expect("422")
    backup = make_backup()
    page = open_signed_in("/backups", theme=theme)
    let_sign_ins_be_old(app)
    page.get_by_role("link", name="Download the backup").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert_accessible_and_fits(page)
    page.get_by_label("Current password").fill("wrong horse battery")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("This is not your current password.")).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Confirm").click()
    assert download.value.suggested_filename == backup.file_name
    content = download.value.path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == backup.sha256
    expect(page.get_by_text(f"The download of {backup.file_name} begins.")).to_be_visible()
    assert_accessible_and_fits(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it here if it does not").click()
    assert download.value.path().read_bytes() == content


def let_sign_ins_be_old(app: Flask) -> None:
    """Let every session's last proof be an hour old."""
    with app.app_context(), transaction() as session:
        for row in session.scalars(select(AccountSession)):
            kept = json.loads(row.data)
            row.data = json.dumps(kept | {"fs_paa": kept["fs_paa"] - 3600})
