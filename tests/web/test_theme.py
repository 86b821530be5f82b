"""Light, dark or as the system, before anybody has signed in."""

import re

import pytest
from flask.testing import FlaskClient

from aegis_web.web.preferences import THEME_COOKIE


@pytest.mark.parametrize("chosen", ["light", "dark"])
def test_the_choice_is_in_the_page_from_the_first_byte(client: FlaskClient, chosen: str) -> None:
    client.set_cookie(THEME_COOKIE, chosen)
    assert f'data-bs-theme="{chosen}"' in root(client)


@pytest.mark.parametrize("chosen", [None, "system", 'x" onload="'])
def test_else_the_system_decides(client: FlaskClient, chosen: str | None) -> None:
    if chosen:
        client.set_cookie(THEME_COOKIE, chosen)
    assert 'data-theme="system"' in root(client)
    assert "data-bs-theme" not in root(client)


def root(client: FlaskClient) -> str:
    found = re.search(r"<html[^>]*>", client.get("/").text)
    assert found
    return found[0]
