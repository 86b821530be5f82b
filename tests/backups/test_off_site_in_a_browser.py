"""Copies off-site in a real browser: asked for, followed, and failing with their cure."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect

from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.backups.proving import prove
from aegis_web.engine.scheduler import start_engine
from tests.support.applications import MakeApp
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"  # not mounted yet


@pytest.fixture
def app(make_app: MakeApp, sqlite_database: str, there: Path) -> Iterator[Flask]:
    """With its engine running, and a proven backup from before there was a place."""
    app = make_app(DATABASE_URL=sqlite_database)
    with app.app_context():
        prove(back_up(SYSTEM).id, SYSTEM)
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_OFF_SITE=f"file://{there}")
    engine = start_engine(app)
    yield app
    engine.shutdown(wait=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_copy_now_fails_with_its_cure_and_then_copies(
    app: Flask, there: Path, open_signed_in: OpenPage, theme: str
) -> None:
    copied = re.compile(r"Off-site (now|\d+ s ago)")
    for width, said in ((390, "mount its disk"), (1440, copied)):
        page = open_signed_in("/backups", width=width, theme=theme)
        page.get_by_role("button", name="Copy now").click()
        expect(page.locator("#backups-list")).to_contain_text(said)
        assert_accessible_and_fits(page)
        there.mkdir(exist_ok=True)
