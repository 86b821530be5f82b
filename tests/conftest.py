"""What all tests share: see tests/support for each fixture."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4_000_000_000

if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    folder = MEMORY / f"aegis-tests-{os.getuid()}"  # databases of tests need no disk
    folder.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL's own user goes through it
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None

if "XDG_RUNTIME_DIR" not in os.environ:  # the PostgreSQL of the tests keeps a lock file there
    runtime = Path(tempfile.gettempdir()) / f"aegis-tests-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)

pytest_plugins = [
    "tests.support.essential",
    "tests.support.order",
    "tests.support.environment",
    "tests.support.databases",
    "tests.support.applications",
    "tests.support.clocks",
    "tests.support.servers",
    "tests.support.browsers",
    "tests.support.mails",
    "tests.support.providers",
]
