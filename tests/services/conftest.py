"""An application context with only the settings that a service function reads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from flask import Flask

from aegis_web.context import RunContext, running

Stop = Callable[[], None]


@pytest.fixture
def file_root(tmp_path: Path) -> Iterator[Path]:
    """The one folder below which files may be deleted."""
    root = tmp_path / "allowed"
    root.mkdir()
    bare = Flask("services")
    bare.extensions["aegis.settings"] = SimpleNamespace(file_roots=(root,))
    with bare.app_context():
        yield root


@pytest.fixture
def loopback_is_allowed() -> Iterator[None]:
    """Lets service functions ask the servers of tests."""
    bare = Flask("services")
    bare.extensions["aegis.settings"] = SimpleNamespace(private_targets=("127.0.0.0/8",))
    with bare.app_context():
        yield


@pytest.fixture
def ask_to_stop() -> Iterator[Stop]:
    """Makes this test a run, and gives what asks it to stop."""
    stop = Event()
    run = RunContext(
        run_id=1,
        job_id=1,
        job_name="test",
        fire_time=None,
        attempt=1,
        requested_by="alice",
        report=lambda done, total, message: None,
        stop=stop,
    )
    token = running.set(run)
    yield stop.set
    running.reset(token)
