"""What all tests share: see tests/support for each fixture."""

import os
import tempfile
from pathlib import Path

if "XDG_RUNTIME_DIR" not in os.environ:  # the PostgreSQL of the tests keeps a lock file there
    runtime = Path(tempfile.gettempdir()) / f"aegis-tests-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)

pytest_plugins = [
    "tests.support.essential",
    "tests.support.environment",
    "tests.support.databases",
    "tests.support.applications",
    "tests.support.clocks",
    "tests.support.servers",
    "tests.support.browsers",
]
