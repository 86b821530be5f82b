"""How PostgreSQL is copied: `pg_dump -Fc` over a snapshot that this process exports and counts.

The password travels in the child's environment, never among its arguments, which other users of
the machine can read.
"""

import glob
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from aegis_web.backups.archive import read_archive
from aegis_web.backups.copies import REVISIONS, Snapshot, Watch, own_tables, require_same
from aegis_web.errors import AegisError

USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian and Ubuntu
    "/app/.apt/usr/lib/postgresql/*/bin",  # the same on Heroku, by its apt buildpack
    "/usr/pgsql-*/bin",  # Red Hat
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/libpq/bin",
)
LOOK_SECONDS = 0.2  # between two looks at a running pg_dump
LOCK_WAIT = "60s"  # how long pg_dump waits for a table that somebody is changing
KEPT_VARIABLES = ("PATH", "HOME", "TZ", "SYSTEMROOT", "TMPDIR")
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
HOW_TO_INSTALL = (
    "Install it where the jobs run: on Debian and Ubuntu `apt-get install postgresql-client-{0}`, "
    "on Heroku the same package by the apt buildpack"
)


@dataclass(frozen=True)
class Client:
    """pg_dump and pg_restore of one version."""

    folder: Path
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"pg_dump {'.'.join(map(str, self.version))} in {self.folder}"

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / name)


@dataclass(frozen=True)
class Server:
    """What is known of a server before it is copied."""

    version: str  # "16.4"
    major: int


def copy(engine: Engine, target: FileIO, watch: Watch) -> Snapshot:
    """Write a dump of the database of `engine` to the empty file `target`; what it holds.

    Raises: AegisError when pg_dump is missing, too old or fails; Stopped.
    """
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        server = server_of(connection)
        client = fitting_client(server)
        exported = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        snapshot = read_snapshot(connection, server)
        arguments = [
            client.program("pg_dump"),
            "--format=custom",
            "--no-password",
            f"--snapshot={exported}",
            f"--lock-wait-timeout={LOCK_WAIT}",
            f"--dbname={address_of(engine.url)}",
        ]
        run(arguments, environment(engine.url.password), target, watch)
    return snapshot


def check(target: FileIO, wanted: Snapshot, watch: Watch) -> None:
    """Refuse the dump `target` unless all of it can be read and holds what `wanted` says.

    Raises: AegisError; Stopped.
    """
    client = newest_client()
    if client is None:
        raise AegisError("pg_restore has gone while the copy was made: install it again")
    require_same(wanted, read_archive(client.program("pg_restore"), target, wanted, watch))


def server_of(connection: Connection) -> Server:
    """Which server answers."""
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    return Server(f"{number // 10000}.{number % 10000}", number // 10000)


def read_snapshot(connection: Connection, server: Server) -> Snapshot:
    """What the connection's transaction sees; the tables with their schema, as dumps name them."""
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    there = set(inspect(connection).get_table_names())
    counts = {
        f"{schema}.{name}": connection.execute(
            text(f'SELECT count(*) FROM "{name}"')  # noqa: S608
        ).scalar_one()
        for name in own_tables()
        if name in there
    }
    revision = None
    if REVISIONS in there:
        select = text(f"SELECT version_num FROM {REVISIONS}")  # noqa: S608
        revision = connection.execute(select).scalar_one_or_none()
    return Snapshot(f"PostgreSQL {server.version}", revision, counts)


def fitting_client(server: Server) -> Client:
    """The newest client, if it can copy `server`.

    Raises: AegisError naming both versions and the cure.
    """
    client = newest_client()
    install = HOW_TO_INSTALL.format(server.major)
    if client is None:
        raise AegisError(
            f"PostgreSQL {server.version} is copied by pg_dump {server.major} or newer, and no "
            f"pg_dump is installed here. {install}."
        )
    if client.version[0] < server.major:
        raise AegisError(
            f"{client} is older than the server, PostgreSQL {server.version}, and cannot copy it: "
            f"pg_dump {server.major} or newer is needed. {install}."
        )
    return client


def newest_client() -> Client | None:
    """The newest pg_dump with its pg_restore, on the PATH or where distributions put them."""
    usual = [found for pattern in USUAL_FOLDERS for found in glob.glob(pattern)]
    folders = dict.fromkeys(Path(folder) for folder in (*os.get_exec_path(), *usual))
    clients = [
        Client(folder, version) for folder in folders if (version := version_in(folder)) is not None
    ]
    return max(clients, key=lambda client: client.version, default=None)


def version_in(folder: Path) -> tuple[int, int] | None:
    """The version of the pg_dump in `folder`; None where it or pg_restore cannot be run."""
    if not all(os.access(folder / name, os.X_OK) for name in ("pg_dump", "pg_restore")):
        return None
    try:
        said = subprocess.run(  # noqa: S603
            [folder / "pg_dump", "--version"],
            capture_output=True,
            timeout=10,
            env=environment(None),
            check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = VERSION.search(said)
    return (int(found[1]), int(found[2] or 0)) if found else None


def address_of(url: URL) -> str:
    """The server and database of `url` in libpq's words, without the password."""
    words = url.translate_connect_args(database="dbname", username="user")
    words.pop("password", None)
    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    return make_conninfo("", **{**words, **options, "connect_timeout": "10"})


def environment(password: str | None) -> dict[str, str]:
    """What PostgreSQL's programs may know of this process's environment: none of our secrets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith("PG")
    }
    return {**kept, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


def run(arguments: Sequence[str], env: dict[str, str], target: FileIO, watch: Watch) -> None:
    """Run pg_dump with `target` as its output; it ends when it is no longer wanted.

    Raises: AegisError with what it said; Stopped.
    """
    with TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            arguments, stdin=subprocess.DEVNULL, stdout=target, stderr=said, env=env
        )
        try:
            while process.poll() is None:
                watch.step(os.fstat(target.fileno()).st_size, None, "bytes written")
                try:
                    process.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(said.read(2000).decode(errors="replace").split())
            raise AegisError(f"pg_dump failed ({process.returncode}): {words or 'it said nothing'}")
