"""The application and jobs as the tests of jobs have them, and nodes as those of the engine."""

from typing import Any

import pytest
from flask import Flask

from tests.engine import conftest as engine
from tests.jobs import conftest as jobs
from tests.support.applications import Browser, signed_in

app = jobs.app
make_job = jobs.make_job
make_node = engine.make_node


@pytest.fixture
def admin(app: Flask, frozen: Any) -> Browser:
    """The browser of Alice, an administrator, who has signed in at that noon."""
    return signed_in(app)
