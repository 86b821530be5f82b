"""A real browser on the application of the test, with Alice signed in."""

from collections.abc import Iterator
from threading import Thread
from urllib.parse import urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Page
from werkzeug.serving import make_server

from tests.support.applications import Browser
from tests.support.browsers import OpenPage


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application listens, for a real browser."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_signed_in(address: str, admin: Browser, open_page: OpenPage) -> OpenPage:
    """Opens pages of Alice's at the application's address: width and theme as in `open_page`."""
    admin.get("/", base_url=address)
    host = urlsplit(address).hostname or ""
    name = str(admin.application.config["SESSION_COOKIE_NAME"])
    cookie = admin.get_cookie(name) or admin.get_cookie(name, domain=host)
    assert cookie is not None

    def open_one(path: str, width: int = 1440, theme: str = "light") -> Page:
        page = open_page(width, theme)
        page.context.add_cookies([{"name": name, "value": cookie.value, "url": address}])
        page.goto(address + path)
        return page

    return open_one
