"""One URL gives the page, or its fragment when htmx asks for a part."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from aegis_web.extensions import db
from aegis_web.web.pages import local_path, render

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}


def test_a_browser_gets_the_whole_page(client: FlaskClient) -> None:
    answer = client.get("/jobs")
    assert answer.text.startswith("<!doctype html>")
    assert 'id="gallery-live"' in answer.text


def test_htmx_gets_the_fragment_alone(client: FlaskClient) -> None:
    answer = client.get("/jobs", headers=PART)
    assert answer.text.startswith('<div id="gallery-live"')
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "further",
    [
        {"HX-Request-Type": "full"},
        {"HX-Boosted": "true"},
        {"HX-History-Restore-Request": "true"},
    ],
)
def test_htmx_gets_the_page_where_it_replaces_the_page(
    client: FlaskClient, further: dict[str, str]
) -> None:
    answer = client.get("/jobs", headers={**PART, **further})
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("headers", [{}, PART])
def test_caches_are_told_that_there_are_two_forms(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    assert "HX-Request" in client.get("/jobs", headers=headers).vary


def test_after_a_write_a_browser_is_sent_on_with_303(client: FlaskClient) -> None:
    answer = client.post("/form", data={"name": "42", "csrf_token": token(client)})
    assert (answer.status_code, answer.location) == (303, "/form")
    assert "Saved." in client.get("/form").text


def test_after_a_write_htmx_is_told_to_let_the_browser_go(client: FlaskClient) -> None:
    data = {"name": "42", "csrf_token": token(client)}
    answer = client.post("/form", data=data, headers=PART)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/form")
    assert "Saved." in client.get("/form").text


def test_a_refused_form_comes_back_with_what_was_typed(client: FlaskClient) -> None:
    data = {"name": "<forty>", "csrf_token": token(client)}
    answer = client.post("/form", data=data, headers=PART)
    assert answer.status_code == 422
    assert "&lt;forty&gt;" in answer.text
    assert "Use digits only" in answer.text


def test_messages_travel_with_the_fragment_of_a_write(client: FlaskClient) -> None:
    answer = client.post("/row", data={"csrf_token": token(client)}, headers=PART)
    assert 'id="flash"' in answer.text
    assert 'hx-swap-oob="beforeend"' in answer.text
    assert "The row is new." in answer.text
    assert "The row is new." not in client.get("/jobs").text


def test_a_poll_leaves_messages_to_the_page_that_follows(client: FlaskClient) -> None:
    client.post("/form", data={"name": "42", "csrf_token": token(client)}, headers=PART)
    assert "Saved." not in client.get("/jobs", headers=PART).text
    assert "Saved." in client.get("/form").text


def test_no_read_transaction_is_open_while_a_template_renders(app: Flask) -> None:
    seen = []
    app.add_template_global(lambda: seen.append(db.session().in_transaction()) or "", "styles_url")
    with app.test_request_context("/"):
        db.session.connection()
        assert db.session().in_transaction()
        render("gallery/bare.html")
    assert seen == [False]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://host/jobs?q=a&b=%2F", "/jobs?q=a&b=%2F"),
        ("http://host//evil.example/x", "/evil.example/x"),
        ("http://host/\\evil.example", "/evil.example"),
        ("https://evil.example", "/"),
        ("", None),
        (None, None),
    ],
)
def test_a_local_path_leads_nowhere_else(url: str | None, path: str | None) -> None:
    assert local_path(url) == path


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/form").text)
    assert found
    return found[1]
