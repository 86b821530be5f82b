# ruff: noqa: B006 - the functions below are never called with their defaults
"""The controls as HTML: labelled, described, escaped, and without a secret."""

from collections.abc import Mapping
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field, SecretStr

from aegis_web.parameters import MultiLine
from aegis_web.registry import ServiceFunction
from aegis_web.vault import Vault

TEMPLATES = Path(__file__).parents[2] / "templates"
ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    extensions=["jinja2.ext.i18n"],
)
ENVIRONMENT.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
PAGE = '{% import "macros/control.html" as control %}{{ control.controls(list) }}'
VAULT = Vault(["a key of the tests, long enough to be one"])


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Login(BaseModel):
    user: str
    password: SecretStr


def everything(
    to: Annotated[str, Field(description="<b>Who</b> & where")],
    count: Annotated[int, Field(ge=1)] = 1,
    flag: bool = True,
    colour: Colour = Colour.RED,
    colours: list[Colour] = [],
    lines: list[str] = ["a", "b"],
    note: Annotated[str, MultiLine] = "",
    login: Login | None = None,
    hidden: SecretStr | None = None,
) -> None: ...


FUNCTION = ServiceFunction(everything)


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def named(self, name: str) -> list[tuple[str, dict[str, str | None]]]:
        return [(tag, attrs) for tag, attrs in self.all if attrs.get("name") == name]


def render(values: Any = None, errors: Mapping[str, str] | None = None) -> str:
    return ENVIRONMENT.from_string(PAGE).render(list=FUNCTION.controls(values, errors))


def test_every_visible_control_has_a_label_and_every_reference_an_element() -> None:
    elements = Elements(render(errors={"to": "wrong", "login": "wrong", "colours": "wrong"})).all
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    labelled = {attrs["for"] for tag, attrs in elements if tag == "label" and "for" in attrs}
    for tag, attrs in elements:
        for reference in (attrs.get("aria-describedby") or "").split():
            assert reference in ids, f"{tag} refers to {reference}"
        if tag in ("select", "textarea") or attrs.get("type") in ("text", "password"):
            assert attrs["id"] in labelled


def test_each_kind_has_its_element() -> None:
    elements = Elements(render())
    [(tag, attrs)] = elements.named("arg.count")
    assert (tag, attrs["inputmode"], attrs["value"]) == ("input", "numeric", "1")
    assert [attrs["type"] for _, attrs in elements.named("arg.flag")] == ["hidden", "checkbox"]
    assert [tag for tag, _ in elements.named("arg.colour")] == ["select"]
    assert [a.get("value") for _, a in elements.named("arg.colours")] == ["", "r", "b"]
    assert [tag for tag, _ in elements.named("arg.lines")] == ["textarea"]
    assert "a\nb</textarea>" in render()
    assert [attrs["type"] for _, attrs in elements.named("arg.hidden")] == ["password"]
    [(_, required)] = elements.named("arg.to")
    assert "required" in required


def test_a_browser_does_not_insist_on_the_fields_of_a_group_that_may_stay_out() -> None:
    [(_, attrs)] = Elements(render()).named("arg.login.user")
    assert "required" not in attrs


def test_words_from_code_and_from_people_are_escaped() -> None:
    html = render({"to": '"><script>alert(1)</script>'}, {"to": "<i>no</i>"})
    assert "<script>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;Who&lt;/b&gt; &amp; where" in html


def test_an_error_stands_beside_its_control() -> None:
    html = render({"to": "x"}, {"to": "is not known"})
    [(_, attrs)] = Elements(html).named("arg.to")
    assert attrs["aria-invalid"] == "true"
    assert "is-invalid" in (attrs["class"] or "")
    assert 'id="field-arg-to-error">is not known<' in html


def test_a_stored_secret_is_not_in_the_page_and_may_be_removed() -> None:
    stored = FUNCTION.seal(FUNCTION.check({"to": "x", "hidden": "hush-1"}), VAULT)
    html = render(stored)
    assert "hush-1" not in html
    assert stored["hidden"]["sealed"] not in html
    assert len(Elements(html).named("arg.hidden.remove")) == 1


@pytest.mark.parametrize("text", ["style=", "onclick", "<script"])
def test_there_is_no_inline_script_or_style(text: str) -> None:
    assert text not in render()
