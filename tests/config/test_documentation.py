"""Every setting is documented, and nothing is documented that is no setting."""

import re
from pathlib import Path

from aegis_web.config import PLATFORMS, Settings, setting_names

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([A-Z_]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def documented(page: str) -> list[str]:
    """The settings that have a row of their own in a table of `page`."""
    return ROW.findall((ROOT / page).read_text("utf-8"))


def test_the_settings_page_has_one_row_for_each_setting() -> None:
    assert sorted(documented("docs/settings.md")) == sorted(setting_names())


def test_the_readme_has_one_row_for_each_setting() -> None:
    assert sorted(documented("README.md")) == sorted(setting_names())


def test_the_settings_page_names_each_known_platform() -> None:
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    assert [name for name in PLATFORMS if f"`{name}`" not in page] == []


def test_each_setting_says_what_it_is() -> None:
    fields = {n: f.description for n, f in Settings.model_fields.items() if n != "platform"}
    assert [name for name, text in fields.items() if not text or not text.endswith(".")] == []
