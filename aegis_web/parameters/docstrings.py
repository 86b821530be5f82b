"""What a docstring says to people: a title, a help text and a line for each parameter."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LONGEST_TITLE = 100
SECTION = re.compile(
    r"(Args|Arguments|Parameters|Returns|Raises|Yields|Source|Examples?):", re.IGNORECASE
)
PARAMETER_SECTIONS = {"args", "arguments", "parameters"}
OWN_LINE = re.compile(r"\s|[-*•] |\d+[.)] ")  # a line that does not go on with the one before
ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")


@dataclass(frozen=True)
class Documentation:
    """A docstring taken apart; all of it is plain text."""

    title: str = ""
    help: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read_docstring(function: Callable[..., Any]) -> Documentation:
    """The documentation in `function`'s docstring, of Google's form; empty without one."""
    text = inspect.getdoc(function) or ""
    first, _, rest = text.partition("\n\n")
    title = " ".join(first.split()).removesuffix(".")
    if len(title) > LONGEST_TITLE:
        title, rest = "", text
    prose: list[str] = []
    entries: list[str] = []
    section: str | None = None
    for line in rest.splitlines():
        if heading := SECTION.fullmatch(line.rstrip()):
            section = heading[1].lower()
        elif section is not None and line[:1].strip():
            section = None
        if section in PARAMETER_SECTIONS and not heading:
            entries.append(line)
        elif section is None:
            prose.append(line)
    return Documentation(title, _flowing(prose), _read_entries(entries))


def humanised(name: str) -> str:
    """A name of code as a label: "older_than_days" becomes "Older than days"."""
    words = " ".join(name.replace(".", " ").replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _flowing(lines: list[str]) -> str:
    """Paragraphs without the line breaks of the source; lists and indented lines keep theirs."""
    text = previous = ""
    for line in map(str.rstrip, lines):
        goes_on = line and previous and not OWN_LINE.match(line) and previous[:1].strip()
        text += f" {line}" if goes_on else f"\n{line}"
        previous = line
    return text.strip("\n")


def _read_entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    indent = min((_indent(line) for line in lines if line.strip()), default=0)
    name = None
    for line in lines:
        entry = ENTRY.fullmatch(line.strip()) if _indent(line) == indent else None
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
