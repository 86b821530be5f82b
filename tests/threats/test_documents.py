"""The pages about security name tests that are there, and no item of ours is without an answer."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"`((?:\w+/)?test_\w+\.py|benchmarks/\w+\.py)`")
NAME = re.compile(r"`(test_\w+)`")
PAGES = ("docs/security.md", "docs/asvs.md")


def test_each_file_that_they_name_is_there() -> None:
    for page in PAGES:
        named = FILE.findall((ROOT / page).read_text("utf-8"))
        assert named
        found = {
            name
            for name in named
            for place in (ROOT / "tests" / name, ROOT / "tests/threats" / name, ROOT / name)
            if place.is_file()
        }
        assert set(named) - found == set(), page


def test_each_test_that_they_name_is_there() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for page in PAGES:
        named = NAME.findall((ROOT / page).read_text("utf-8"))
        assert [name for name in named if f"def {name}(" not in code] == [], page


def test_each_row_has_an_answer_and_a_test_or_says_why_not() -> None:
    for line in (ROOT / "docs/asvs.md").read_text("utf-8").splitlines():
        if not re.match(r"\| \d", line):
            continue
        _, item, answer, test, _ = (cell.strip() for cell in line.split("|"))
        reason = ("by design", "**not yet**", "with ", "gunicorn")
        assert answer, item
        assert test != "-" or any(word in answer for word in reason), item
