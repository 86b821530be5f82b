"""What a dump of PostgreSQL holds, found out by reading all of it."""

import re
import subprocess
from collections.abc import Iterable
from io import FileIO
from tempfile import TemporaryFile

from aegis_web.backups.copies import REVISIONS, Snapshot, Watch
from aegis_web.errors import AegisError

COPY = re.compile(rb"COPY (\S+) \(.*\) FROM stdin;\n")
END = b"\\.\n"
WATCHED_LINES = 50_000  # between two looks whether to stop


def read_archive(pg_restore: str, archive: FileIO, wanted: Snapshot, watch: Watch) -> Snapshot:
    """The rows of each table in `archive`, and the schema's revision.

    Lists its contents first, then unpacks all its data: a dump that was cut short or damaged
    passes neither.
    Raises: AegisError when it cannot be read; Stopped.
    """
    listed = b"".join(unpacked([pg_restore, "--list"], archive)).decode(errors="replace")
    for name in wanted.rows:
        if f" TABLE DATA {name.replace('.', ' ', 1)} " not in listed:
            raise AegisError(f"the copy lacks the data of table {name}, so it is not kept")
    rows: dict[str, int] = {}
    table: str | None = None
    revision: str | None = None
    lines = unpacked([pg_restore, "--data-only", "--file=-"], archive)
    for number, line in enumerate(lines):
        if number % WATCHED_LINES == 0:
            watch.step(number, None, "rows of the copy checked")
        if table is None:
            if opened := COPY.fullmatch(line):
                table = opened[1].decode().replace('"', "")
                rows[table] = 0
        elif line == END:
            table = None
        else:
            rows[table] += 1
            if table.endswith(f".{REVISIONS}"):
                revision = line.decode().strip()
    return Snapshot(wanted.database, revision, rows)


def unpacked(arguments: list[str], archive: FileIO) -> Iterable[bytes]:
    """The lines that pg_restore makes of `archive`.

    Raises: AegisError with what it said, when it fails.
    """
    archive.seek(0)
    with TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            arguments, stdin=archive, stdout=subprocess.PIPE, stderr=said, env={"LC_ALL": "C"}
        )
        assert process.stdout is not None
        try:
            with process.stdout as lines:
                yield from lines
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(said.read(2000).decode(errors="replace").split())
            raise AegisError(f"the copy cannot be read back, so it is not kept: {words}")
