"""The application and jobs as the tests of jobs have them, and nodes as those of the engine."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask

from tests.engine import conftest as engine
from tests.jobs import conftest as jobs
from tests.support.applications import Browser, signed_in

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

app = jobs.app
make_job = jobs.make_job
make_node = engine.make_node


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Noon of 10 March 2026, until the test moves it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def admin(app: Flask, clock: time_machine.Traveller) -> Browser:
    """The browser of Alice, an administrator, who has signed in at that noon."""
    return signed_in(app)
