"""Pages speak the reader's language, and no sentence is left out."""

import re
from collections import Counter
from gettext import NullTranslations
from html.parser import HTMLParser

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

from aegis_web import language
from aegis_web.language import FOLDER, gettext, ngettext, spoken
from scripts.messages import catalogues
from tests.support.applications import Browser
from tests.support.everywhere import fill_every_field, pages

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|%%")


def test_the_catalogues_hold_what_the_sources_say() -> None:
    stale = [str(path) for path, text in catalogues() if path.read_bytes() != text]
    assert not stale, "run `make messages`, and translate what is new"


@pytest.mark.parametrize("name", ["messages", "scripts"])
def test_every_message_has_a_german_translation_with_the_same_values(name: str) -> None:
    with (FOLDER / "de" / f"{name}.po").open("rb") as file:
        catalog = read_po(file, locale="de")
    assert [m.id for m in catalog if m.id and (m.fuzzy or not all(strings_of(m)))] == []
    assert [m.id for m in catalog if m.id and not same_values(m)] == []


def strings_of(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (str(message.string),)


def same_values(message: Message) -> bool:
    """Whether the translation, its plural too, names what the English names."""
    wanted = message.id if isinstance(message.id, tuple) else (message.id,)
    pairs = zip(wanted, strings_of(message), strict=True)
    plural = {"%(num)s", "%(number)s", "%(count)s"}  # one of something need not say so
    return all(
        Counter(PLACEHOLDER.findall(a)) == Counter(PLACEHOLDER.findall(b))
        or set(PLACEHOLDER.findall(a)) ^ set(PLACEHOLDER.findall(b)) <= plural
        for a, b in pairs
    )


def test_nobody_reads_outside_of_requests_so_it_is_english() -> None:
    assert language.language() == "en"
    assert gettext("Theme") == "Theme"
    assert ngettext("%(num)s job", "%(num)s jobs", 3) == "3 jobs"
    with spoken("de"):
        assert gettext("Language") == "Sprache"
    assert gettext("Language") == "Language"


def test_templates_put_escaped_values_into_messages(app: Flask) -> None:
    def shown(text: str) -> str:
        return app.jinja_env.from_string(text).render(name="<Ada>")

    assert shown('{{ _("By %(name)s, 5 %%", name=name) }}') == "By &lt;Ada&gt;, 5 %"
    assert shown('{{ ngettext("%(num)s of %(name)s", "x", 1, name=name) }}') == "1 of &lt;Ada&gt;"
    assert shown("{% trans %}<b>{{ name }}</b>, 5 %{% endtrans %}") == "<b>&lt;Ada&gt;</b>, 5 %"


def test_templates_put_values_into_messages(app: Flask) -> None:
    text = "{{ _('%(name)s: 100%% of %(many)s', name='<b>', many=3) }}"
    many = "{{ ngettext('%(num)s job', '%(num)s jobs', 3) }}"
    template = app.jinja_env.from_string(f"{text}, {many}, {{{{ pgettext('tab', 'All') }}}}")
    assert template.render() == "&lt;b&gt;: 100% of 3, 3 jobs, All"


def test_the_browser_says_which_language(client: FlaskClient, admin: Browser) -> None:
    assert '<html lang="de"' in admin.get("/account", headers=GERMAN).text
    assert '<html lang="de"' in client.get("/sign-in", headers=GERMAN).text
    assert '<html lang="en"' in client.get("/sign-in", headers={"Accept-Language": "fr"}).text
    assert language.language() == "en"


def test_a_choice_is_kept_by_the_account_and_before_the_sign_in(admin: Browser) -> None:
    admin.post("/account/preferences", data={"language": "de"})
    page = admin.get("/account").text
    assert '<html lang="de"' in page
    assert "Sprache" in page
    cookie = admin.get_cookie("aegis_language")
    assert cookie is not None
    assert cookie.value == "de"
    admin.post("/account/preferences", data={"language": "browser"})
    assert '<html lang="en"' in admin.get("/account").text
    assert admin.get_cookie("aegis_language") is None


def test_an_unknown_language_is_refused(admin: Browser) -> None:
    answer = admin.post("/account/preferences", data={"language": "tlh"})
    assert answer.status_code == 422
    assert "Choose one of: browser, en, de." in answer.text


# --- every string -----------------------------------------------------------------------------

DATA = (
    "αβγ", "δεζ", "ηθι", "κλμ", "νξο", "πρσ", "τυφ", "χψω", "άέή", "ίόύ", "ώβα", "γδλ", "θξπ",
)  # fmt: skip
VOID = {"br", "hr", "img", "input", "link", "meta"}
UNSPOKEN = {"script", "style", "code", "kbd", "pre", "samp"}
SPOKEN_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "label", "hx-confirm"}
NO_WORDS = re.compile(  # zones, addresses, units, names of our own, and keys of the keyboard
    r"(?<=[0-9])[wm](?![A-Za-z])|"  # weeks and minutes as people type them
    r"\b(?:[A-Z]\w+/[\w/]+|UTC|Aegis|Deutsch|English|AEGIS_\w+|\S+@\S+|https?://\S+)\b"
    r"|\b(?:SQLite|PostgreSQL|Python|APScheduler)\b"
    r"|(?<![A-Za-z])(?:ms|s|min|h|d|B|kB|MB|GB|TB)(?![A-Za-z])"
)
LETTER = re.compile(r"[A-Za-z]")


class Marked(NullTranslations):
    """Every message in brackets, so that what comes from no catalogue is seen."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, number: int) -> str:
        return f"⟦{one if number == 1 else many}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"


class Reader(HTMLParser):
    """Collects the words of a page that stand in no brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: list[bool] = [False]
        self.depth = 0
        self.bare: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        silent = self.silent[-1] or tag in UNSPOKEN or given.get("translate") == "no"
        if not silent:
            for name in SPOKEN_ATTRIBUTES & given.keys():
                self.look(given[name] or "", f"{tag}[{name}]")
        if tag not in VOID:
            self.silent.append(silent)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and len(self.silent) > 1:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if self.silent[-1]:
            return
        self.depth = self.look(data, "text", self.depth)

    def look(self, text: str, where: str, depth: int = 0) -> int:
        outside = ""
        for letter in text:
            depth += (letter == "⟦") - (letter == "⟧")
            outside += letter if depth == 0 and letter not in "⟦⟧" else " "
        if LETTER.search(NO_WORDS.sub("", outside)):
            self.bare.append((where, " ".join(text.split())[:150]))
        return depth


def test_every_sentence_of_every_page_comes_from_a_catalogue(
    app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_every_field(app, DATA)
    monkeypatch.setattr(language, "translations", lambda _: Marked())
    bare: dict[tuple[str, str], str] = {}
    seen = 0
    crawl = pages(admin, "/", "/sign-in", "/nowhere", of_a_kind=4)
    for seen, (path, answer) in enumerate(crawl, 1):  # noqa: B007
        if answer.mimetype != "text/html" or answer.location:
            continue
        reader = Reader()
        reader.feed(answer.text)
        for found in reader.bare:
            bare.setdefault(found, path)
    assert seen > 60
    assert not bare, "\n".join(f"{path}: {where}: {text}" for (where, text), path in bare.items())
