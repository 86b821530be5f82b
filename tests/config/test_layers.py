"""The layers in pyproject.toml speak of every module, so that no new one escapes them."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASSEMBLY = {"", "child"}  # aegis_web/__init__.py, and child.py for processes
CONCEPTS = {
    "jobs",
    "runs",
    "calendars",
    "ledger",
    "timeline",
    "forecast",
    "feeds",
    "failures",
    "live",
    "pauses",
    "palette",
    "backups",
    "accounts",
    "audit",
    "tokens",
    "overview",
    "system",
}


def modules() -> set[str]:
    """Every module below aegis_web, without the package's name."""
    paths = (path.relative_to(ROOT / "aegis_web") for path in (ROOT / "aegis_web").rglob("*.py"))
    return {
        ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip(".") for path in paths
    }


def layered() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    return [re.sub(r"[()]", "", name) for layer in layers for name in layer.split(" : ")]


def test_each_module_stands_in_a_layer() -> None:
    known = layered()
    free = ASSEMBLY | CONCEPTS  # the concepts' own __init__.py hold nothing, or assemble
    outside = {
        module
        for module in modules() - free
        if not any(module == name or module.startswith(f"{name}.") for name in known)
    }
    assert outside == set()


def test_no_module_stands_in_two_layers() -> None:
    known = layered()
    assert len(known) == len(set(known))
