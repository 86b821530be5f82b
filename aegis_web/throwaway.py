"""The database of the scheduler-only composition: a SQLite file that nobody finds afterwards.

It lies in a private temporary folder that its process removes at exit. A killed process cannot,
so each start removes the folders whose process is gone: their lock is free.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

NAME = "aegis-web-throwaway-"
LOCK = "lock"


def throwaway_database() -> str:
    """The SQLAlchemy URL of a new, empty database that ends with this process."""
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=NAME))  # mode 0700
    owner = os.getpid()
    lock = os.open(folder / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held until the process ends, however it ends
    (folder / "new").rename(folder / LOCK)  # so that nobody finds a lock which is not yet held

    def remove() -> None:
        if os.getpid() == owner:  # a forked child inherits this, and must leave the folder alone
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return f"sqlite:///{folder / 'aegis.db'}"


def remove_abandoned() -> None:
    """Remove the folders that killed processes of this user left behind."""
    for folder in Path(tempfile.gettempdir()).glob(NAME + "*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with open(folder / LOCK, "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another start holds it, made it just now, or removed it first
            continue
