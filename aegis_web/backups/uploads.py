"""Backups from elsewhere: what somebody uploads, or names on the command line.

Such a file is read once, with distrust, and kept as a backup of our own making.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from time import monotonic

from flask import current_app

from aegis_web.audit.models import Actor
from aegis_web.backups import archive, postgres, rebuild, sqlite
from aegis_web.backups.actions import Began, Copy, require_kept_database, store, writing_to
from aegis_web.backups.copies import UNWATCHED, Unusable, Watch
from aegis_web.backups.folder import MANIFEST, NAME, Folder, Partial, made_at_of
from aegis_web.backups.jobs_text import LOOKED_AT, jobs_as_text, require_no_text
from aegis_web.backups.models import UPLOADED, Backup
from aegis_web.backups.postgres import Chunks
from aegis_web.backups.proving import COMPARED, is_sqlite, prove, restored, unpacked
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.language import N_, _

UNPACKED = N_("The file is unpacked")
READ = N_("Its rows are read and checked")
PACKED = N_("They are packed as a backup")
LOOK_SECONDS = 0.2  # between two looks at the process that rebuilds


def take_in(
    source: BufferedReader, actor: Actor, watch: Watch = UNWATCHED, *, made_at: datetime | None
) -> Backup:
    """Keep a file from elsewhere as a backup, packed and proven like any other.

    It is of `made_at`; None: nobody knows, and it counts as made now.
    Raises: Unusable when it is none; AegisError when it cannot be kept; Stopped.
    """
    config = settings()
    require_kept_database(config)
    watch.begin(UNPACKED)
    now = utc_now()
    began = Began(now, monotonic(), made_at if made_at and made_at < now else None)
    with (
        writing_to(config.backup_dir) as folder,
        unpacked(folder, source, None, watch) as plain,
        as_own(folder, plain, watch) as copy,
    ):
        watch.begin(PACKED)
        made = store(folder, copy, actor, began, watch, None, None, UPLOADED)
    watch.begin(COMPARED)
    prove(made.id, actor, watch)
    return made


def instant_of(name: str) -> datetime | None:
    """When the backup was made whose file has that name; None: the name does not tell."""
    return made_at_of(name) if NAME.fullmatch(name) else None


def instant_beside(file: Path) -> datetime | None:
    """When a backup was made, by the manifest beside it, else by its name; None: neither tells."""
    try:
        found = json.loads(file.with_name(file.name + MANIFEST).read_bytes())
        with file.open("rb") as content:
            if found["sha256"] == hashlib.file_digest(content, "sha256").hexdigest():
                return datetime.fromisoformat(found["made_at"]).astimezone(UTC)
    except (OSError, LookupError, TypeError, ValueError):  # none, or of something else
        pass
    return instant_of(file.name)


@contextmanager
def as_own(folder: Folder, plain: Partial, watch: Watch) -> Iterator[Copy]:
    """The rows of a plain file in a copy that nobody else has made."""
    with plain.read() as file:
        require_no_text(file.read(LOOKED_AT))
    watch.begin(READ)
    if not is_sqlite(plain):
        with plain.read() as file, restored(file, None, watch) as connection:
            archive.require_good_values(connection, watch)
            snapshot = postgres.what_it_holds(connection, postgres.server_of(connection))
            rows = Chunks(postgres.rows_of(connection, snapshot))
            jobs = jobs_as_text(connection, watch)
            yield Copy("copy", snapshot, rows, None, jobs)
        return
    with folder.scratch("sqlite3") as scratch:
        run_rebuild(plain.path, scratch.path, watch)
        snapshot = sqlite.check(scratch.path, None, watch)
        with sqlite.connected(scratch.path) as connection:
            jobs = jobs_as_text(connection, watch)
        with scratch.read() as file:
            yield Copy("sqlite3", snapshot, file, scratch.path.stat().st_size, jobs)


def run_rebuild(source: Path, target: Path, watch: Watch) -> None:
    """Rebuild a SQLite file in a process of its own.

    Raises: Unusable; Stopped.
    """
    folder = current_app.extensions["migrate"].directory
    arguments = [sys.executable, "-m", rebuild.__name__, str(source), str(target), folder]
    env = {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path(current_app.root_path)),
    }  # none of our secrets
    with subprocess.Popen(  # noqa: S603
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env, text=True
    ) as process:
        try:
            while True:
                try:
                    said, _unused = process.communicate(timeout=LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    watch.step(0, None, "rows read and checked")
        finally:
            process.kill()
    if process.returncode == rebuild.REFUSED:
        raise Unusable(said.strip())
    if process.returncode != 0:
        text = _(
            "It could not be read within the limits of memory, time and size that a backup of that "
            "size needs, so it is none: take another."
        )
        raise Unusable(text)
