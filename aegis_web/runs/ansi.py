"""The colours of a terminal in a line of output: a safe subset, everything else left out.

Source: ECMA-48, 8.3.117 (SGR). Colours out of 256 or of millions are dropped, their text stays.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SGR = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]{0,40})m")
COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}
LONGER = {38, 48, 58}  # a colour follows, as 5;n or 2;r;g;b


@dataclass(frozen=True)
class Part:
    """A piece of a line in one look."""

    text: str
    style: str = ""  # CSS classes; "": plain
    found: bool = False  # it is what was searched


def parts_of(line: str) -> Iterator[Part]:
    """The pieces of a line with their looks. Other escape sequences stay in their texts."""
    colour, styles, begin = "", set[str](), 0
    for found in SGR.finditer(line):
        if found.start() > begin:
            yield Part(line[begin : found.start()], look(colour, styles))
        colour = obey(found[1], colour, styles)
        begin = found.end()
    if begin < len(line) or not begin:
        yield Part(line[begin:], look(colour, styles))


def obey(codes: str, colour: str, styles: set[str]) -> str:
    """What one sequence makes of the colour; changes the styles."""
    numbers = iter([int(code or 0) for code in codes.replace(":", ";").split(";") if len(code) < 4])
    for number in numbers:
        if number == 0:
            colour = ""
            styles.clear()
        elif number in STYLES:
            styles.add(STYLES[number])
        elif number in ENDS:
            styles.difference_update(ENDS[number])
        elif 30 <= number <= 37 or 90 <= number <= 97:
            colour = COLOURS[number % 10]
        elif number == 39:
            colour = ""
        elif number in LONGER:
            for _ in range({5: 1, 2: 3}.get(next(numbers, 0), 0)):
                next(numbers, None)
            colour = "" if number == 38 else colour
    return colour


def look(colour: str, styles: set[str]) -> str:
    """The CSS classes of a look."""
    return " ".join(f"a-{name}" for name in ([colour] if colour else []) + sorted(styles))
