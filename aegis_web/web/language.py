"""Which language the reader of this request wants: as chosen, else as the browser asks.

A choice is kept by the account, and by a cookie for pages before the sign-in.
"""

import json

from flask import Flask, Response, g, request
from markupsafe import Markup

from aegis_web import language
from aegis_web.config import settings
from aegis_web.language import ENGLISH, LANGUAGES, script_texts, speak
from aegis_web.web.preferences import preferences

COOKIE = "aegis_language"
YEAR_SECONDS = 31_536_000


def init_app(app: Flask) -> None:
    """Speak the reader's language in templates and in all that a request calls."""
    app.before_request_funcs.setdefault(None, []).insert(0, speak_as_asked)
    app.before_request(speak_as_kept)
    app.teardown_request(lambda _: speak(ENGLISH))
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        plain_gettext, plain_ngettext, newstyle=True, pgettext=plain_pgettext
    )
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.add_template_global(language.language, "language")
    app.add_template_global(texts_for_scripts, "texts_for_scripts")


def speak_as_asked() -> None:
    """Before anything can refuse the request: what the cookie or the browser says."""
    kept = request.cookies.get(COOKIE)
    best = request.accept_languages.best_match(list(LANGUAGES), ENGLISH)
    speak(kept if kept in LANGUAGES else best or ENGLISH)


def speak_as_kept() -> None:
    """What the account of a person who has signed in keeps."""
    if "_login_user" not in g:
        return
    kept = preferences().language
    if kept in LANGUAGES:
        speak(kept)


def remember_language(response: Response, chosen: str) -> None:
    """Let the browser keep the language for pages before the sign-in; not one: forget it."""
    if chosen in LANGUAGES:
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            samesite="Lax",
            secure=settings().cookies_secure,
        )
    else:
        response.delete_cookie(COOKIE, samesite="Lax", secure=settings().cookies_secure)


def plain_gettext(message: str) -> str:
    """The message without its values: Jinja escapes these and puts them in."""
    return language.translations(language.language()).gettext(message)


def plain_ngettext(one: str, many: str, number: int) -> str:
    """The same for the form that fits `number`."""
    return language.translations(language.language()).ngettext(one, many, number)


def plain_pgettext(context: str, message: str) -> str:
    """The same where one English word has several meanings."""
    return language.translations(language.language()).pgettext(context, message)


def texts_for_scripts() -> Markup:
    """JSON of what scripts say, safe inside <script type="application/json">."""
    text = json.dumps(script_texts(), ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # "<" was the only danger
