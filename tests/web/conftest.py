"""The shared application, its clients, and a fixed clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

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


@pytest.fixture(scope="session")
def templates() -> Path:
    return ROOT / "templates"
