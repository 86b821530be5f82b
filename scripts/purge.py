"""Makes static/built/tabler.css: the rules of Tabler that our pages can use, and no others.

A rule stays where everything that its selector names can occur on a page: classes, elements,
attributes and their values. What can occur is read from the templates, from static/js and from the
strings of aegis_web. A class that is put together, such as `status-{{ colour }}`, stands for every
class that one of those strings completes.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHOLE = ROOT / "static" / "vendor" / "tabler-1.6.1.min.css"
BUILT = ROOT / "static" / "built" / "tabler.css"
NOTE = "/* Only the rules that our pages use. Made by `make css`: change nothing here. */"

HOLE, BREAK = "\0", "\1"  # in markup: where an expression stood, where a statement stood
CODE = re.compile(r"{#.*?#}|{{.*?}}|{%.*?%}", re.DOTALL)
CUT = re.compile(rf"[^\s{BREAK}]{BREAK}+[^\s{BREAK}]")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'')
TAG = re.compile(r'<([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*)>')
ATTRIBUTE = re.compile(r'([A-Za-z][\w:-]*)(?:="([^"]*)")?')
NAMES = re.compile(r"[\w-]+( [\w-]+)*")  # a string that may hold classes: no sentence
NAME = re.compile(r"[A-Za-z][\w-]*")
REMARK = re.compile(r"^\s*//.*|\s// .*", re.MULTILINE)
ADDED_BY_BROWSERS = {"html", "head", "body", "tbody"}

PIECE = re.compile(
    r"\.(?P<css_class>(?:[\w-]|\\.)+)"
    r"|\[(?P<attribute>[\w-]+)(?:(?P<operator>[*^$~|]?=)\"?(?P<value>[^\]\"]*)\"?)?\]"
    r"|::?(?P<pseudo>[\w-]+)|#(?P<id>[\w-]+)|(?P<element>[A-Za-z][\w-]*)"
)
ONE_OF = {"is", "where", "has"}  # they need one of their arguments; :not() and others need none
FOREIGN = re.compile(r"::?-")  # a browser that does not know one selector drops the whole rule
VARIABLE = re.compile(r"var\(\s*(--[\w-]+)")

Rule = tuple[str, "str | list[Rule]"]  # what stands before the brace, and inside


@dataclass
class Vocabulary:
    """What can occur on a page."""

    words: set[str] = field(default_factory=set)  # of strings: classes, parts of them, values
    classes: set[str] = field(default_factory=set)  # of templates, with holes
    elements: set[str] = field(default_factory=lambda: set(ADDED_BY_BROWSERS))
    attributes: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)  # of attributes

    def read_template(self, text: str) -> None:
        """Take in a template.

        Raises: ValueError where a statement stands inside of a class, so that nobody can tell it.
        """
        for element, inside in TAG.findall(CODE.sub(self._read_code, text)):
            self.elements.add(element)
            for attribute, value in ATTRIBUTE.findall(inside):
                self.attributes.add(attribute)
                self.values.update(value.split())
                if attribute == "class":
                    self._read_classes(value)

    def _read_code(self, found: re.Match[str]) -> str:
        """Take in the strings of a piece of Jinja; what stands for it in the markup."""
        if found[0].startswith("{#"):
            return ""
        for string in STRING.finditer(found[0]):
            self._read_string(string[1] or string[2] or "")
        return HOLE if found[0].startswith("{{") else BREAK

    def _read_string(self, text: str) -> None:
        if NAMES.fullmatch(text):
            self.words.update(text.split())

    def _read_classes(self, value: str) -> None:
        if CUT.search(value):
            shown = value.replace(HOLE, "{{…}}").replace(BREAK, "{%…%}")
            raise ValueError(f'write whole classes between the statements of class="{shown}"')
        self.classes.update(value.replace(BREAK, " ").split())

    def read_script(self, text: str) -> None:
        """Take in every word of a module of static/js."""
        self.words.update(NAME.findall(REMARK.sub("", text)))

    def read_python(self, text: str) -> None:
        """Take in the strings of a module."""
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._read_string(node.value)

    def has_class(self, name: str) -> bool:
        """Whether an element can have that class."""
        return (
            name in self.words
            or name in self.classes
            or any(
                all(part in self.words or part.isdigit() or not part for part in found.groups())
                for pattern in self._patterns
                if (found := pattern.fullmatch(name))
            )
        )

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        """The classes that are put together, in templates or from a string such as "status-"."""
        begun = {word + HOLE for word in self.words if word.endswith("-")}
        pieced = {name for name in self.classes if HOLE in name} | begun
        return [re.compile(re.escape(name).replace(HOLE, r"([\w-]*)")) for name in sorted(pieced)]

    def allows(self, selector: str) -> bool:
        """Whether an element can match a selector without commas."""
        position = 0
        while found := PIECE.search(selector, position):
            position = found.end()
            if selector[position : position + 1] == "(":
                end = closing(selector, position)
                arguments = split(selector[position + 1 : end], ",")
                position = end + 1
                if found["pseudo"] in ONE_OF and not any(map(self.allows, arguments)):
                    return False
            elif not self._allows_piece(found):
                return False
        return True

    def _allows_piece(self, found: re.Match[str]) -> bool:
        if found["css_class"]:
            return self.has_class(found["css_class"].replace("\\", ""))
        if found["element"]:
            return found["element"] in self.elements
        if found["id"]:
            return found["id"] in self.words | self.values
        if found["attribute"] and found["attribute"] != "class":
            return found["attribute"] in self.attributes | self.words and (
                found["operator"] != "=" or found["value"] in self.values | self.words
            )
        return True


def vocabulary() -> Vocabulary:
    """What can occur on the pages of this repository."""
    known = Vocabulary()
    for path in sorted((ROOT / "templates").rglob("*.html")):
        try:
            known.read_template(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path.relative_to(ROOT)}: {error}") from None
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        known.read_script(path.read_text())
    for path in sorted((ROOT / "aegis_web").rglob("*.py")):
        known.read_python(path.read_text())
    return known


def closing(text: str, opening: int) -> int:
    """Where the bracket that opens there closes."""
    depth = 0
    for position in range(opening, len(text)):
        depth += (text[position] in "({") - (text[position] in ")}")
        if depth == 0:
            return position
    raise ValueError(f"a bracket stays open: {text[opening : opening + 80]}")


def split(text: str, separator: str) -> list[str]:
    """The parts of a list; what stands in brackets or quotes stays whole."""
    hidden = re.sub(r'"[^"]*"|\'[^\']*\'', lambda found: "_" * len(found[0]), text)
    parts, begin, depth = [], 0, 0
    for position, sign in enumerate(hidden):
        depth += (sign == "(") - (sign == ")")
        if sign == separator and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]


def parse(css: str) -> list[Rule]:
    """The rules of a style sheet, in their order."""
    css = re.sub(r"/\*.*?\*/|@charset[^;]*;", "", css, flags=re.DOTALL)
    rules: list[Rule] = []
    position = 0
    while (opening := css.find("{", position)) >= 0:
        end = closing(css, opening)
        inside = css[opening + 1 : end]
        rules.append((css[position:opening].strip(), parse(inside) if "{" in inside else inside))
        position = end + 1
    return rules


def render(rules: list[Rule]) -> str:
    """A style sheet with a rule on each line."""
    return "".join(
        f"{prelude}{{{inside}}}\n"
        if isinstance(inside, str)
        else f"{prelude}{{\n{render(inside)}}}\n"
        for prelude, inside in rules
    )


def possible(rules: list[Rule], known: Vocabulary) -> Iterator[Rule]:
    """The rules that something on a page can match, with the selectors that can."""
    for prelude, inside in rules:
        if prelude.startswith(("@keyframes", "@property")):
            yield prelude, inside
        elif not isinstance(inside, str):
            if left := list(possible(inside, known)):
                yield prelude, left
        else:
            selectors = split(prelude, ",")
            kept = [selector for selector in selectors if known.allows(selector)]
            if kept:
                yield prelude if FOREIGN.search(prelude) else ",".join(kept), inside


def declarations(rules: list[Rule]) -> Iterator[tuple[str, str]]:
    """Every name with its value."""
    for _, inside in rules:
        if isinstance(inside, str):
            for declaration in split(inside, ";"):
                name, _, value = declaration.partition(":")
                yield name.strip(), value
        else:
            yield from declarations(inside)


def needed_variables(rules: list[Rule], own: str) -> set[str]:
    """The variables that a property, one of our own style sheets or another such variable reads."""
    readers: dict[str, set[str]] = {}
    needed = set(re.findall(r"--[\w-]+", own))
    for name, value in declarations(rules):
        read = set(VARIABLE.findall(value))
        if name.startswith("--"):
            readers.setdefault(name, set()).update(read)
        else:
            needed |= read
    waiting = list(needed)
    while waiting:
        new = readers.get(waiting.pop(), set()) - needed
        needed |= new
        waiting += new
    return needed


def without_idle(rules: list[Rule], variables: set[str], texts: str) -> Iterator[Rule]:
    """The rules without variables and animations that nothing reads."""
    for prelude, inside in rules:
        kind, _, name = prelude.partition(" ")
        if kind == "@property" and name not in variables:
            continue
        if kind == "@keyframes" and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", texts):
            continue
        if isinstance(inside, str):
            inside = ";".join(
                text
                for text in split(inside, ";")
                if not text.startswith("--") or text.partition(":")[0] in variables
            )
        else:
            inside = list(without_idle(inside, variables, texts))
        if inside:
            yield prelude, inside


def build() -> str:
    """The style sheet that is served."""
    whole = WHOLE.read_text()
    folders = (ROOT / "static" / "css", ROOT / "static" / "js")
    own = "".join(path.read_text() for folder in folders for path in sorted(folder.iterdir()))
    rules = list(possible(parse(whole), vocabulary()))
    values = own + " ".join(value for name, value in declarations(rules) if "animation" in name)
    rules = list(without_idle(rules, needed_variables(rules, own), values))
    licence = re.search(r"/\*!.*?\*/", whole, re.DOTALL)
    return f"{licence[0] if licence else ''}\n{NOTE}\n{render(rules)}"


if __name__ == "__main__":
    BUILT.parent.mkdir(exist_ok=True)
    BUILT.write_text(build())
    print(f"{BUILT.relative_to(ROOT)}: {BUILT.stat().st_size:,} of {WHOLE.stat().st_size:,} bytes")
