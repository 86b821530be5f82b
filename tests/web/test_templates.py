"""Rules that hold in every template, whoever wrote it: a strict CSP and no cure for it."""

import re
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.web.badges import LOOKS
from aegis_web.web.navigation import PLACES
from tests.web.app import ROOT

FOLDER = ROOT / "templates"
SPRITE = ROOT / "static" / "vendor" / "icons-1.62.0.svg"
EVERY = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))
LAYOUTS = {"layout.html", "base.html", "bare.html"}
PARTS = {name for name in EVERY if Path(name).name.startswith("_")}
PAGES = [name for name in EVERY if name not in PARTS | LAYOUTS and not name.startswith("macros/")]
# A part that Python names is a fragment; the others are only included. What is added to a list,
# such as further lines of a log, is called …_more and has no root.
CODE = "".join(path.read_text() for path in (ROOT / "aegis_web").rglob("*.py"))
FRAGMENTS = sorted(n for n in PARTS if f'"{n}"' in CODE and not n.endswith("_more.html"))
BANNED = {
    "an inline script": r"<script(?![^>]*\s(?:src=|type=\"application/json\"))",
    "an inline style sheet": r"<style",
    "a style attribute": r"\sstyle=",
    "an event handler": r"\son[a-z]+=",
    "htmx's event handlers": r"hx-on",
    "script as a value": r"\b(js|javascript):",
    "a value without quotes": r"\s[a-z-]+={{",
    "a trigger filter": r"hx-trigger=\"[^\"]*\[",
    "a way around escaping": r"\|\s*safe\b|autoescape\s+false|Markup\(",
    "Bootstrap's script": r"data-bs-(toggle|dismiss|target)",
}


@pytest.mark.parametrize("name", EVERY)
def test_it_needs_no_hole_in_the_policy(name: str) -> None:
    text = source(name)
    found = {what: re.findall(rule, text) for what, rule in BANNED.items() if re.search(rule, text)}
    assert not found


@pytest.mark.parametrize("name", EVERY)
def test_it_compiles_and_is_short(app: Flask, name: str) -> None:
    app.jinja_env.get_template(name)
    assert source(name).count("\n") <= 150


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_of_the_two_layouts(name: str) -> None:
    assert re.search(r'{% extends ("base\.html"|"bare\.html"|layout) %}', source(name))


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_has_one_root_with_its_name(name: str) -> None:
    text = re.sub(r"{%.*?%}", "", source(name), flags=re.DOTALL).strip()
    wanted = name.removesuffix(".html").replace("/_", "/").lstrip("_")
    wanted = wanted.replace("/", "-").replace("_", "-")
    root = re.match(r'<([a-z]+)\b[^>]*?\sid="([^"]+)"', text)
    assert root, f"{name} does not begin with an element that has an id"
    repeated = name.endswith("_row.html") and "{{" in root[2]  # its id ends with its number
    assert root[2] == wanted or repeated, f"{name}: {root[2]}"
    assert text.endswith(f"</{root[1]}>")


@pytest.mark.parametrize("name", EVERY)
def test_every_form_that_posts_has_its_token(name: str) -> None:
    for form in re.findall(r"<form\b(?:[^>]*?method=\"post\").*?</form>", source(name), re.DOTALL):
        assert re.search(r"csrf_token\b|csrf\(\)|hidden_tag\(\)", form), form[:200]


@pytest.mark.parametrize("name", EVERY)
def test_every_file_and_icon_that_it_names_exists(name: str) -> None:
    text = source(name)
    for file in re.findall(r"filename=['\"]([^'\"]+)['\"]", text):
        assert (ROOT / "static" / file).is_file(), file
    assert set(re.findall(r"\bicon\(\"([^\"]+)\"", text)) <= symbols()


def test_every_status_and_place_has_its_icon() -> None:
    used = {look.icon for look in LOOKS.values()} | {place.icon for place in PLACES}
    assert used <= symbols()


def test_no_module_imports_another() -> None:
    for path in (ROOT / "static" / "js").glob("*.js"):
        assert not re.search(r"^\s*import\b|\beval\(|new Function", path.read_text(), re.MULTILINE)


def source(name: str) -> str:
    """The template without its comments."""
    return re.sub(r"{#.*?#}", "", (FOLDER / name).read_text(), flags=re.DOTALL)


def symbols() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text()))
