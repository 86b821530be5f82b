"""Every dependency is pinned with hashes and has its line in the table of reasons."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([\w.]+)", re.MULTILINE)
ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([\w.]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
FILE = re.compile(r"^\| `([^`]+)` \| ([\w.]+) \|", re.MULTILINE)
PAGE = (ROOT / "docs/dependencies.md").read_text("utf-8")


def pinned(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text("utf-8")))


def test_each_pinned_package_stands_in_the_table_with_its_version() -> None:
    listed = {name: version for name, version, _, _ in ROW.findall(PAGE)}
    assert listed == {**pinned("requirements-dev.txt"), **pinned("requirements.txt")}


def test_each_vendored_file_stands_in_the_table_with_its_licence_beside_it() -> None:
    folder = ROOT / "static" / "vendor"
    code = {path.name for path in folder.iterdir() if not path.name.endswith(".txt")}
    assert {name for name, _ in FILE.findall(PAGE)} == code
    assert [name for name, version in FILE.findall(PAGE) if version not in name] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_each_pin_has_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / name).read_text("utf-8"))
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
