"""Every dependency is pinned with hashes and has its line in the table of reasons."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([\w.]+)", re.MULTILINE)
ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([\w.]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
FILE = re.compile(r"^\| `([^`]+)` \| ([\w.]+) \|", re.MULTILINE)
WELCOME = {  # what asks for no more than its own text beside it
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0",
    "Unlicense",
}  # fmt: skip
UNMODIFIED = {"LGPL-3.0-only", "MPL-2.0"}  # their own files stay open; we change none
SILENT = {"pyrage"}  # its wheel holds the text alone
FAMILY = {"LGPL": "LGPL|Lesser", "MPL": "MPL|Mozilla"}  # as classifiers may spell them
PAGE = (ROOT / "docs/dependencies.md").read_text("utf-8")


def pinned(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text("utf-8")))


def test_each_pinned_package_stands_in_the_table_with_its_version() -> None:
    listed = {name: version for name, version, _, _ in ROW.findall(PAGE)}
    assert listed == {**pinned("requirements-dev.txt"), **pinned("requirements.txt")}


def test_each_licence_is_one_that_we_may_ship() -> None:
    odd = {
        name: licence
        for name, _, licence, _ in ROW.findall(PAGE)
        if not set(re.split(r" or | and ", licence)) <= WELCOME | UNMODIFIED
    }
    assert odd == {}


def test_each_package_says_itself_what_the_table_says() -> None:
    wrong = {}
    for name, _, licence, _ in ROW.findall(PAGE):
        said = licences_of(name)
        families = [part.split("-")[0] for part in re.split(r" or | and ", licence)]
        if said and not all(re.search(FAMILY.get(one, one), said) for one in families):
            wrong[name] = (licence, said)
    assert wrong == {}


def licences_of(name: str) -> str:
    """What the package's own metadata says; "" where this system needs no such package."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    kinds = [each for each in found.get_all("Classifier", []) if each.startswith("License")]
    said = " ".join([found.get("License-Expression", ""), found.get("License", ""), *kinds])
    assert said.strip() or name in SILENT, name
    assert not re.search(r"\bA?GPL", said), (name, said)
    return said.strip()


def test_each_vendored_file_stands_in_the_table_with_its_licence_beside_it() -> None:
    folder = ROOT / "static" / "vendor"
    code = {path.name for path in folder.iterdir() if not path.name.endswith(".txt")}
    assert {name for name, _ in FILE.findall(PAGE)} == code
    assert [name for name, version in FILE.findall(PAGE) if version not in name] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_each_pin_has_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / name).read_text("utf-8"))
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
