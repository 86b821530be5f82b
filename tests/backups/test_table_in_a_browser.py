"""The table of backups in a real browser, in the longer of our languages."""

import pytest

from tests.backups.conftest import MakeBackup
from tests.support.browsers import OpenPage, assert_accessible_and_fits

pytestmark = pytest.mark.browser
MAKER = "nachtschicht@rechenzentrum.example.org"
HIDDEN = """table => {
    const box = table.closest(".table-responsive")
    return box.scrollWidth - box.clientWidth
}"""
LINES = """cell => {
    const range = document.createRange()
    range.selectNodeContents(cell)
    return new Set(Array.from(range.getClientRects(), one => Math.round(one.top))).size
}"""


def test_it_fits_and_an_address_breaks_between_its_words(
    make_backup: MakeBackup, open_signed_in: OpenPage
) -> None:
    make_backup(made_by=MAKER, database="PostgreSQL 16.4", seconds=1.5)
    page = open_signed_in("/backups", width=1280)
    cookie = {"name": "aegis_language", "value": "de", "url": page.url}
    page.context.add_cookies([cookie])
    page.reload()
    table = page.locator("table.ag-table")
    assert "Dauer 1,5 s" in table.inner_text()
    assert "PostgreSQL 16.4" in table.inner_text()
    assert table.evaluate(HIDDEN) == 0
    assert table.get_by_role("cell", name=MAKER).evaluate(LINES) <= 3
    assert_accessible_and_fits(page)
