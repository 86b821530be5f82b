"""The side bar shows the places there are, and where the viewer is."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.test_pages import token


def test_only_places_of_this_app_are_offered(client: FlaskClient) -> None:
    assert places(client, "/") == ["Overview", "Jobs"]


@pytest.mark.parametrize(
    ("path", "title"),
    [("/", "Overview"), ("/jobs", "Jobs"), ("/jobs/7", "Jobs"), ("/services", "Services")],
)
def test_the_place_is_marked_where_the_viewer_is(app: Flask, path: str, title: str) -> None:
    page = app.view_functions["jobs.index"]
    app.add_url_rule("/jobs/<int:_>", "jobs.show", lambda _: page())
    app.add_url_rule("/services", "system.services", page)
    app.add_url_rule("/system", "system.index", page)
    text = app.test_client().get(path).text
    current = re.findall(r'aria-current="page".*?nav-link-title">([^<]+)', text)
    assert current == [title]


def test_no_place_is_marked_elsewhere(client: FlaskClient) -> None:
    assert 'aria-current="page"' not in client.get("/form").text


def test_signing_out_is_a_write(app: Flask) -> None:
    app.add_url_rule("/sign-out", "security.logout", lambda: "out", methods=["POST"])
    client = app.test_client()
    assert re.search(
        r'<form method="post" action="/sign-out">\s*<input[^>]*csrf_token', text_of(client)
    )
    assert client.post("/sign-out", data={"csrf_token": token(client)}).text == "out"


def places(client: FlaskClient, path: str) -> list[str]:
    bar = client.get(path).text.partition('aria-label="Main"')[2].partition("</nav>")[0]
    return re.findall(r'nav-link-title">([^<]+)', bar)


def text_of(client: FlaskClient) -> str:
    return client.get("/").text
