"""The shared application, its clients, and a fixed clock."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from aegis_web.config import Settings
from tests.support.databases import close_engines
from tests.web.app import NOW, ROOT, make_app


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    app = make_app(settings)
    yield app
    close_engines(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Alice's browser."""
    return app.test_client()


@pytest.fixture
def stranger(settings: Settings) -> Iterator[FlaskClient]:
    """A browser in which nobody has signed in."""
    app = make_app(settings, signed_in=False)
    yield app.test_client()
    close_engines(app)


@pytest.fixture
def now() -> Iterator[None]:
    """The clock stands at NOW."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the shared application listens, for a real browser."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def templates() -> Path:
    return ROOT / "templates"
