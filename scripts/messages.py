"""Brings the catalogues of aegis_web/translations up to date with what the sources say.

`messages.po` holds the sentences of Python and templates, `scripts.po` those of static/js. What is
new has an empty translation, what is not said any more is gone.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from aegis_web.language import ENGLISH, FOLDER, LANGUAGES

ROOT = Path(__file__).parents[1]
KEYWORDS = {
    "_": None, "N_": None, "gettext": None,
    "ngettext": (1, 2), "pgettext": ((1, "c"), 2),
}  # fmt: skip
SOURCES = {
    "messages": [
        ("aegis_web", "*.py", "python"),
        ("templates", "*.html", "jinja2.ext:babel_extract"),
    ],
    "scripts": [("static/js", "*.js", "javascript")],
}
OPTIONS = {"encoding": "utf-8", "newstyle_gettext": "true", "trimmed": "true", "silent": "false"}


def main() -> int:
    for path, text in catalogues():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    return 0


def catalogues() -> Iterator[tuple[Path, bytes]]:
    """Each file and what it should hold, its translations kept."""
    for name in SOURCES:
        said = template(name)
        for code in LANGUAGES.keys() - {ENGLISH}:
            path = FOLDER / code / f"{name}.po"
            yield path, merged(path, said, code)


def template(name: str) -> Catalog:
    """What the sources of one catalogue say."""
    catalog = Catalog(charset="utf-8")
    for folder, pattern, method in SOURCES[name]:
        for path in sorted((ROOT / folder).rglob(pattern)):
            place = str(path.relative_to(ROOT))
            found = extract_from_file(method, path, KEYWORDS, options=OPTIONS)
            for line, message, _, context in found:
                catalog.add(message, None, [(place, line)], context=context)
    return catalog


def merged(path: Path, said: Catalog, code: str) -> bytes:
    """The catalogue of a language as a PO file, sorted by message so that changes stay small."""
    catalog = Catalog(locale=code, fuzzy=False)
    if path.exists():
        with path.open("rb") as file:
            catalog = read_po(file, locale=code)
    catalog.update(said, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    text = BytesIO()
    write_po(text, catalog, width=100, sort_output=True, omit_header=True, include_lineno=False)
    header = "".join(
        f'"{line}\\n"\n'
        for line in (
            f"Language: {code}",
            "Content-Type: text/plain; charset=utf-8",
            f"Plural-Forms: {catalog.plural_forms}",
        )
    )
    return f'msgid ""\nmsgstr ""\n{header}\n'.encode() + text.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
