"""The words of pages in the reader's language.

English sentences are the keys. `_` translates where a sentence is shown; `N_` marks one that is
translated later, such as a label in a table of constants. Values stand as `%(name)s`, and a per
cent sign as `%%`. What is stored, logged or printed by a command stays English: nobody reads then.

Catalogues: `translations/<language>/messages.po` for Python and templates, `scripts.po` for
static/js; `make messages` brings them up to date. Source: GNU gettext's PO format, read by Babel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch"}
FOLDER = Path(__file__).parent / "translations"

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """The language that is spoken now: "en" outside of requests."""
    return _language.get()


def speak(code: str) -> None:
    """Speak `code`, one of `LANGUAGES`, until the next call in this thread."""
    _language.set(code)


@contextmanager
def spoken(code: str) -> Iterator[None]:
    """Speak `code` for a while."""
    token = _language.set(code)
    try:
        yield
    finally:
        _language.reset(token)


def N_(message: str) -> str:  # gettext's own name for it
    """Mark a message that `gettext` translates where it is shown."""
    return message


def gettext(message: str, **values: object) -> str:
    """The message in the language that is spoken, with its values."""
    return translations(_language.get()).gettext(message) % values


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """The form of the message that fits `number`, which it can name as `%(num)s`."""
    text = translations(_language.get()).ngettext(one, many, number)
    return text % {"num": number, **values}


def pgettext(context: str, message: str, **values: object) -> str:
    """The message where one English word has several meanings: `context` says which."""
    return translations(_language.get()).pgettext(context, message) % values


class Unfilled:
    """The same three without values: Jinja puts them in by itself, into all that it says."""

    @staticmethod
    def gettext(message: str) -> str:
        return translations(_language.get()).gettext(message)

    @staticmethod
    def ngettext(one: str, many: str, number: int) -> str:
        return translations(_language.get()).ngettext(one, many, number)

    @staticmethod
    def pgettext(context: str, message: str) -> str:
        return translations(_language.get()).pgettext(context, message)


def script_texts() -> dict[str, str]:
    """What the scripts say in the language that is spoken, by the English; empty for English."""
    return _script_texts(_language.get())


@cache
def translations(code: str) -> NullTranslations:
    """The catalogue of a language."""
    if code == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / code / "messages.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)


@cache
def _script_texts(code: str) -> dict[str, str]:
    if code == ENGLISH:
        return {}
    with (FOLDER / code / "scripts.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    return {str(m.id): str(m.string) for m in catalog if m.id and m.string}


_ = gettext
