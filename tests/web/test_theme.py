"""Light, dark or as the system, chosen with and without script."""

import re

import pytest
from flask.testing import FlaskClient

from aegis_web.web.theme import COOKIE
from tests.web.test_pages import token


@pytest.mark.parametrize("chosen", ["light", "dark"])
def test_the_choice_is_in_the_page_from_the_first_byte(client: FlaskClient, chosen: str) -> None:
    client.set_cookie(COOKIE, chosen)
    assert f'data-bs-theme="{chosen}"' in root(client)


@pytest.mark.parametrize("chosen", [None, "system", 'x" onload="'])
def test_else_the_system_decides(client: FlaskClient, chosen: str | None) -> None:
    if chosen:
        client.set_cookie(COOKIE, chosen)
    assert 'data-theme="system"' in root(client)
    assert "data-bs-theme" not in root(client)


def test_the_switch_works_without_script(client: FlaskClient) -> None:
    data = {"theme": "dark", "csrf_token": token(client)}
    answer = client.post("/theme", data=data, headers={"Referer": "http://localhost/jobs?q=a"})
    assert (answer.status_code, answer.location) == (303, "/jobs?q=a")
    assert 'data-bs-theme="dark"' in root(client)


def test_the_switch_leads_nowhere_else(client: FlaskClient) -> None:
    data = {"theme": "pink", "csrf_token": token(client)}
    answer = client.post(
        "/theme", data=data, headers={"Referer": "https://evil.example//x.example"}
    )
    assert answer.location == "/x.example"
    assert 'data-theme="system"' in root(client)


def root(client: FlaskClient) -> str:
    found = re.search(r"<html[^>]*>", client.get("/").text)
    assert found
    return found[0]
