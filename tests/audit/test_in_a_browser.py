"""The Audit page in a real browser: accessible in all its states, and filtered while one types."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from aegis_web.audit.actions import check_audit
from aegis_web.audit.models import Origin, origin
from tests.audit.rows import BOB, note
from tests.runs.rows import add_job
from tests.support.browsers import assert_accessible, assert_accessible_and_fits
from tests.support.tampering import past_the_triggers

pytestmark = pytest.mark.browser
OpenSignedIn = Callable[..., Page]


def fill(app: Flask) -> None:
    """Rows of all kinds, and a check."""
    job = add_job(app, "Nightly import", owner="Team Red")
    token = origin.set(Origin("2001:db8:85a3::8a2e:370:7334", "aegis_k7"))
    note(app, "job.pause", f"job:{job}", reason="They move the warehouse on Friday, so wait.")
    note(app, "job.resume", f"job:{job}", after={"catch_up": "latest"}, actor=BOB)
    origin.reset(token)
    was, said = {"owner": "Team Red"}, {"owner": "Team Blue", "retries": 2}
    note(app, "job.change", f"job:{job}", before=was | {"retries": 0}, after=said)
    note(app, "backup.make", "backup:3", after={"file_name": "a.sqlite3", "size_bytes": 12_000})
    note(app, "account.sign_in", "account:1")
    with app.app_context():
        check_audit()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible_and_fits(app: Flask, open_signed_in: OpenSignedIn, theme: str) -> None:
    page = open_signed_in("/audit", theme=theme)
    expect(page.get_by_text("Nothing was done yet")).to_be_visible()
    assert_accessible(page)
    fill(app)
    page.reload()
    for summary in page.locator(".ag-audit-told summary").all():
        summary.click()
    page.get_by_text("Between two times").click()
    assert_accessible_and_fits(page)
    with past_the_triggers(app) as connection:
        connection.exec_driver_sql("UPDATE audit SET actor = 'x' WHERE id = 2")
    with app.app_context():
        check_audit()
    page.reload()
    expect(page.get_by_text("The audit is not sound.")).to_be_visible()
    assert_accessible_and_fits(page)


def test_it_is_filtered_while_one_types_and_downloaded(
    app: Flask, open_signed_in: OpenSignedIn, tmp_path: Path
) -> None:
    fill(app)
    page = open_signed_in("/audit")
    rows = page.locator("#audit-table tr[id]")
    expect(rows).to_have_count(5)
    page.get_by_label("Who did it").fill("bob")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/audit\?who=bob$"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "audit.csv")
    assert len((tmp_path / "audit.csv").read_text().splitlines()) == 2
