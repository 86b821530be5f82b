"""Uploads and proofs that take a while: their page shows the steps, and how they ended."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect

from aegis_web.config import Settings
from aegis_web.web.working import Work
from tests.backups.conftest import stored
from tests.backups.test_restore import backed_up
from tests.support.applications import MakeApp, signed_in
from tests.support.browsers import OpenPage, assert_accessible_and_fits

STEPS = [
    "The file is unpacked",
    "Its rows are read and checked",
    "They are packed as a backup",
    "It is restored beside and compared",
]


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(Work, "ends_within", lambda work, seconds: False)  # however quick it is
    return make_app(DATABASE_URL=sqlite_database)


def file_of(app: Flask, number: int) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir / stored(app)[number].file_name


def steps_in(page: str) -> list[str]:
    return re.findall(r"<li><span>([^<]+)</span>", page)


def test_an_upload_shows_its_steps_and_the_way_on(app: Flask) -> None:
    admin = signed_in(app)
    backed_up(app)
    data = file_of(app, 0).read_bytes()
    answer = admin.post("/backups/uploads", data={"file": (BytesIO(data), "<b>.zst")})
    assert (answer.status_code, steps_in(answer.text)) == (200, STEPS)
    assert "&lt;b&gt;.zst" in answer.text
    assert "Uploaded, rebuilt and proven." in answer.text
    made = stored(app)[1]
    assert f'href="/backups/{made.id}/restore"' in answer.text
    assert made.proven_at is not None


def test_one_that_is_refused_late_says_why_and_keeps_nothing(app: Flask) -> None:
    admin = signed_in(app)
    backed_up(app)
    data = bytearray(file_of(app, 0).read_bytes())
    data[len(data) // 2] ^= 1
    answer = admin.post("/backups/uploads", data={"file": (BytesIO(bytes(data)), "bad.zst")})
    assert steps_in(answer.text) == STEPS[:1]
    assert "damaged" in answer.text
    assert "Back to the backups" in answer.text
    assert "Uploaded" not in answer.text
    assert len(stored(app)) == 1


def test_a_proof_shows_its_step_and_its_verdict(app: Flask) -> None:
    admin = signed_in(app)
    backup_id = backed_up(app)
    page = admin.post(f"/backups/{backup_id}/prove").text
    assert steps_in(page) == STEPS[3:]
    assert "It came back whole: this backup is proven." in page
    assert f'href="/backups/{backup_id}/restore"' in page
    file_of(app, 0).write_bytes(b"lost")
    page = admin.post(f"/backups/{backup_id}/prove").text
    assert steps_in(page) == STEPS[3:]
    assert "this backup is proven" not in page
    assert stored(app)[0].proof_error in page


def test_a_proof_of_none_is_an_error_like_any_other(app: Flask) -> None:
    admin = signed_in(app)
    assert admin.post("/backups/99/prove").status_code == 404


@pytest.mark.browser
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_in_a_browser_an_upload_leads_to_what_it_would_change(
    app: Flask, open_signed_in: OpenPage, width: int, theme: str
) -> None:
    backed_up(app)
    page = open_signed_in("/backups", width, theme)
    page.get_by_label("File", exact=True).set_input_files(file_of(app, 0))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("listitem").filter(has_text=STEPS[3])).to_be_visible()
    way_on = page.get_by_role("link", name="See what it would change")
    expect(way_on).to_be_visible()
    assert_accessible_and_fits(page)
    way_on.click()
    expect(page.get_by_role("heading", name="What would change")).to_be_visible()
