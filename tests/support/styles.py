"""What the style sheet that is served lacks of the whole one."""

import re
from functools import cache

from scripts.purge import BUILT, WHOLE

CLASS = re.compile(r"\.((?:[A-Za-z_]|\\.)(?:[\w-]|\\.)*)")
WORN = re.compile(r'\sclass="([^"]*)"')


def classes_of(css: str) -> set[str]:
    """The classes that a style sheet names."""
    return {name.replace("\\", "") for name in CLASS.findall(css)}


@cache
def left_out() -> frozenset[str]:
    """The classes of Tabler that no page may wear before `make css` has run again."""
    return frozenset(classes_of(WHOLE.read_text()) - classes_of(BUILT.read_text()))


def assert_styled(html: str) -> None:
    """Fail when something wears a class of Tabler that the style sheet does not have."""
    worn = {name for value in WORN.findall(html) for name in value.split()}
    assert not worn & left_out(), f"run `make css`: {sorted(worn & left_out())}"
