"""A package with a known hole is named: OWASP ASVS 15.2.1. See scripts/audit.py."""

import json
from datetime import date

import pytest

from scripts.audit import KNOWN, verdict

TODAY = date(2026, 12, 1)


def answer(*ids: str) -> str:
    vulns = [{"id": one, "aliases": [], "fix_versions": ["9.9"]} for one in ids]
    good = {"name": "flask", "version": "3.1.3", "vulns": []}
    return json.dumps({"dependencies": [good, {"name": "weak", "version": "1", "vulns": vulns}]})


@pytest.mark.parametrize("ci", [True, False])
def test_a_known_hole_is_named_and_fails_where_it_must(ci: bool) -> None:
    text, status = verdict(answer("CVE-2099-1"), "", TODAY, ci=ci)
    assert text == "weak 1: CVE-2099-1 (fixed in: 9.9)"
    assert status == int(ci)


def test_no_hole_is_said_too() -> None:
    found = verdict(answer(), "", TODAY, ci=True)
    assert found == ("2 packages, none with a known vulnerability.", 0)


def test_what_somebody_looked_at_counts_until_its_date() -> None:
    (known, (_why, until)) = next(iter(KNOWN.items()))
    assert verdict(answer(known), "", until, ci=True)[1] == 0
    assert verdict(answer(known), "", date(until.year + 1, 12, 31), ci=True)[1] == 1


@pytest.mark.parametrize(
    "nothing", ["", "<html>", "{}", json.dumps({"dependencies": [{"skip_reason": "x"}]})]
)
def test_without_data_it_says_in_one_line_that_nothing_was_checked(nothing: str) -> None:
    text, status = verdict(nothing, "a\nConnection refused", TODAY, ci=True)
    assert text.startswith("Nothing was checked")
    assert (len(text.splitlines()), status) == (1, 0)
