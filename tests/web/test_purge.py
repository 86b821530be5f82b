"""The style sheet that is served holds what our pages use of Tabler, and nothing is missing."""

import re

import pytest

from aegis_web.web.badges import LOOKS
from scripts.purge import BUILT, CODE, WHOLE, Vocabulary, build, parse, possible, render
from tests.support.styles import assert_styled, classes_of, left_out
from tests.web.app import ROOT


def test_it_is_what_the_script_makes_now() -> None:
    assert build() == BUILT.read_text(), "run `make css`, and look at what it changes"


@pytest.mark.parametrize("folder", ["templates", "tests/web/templates"])
def test_no_class_of_a_template_is_missing(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.html"):
        text = path.read_text()
        assert_styled(CODE.sub(" ", text))
        strings = {word for code in CODE.findall(text) for word in re.findall(r"[\w-]+", code)}
        assert not {name for name in strings & left_out() if "-" in name}, path


def test_no_class_that_a_script_or_python_gives_is_missing() -> None:
    given = {f"status-{look.colour}" for look in LOOKS.values()}
    given |= {f"alert-{kind}" for kind in ("success", "info", "warning", "danger")}
    for path in (ROOT / "static" / "js").glob("*.js"):
        given |= set(re.findall(r'classList\.\w+\("([\w-]+)"', path.read_text()))
    assert given >= {"status-secondary", "show"}
    assert not given & left_out()


def test_the_rest_of_tabler_is_left_out() -> None:
    assert {"modal", "dropdown", "carousel", "bg-primary"} <= left_out()
    assert len(BUILT.read_bytes()) < len(WHOLE.read_bytes()) / 5


TEMPLATE = """
{# class="remark" #}<p class="lead{% if x %} {{ "urgent" if y else "calm" }}{% endif %} mt-{{ n }}">
<input type="{{ kind }}" class="level-{{ colour }}" data-part='x' {{ attrs|xmlattr }}></p>
"""


@pytest.fixture
def known() -> Vocabulary:
    known = Vocabulary()
    known.read_template(TEMPLATE)
    known.read_python('"""A sentence. Or two."""\nCOLOUR = "green"\nTEXT = "No, nothing here."')
    known.read_script('box.classList.add("chosen"); // never hidden')
    return known


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        ("p.lead", True),
        ("p.urgent:hover > input::before", True),
        (".level-green", True),
        (".level-red", False),
        (".mt-3", True),
        (".mt-x", False),
        (".chosen", True),
        (".hidden", False),
        (".nothing", False),
        (".remark", False),
        ("table", False),
        (".lead:not(.stranger)", True),
        (".lead:is(.stranger, .calm)", True),
        (".lead:has(.stranger)", False),
        ("[type=text]", False),
        ("[data-part]", True),
        ("[data-other]", False),
    ],
)
def test_a_rule_stays_where_a_page_can_match_it(
    known: Vocabulary, selector: str, allowed: bool
) -> None:
    assert known.allows(selector) == allowed


def test_a_list_loses_only_what_cannot_match(known: Vocabulary) -> None:
    css = "@media print{.lead,.stranger{color:red}.stranger{x:y}}.stranger,.lead::-moz-x{a:b}"
    expected = "@media print{\n.lead{color:red}\n}\n.stranger,.lead::-moz-x{a:b}\n"
    assert render(list(possible(parse(css), known))) == expected


def test_a_class_cut_by_a_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="whole classes"):
        Vocabulary().read_template('<p class="text-{% if bad %}red{% else %}green{% endif %}">')


def test_a_sheet_is_read_without_loss() -> None:
    def naked(css: str) -> str:
        return re.sub(r"\s|@charset[^;]*;|/\*.*?\*/", "", css, flags=re.DOTALL)

    whole = WHOLE.read_text()
    assert naked(render(parse(whole))) == naked(whole)
    assert classes_of(render(parse(whole))) >= left_out()
