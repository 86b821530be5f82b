"""Whatever a form is sent: a plain sentence and 4xx, or it is done; never 500, nothing leaked.

`make fuzz` goes on for FUZZ_MINUTES with examples that no run had before.
"""

import os
import time
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from aegis_web.accounts.rights import RIGHTS, Right
from tests.browser.polyglots import POLYGLOTS
from tests.support.applications import Browser

from .conftest import writes_of
from .forms import Form, endpoint_of, forms_of
from .test_sql_injection import PAYLOADS

SHORT = {"HX-Request": "true"}  # answers without the whole page are rendered faster
ENDING = {
    "security.logout", "accounts.end_session", "accounts.end_sessions_of", "accounts.change",
    "security.login", "security.change_password", "accounts.set_up_link",
}  # fmt: skip
LEAKS = ("Traceback (most", "sqlalchemy", "sqlite3.", "psycopg", "site-packages", 'File "')
ODD = (
    "", " ", "0", "-1", "1", "9" * 40, "1e9", "1e309", "NaN", "0x10", "٣", "\0", "a\0b", "\r\n",
    "true", "null", "[]", "{}", "\u202e", "\ud7ff\ufffe", "x" * 300, "y" * 20_000, "2026-02-30",
    "2026-03-29T02:30", "9999-12-31T23:59", "0001-01-01T00:00", "25:61", "* * * * *", "0 0 31 2 *",
    "@reboot", "H H * * *", "1000000000s", "P1000000Y", "Europe/Berlin", "../../etc/passwd",
    "UTC\n", "a@b", "https://example.org/", "//evil", "&#0;", "%00", "${7*7}", "{{7*7}}",
    "os:system",
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(POLYGLOTS),
    st.sampled_from(PAYLOADS),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda when: when.isoformat(timespec="minutes")),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


@st.composite
def changes(
    draw: st.DrawFn,
) -> tuple[int, list[tuple[int, list[str]]], list[tuple[str, list[str]]]]:
    """Which form, which of its fields get which texts, and what is added that it has not."""
    value = st.lists(TEXTS, max_size=3)
    changed = draw(st.lists(st.tuples(st.integers(0, 99), value), min_size=1, max_size=5))
    added = draw(st.lists(st.tuples(TEXTS, value), max_size=1))
    return draw(st.integers(0, 999)), changed, added


def every_form(app: Flask, client: FlaskClient) -> list[Form]:
    """The forms of all pages, and an empty one for each write that none of them shows."""
    shown = [form for form in forms_of(client) if endpoint_of(app, form) not in ENDING]
    covered = {endpoint_of(app, form) for form in shown} | ENDING
    names = sorted({name for form in shown for name in (*form.fields, *form.buttons)})
    rest = [path for endpoint, path, _ in writes_of(app) if endpoint not in covered]
    return shown + [Form(path, {name: [""] for name in names}) for path in rest]


def sent(client: FlaskClient, forms: list[Form], wanted: Any) -> tuple[Form, TestResponse]:
    """What one changed form is answered."""
    number, changed, added = wanted
    form = forms[number % len(forms)]
    names = [*form.fields, *form.buttons]
    data = {name: list(values) for name, values in form.fields.items()}
    for place, values in changed:
        if names:
            data[names[place % len(names)]] = values
    data |= {name: values for name, values in added if name}
    data.pop("csrf_token", None)
    return form, client.post(form.action, data=data, headers=SHORT)


def faults(answer: TestResponse) -> list[str]:
    """What is wrong with an answer; nothing, where it did or refused what was asked."""
    found = [f"status {answer.status_code}"] if answer.status_code >= 500 else []
    found += [leak for leak in LEAKS if leak in answer.text and answer.status_code >= 400]
    if answer.status_code >= 400 and not any(
        mark in answer.text for mark in ('role="alert"', "is-invalid", "ag-alert", "alert ")
    ):
        found.append("no sentence")
    return found


def fuzz(
    client: FlaskClient, forms: list[Form], examples: int, start: int, *, shrinking: bool = True
) -> None:
    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrinking else [Phase.generate],
    )
    @given(changes())
    def every_answer_is_plain(wanted: Any) -> None:
        form, answer = sent(client, forms, wanted)
        assert faults(answer) == [], (form.action, answer.text[:500])

    every_answer_is_plain()


def test_whatever_a_form_is_sent_it_answers_plainly(filled: Flask, admin: Browser) -> None:
    forms = every_form(filled, admin)
    assert len(forms) > 40
    minutes = float(os.environ.get("FUZZ_MINUTES", "0"))
    end, start = time.monotonic() + minutes * 60, 20261128
    if not minutes:
        fuzz(admin, forms, 250, start)
    while time.monotonic() < end:
        start = time.time_ns()
        fuzz(admin, forms, 300, start)


def test_a_form_that_fails_is_found(filled: Flask, admin: Browser) -> None:
    def weak() -> str:
        return str(int(request.form.get("number", "1")))

    filled.add_url_rule("/weak", "weak", weak, methods=["POST"])
    RIGHTS["weak"] = Right.EDIT
    try:
        with pytest.raises(AssertionError):
            fuzz(admin, [Form("/weak", {"number": ["1"]})], 60, 1, shrinking=False)
    finally:
        del RIGHTS["weak"]
