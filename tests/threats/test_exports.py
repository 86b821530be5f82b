"""No cell of any file that we give out is a formula: CVE-2021-41270 (Symfony), CWE-1236."""

import csv
import io

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_web.audit import export
from aegis_web.audit.models import Actor, audit_entry
from aegis_web.extensions import transaction
from tests.support.applications import Browser

TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
EVIL = st.one_of(
    BODY,
    st.builds(str.__add__, st.sampled_from((*TRIGGERS, " =", '"=', "'=", ";=", ",=")), BODY),
    st.sampled_from(('=HYPERLINK("http://evil")', "@SUM(1+1)*cmd|'/C calc'!A0", "+1-1", "-2+3")),
)


def cells(rows: list[list[str]]) -> list[str]:
    """What a spreadsheet reads, whichever of the usual separators it takes."""
    text = export.lines([[export.safe(cell) for cell in row] for row in rows])
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


@settings(
    max_examples=300, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.lists(st.lists(EVIL, min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_cell_begins_with_what_begins_a_formula(rows: list[list[str]]) -> None:
    assert [cell for cell in cells(rows) if cell.lstrip(" ").startswith(TRIGGERS)] == []


def test_unguarded_cells_do() -> None:
    text = export.lines([["=1+1"]])
    assert next(csv.reader(io.StringIO(text)))[0].startswith(TRIGGERS)


def test_every_route_that_gives_out_csv_goes_through_it(filled: Flask, admin: Browser) -> None:
    with filled.app_context(), transaction() as session:
        for sign in TRIGGERS:
            texts = f"{sign}1+1"
            session.add(audit_entry(Actor(texts), texts, texts, {}, {texts: texts}, texts))
    routes = [rule.rule for rule in filled.url_map.iter_rules() if rule.rule.endswith(".csv")]
    assert routes == ["/audit/rows.csv"]
    for path in routes:
        text = admin.get(path).data.decode()
        found = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert [cell for cell in found if cell.startswith(TRIGGERS)] == []
