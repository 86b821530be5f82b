"""How PostgreSQL is copied: `pg_dump -Fc` over a snapshot that this process exports and counts.

The password travels in the child's environment, and that of a client's key in a file of this user,
never among the arguments, which other users of the machine can read.
"""

import glob
import logging
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from select import POLLIN, poll
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, Any, cast

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from aegis_web.backups.copies import REVISIONS, Snapshot, Watch, read_snapshot
from aegis_web.backups.packing import READ_BYTES, Reads
from aegis_web.database import Model
from aegis_web.errors import AegisError

USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian and Ubuntu
    "/app/.apt/usr/lib/postgresql/*/bin",  # the same on Heroku, by its apt buildpack
    "/usr/pgsql-*/bin",  # Red Hat
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/libpq/bin",
)
COPIED = b"-- Aegis Web: the rows of a PostgreSQL database, a COPY block for each table\n"
COPIED_END = b"-- Aegis Web: that was all\n"
LOOK_SECONDS = 0.2  # between two looks at a running pg_dump
LOCK_WAIT = "60s"  # how long pg_dump waits for a table that somebody is changing
SERVICE = "aegis-web"  # the section of the file that holds the password of a client's key
KEPT_VARIABLES = ("PATH", "HOME", "TZ", "SYSTEMROOT", "TMPDIR")
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
HOW_TO_INSTALL = (
    "Install it where the jobs run: on Debian and Ubuntu `apt-get install postgresql-client-{0}`, "
    "on Heroku the same package by the apt buildpack"
)

log = logging.getLogger(__name__)


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


@contextmanager
def reading(engine: Engine, watch: Watch) -> Iterator[tuple[Connection, Snapshot, str, Reads]]:
    """A copy of the database of `engine` as a stream: what it holds, the file's kind, its bytes.

    First comes the connection whose transaction sees the same. The kind is "dump" by pg_dump;
    where none can be used, "copy": the rows alone, by COPY.
    Raises: AegisError when pg_dump fails; Stopped.
    """
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        server = server_of(connection)
        snapshot = what_it_holds(connection, server)
        try:
            client = fitting_client(server)
        except AegisError as error:
            log.warning("%s Until then the rows alone are copied, without pg_dump.", error)
            by_copy = replace(snapshot, database=f"{snapshot.database}, rows alone")
            yield connection, by_copy, "copy", Chunks(rows_of(connection, snapshot))
            return
        exported = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        arguments = (
            client.program("pg_dump"),
            "--format=custom",
            "--compress=0",  # it is compressed on its way to the file
            "--no-password",
            f"--snapshot={exported}",
            f"--lock-wait-timeout={LOCK_WAIT}",
            f"--dbname={address_of(engine.url)}",
        )
        with (
            service_file(engine.url) as service,
            run(arguments, environment(password_of(engine.url)) | service, watch) as output,
        ):
            yield connection, snapshot, "dump", output


def rows_of(connection: Connection, snapshot: Snapshot) -> Iterator[bytes]:
    """All rows as pg_dump would write them: a COPY block for each table, parents first."""
    yield COPIED
    tables = [table.name for table in Model.metadata.sorted_tables]
    for name in [REVISIONS, *tables]:
        if name not in snapshot.rows:
            continue
        names = [column["name"] for column in inspect(connection).get_columns(name)]
        columns = ", ".join(f'"{column}"' for column in names)
        yield f'COPY "{name}" ({columns}) FROM stdin;\n'.encode()
        with driver(connection).cursor() as cursor:
            query = f'COPY "{name}" ({columns}) TO STDOUT'
            with cursor.copy(query.encode()) as rows:
                yield from map(bytes, rows)
        yield b"\\.\n"
    yield COPIED_END


class Chunks:
    """An iterator of bytes, to be read like a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._left:
            found = next(self._chunks, None)
            if found is None:
                return b""
            self._left = found
        given, self._left = (
            (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        )
        return given


def driver(connection: Connection) -> Any:
    """psycopg's own connection."""
    return connection.connection.driver_connection


def server_of(connection: Connection) -> Server:
    """Which server answers."""
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    return Server(f"{number // 10000}.{number % 10000}", number // 10000)


def what_it_holds(connection: Connection, server: Server) -> Snapshot:
    """What the connection's transaction sees."""
    there = set(inspect(connection).get_table_names())
    return read_snapshot(driver(connection), f"PostgreSQL {server.version}", there)


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
    """The server and database of `url` in libpq's words, without any password."""
    words = url.translate_connect_args(database="dbname", username="user")
    words.pop("password", None)
    options = {
        name: value
        for name, value in url.query.items()
        if isinstance(value, str) and name not in ("password", "sslpassword")
    }
    if isinstance(url.query.get("sslpassword"), str):
        options["service"] = SERVICE
    return make_conninfo("", **{**words, **options, "connect_timeout": "10"})


def password_of(url: URL) -> str | None:
    """The password of `url`, which may stand among its options; None: there is none."""
    return url.password or cast("str | None", url.query.get("password"))


@contextmanager
def service_file(url: URL) -> Iterator[dict[str, str]]:
    """The variable that names a file with the password of the client's key; none without one.

    libpq has no variable for that password itself.
    """
    password = url.query.get("sslpassword")
    if not isinstance(password, str):
        yield {}
        return
    with NamedTemporaryFile("w", encoding="utf-8") as file:  # mode 0600
        file.write(f"[{SERVICE}]\nsslpassword={password}\n")
        file.flush()
        yield {"PGSERVICEFILE": file.name}


def environment(password: str | None) -> dict[str, str]:
    """What PostgreSQL's programs may know of this process's environment: none of our secrets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith("PG")
    }
    return {**kept, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


class Output:
    """What pg_dump writes; whoever waits for it can still be asked to stop."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes], watch: Watch) -> None:
        self._process, self._said, self._watch = process, said, watch

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end, if that is a good one.

        Raises: AegisError with what pg_dump said; Stopped.
        """
        assert self._process.stdout is not None
        pipe, ready = self._process.stdout.fileno(), poll()
        ready.register(pipe, POLLIN)
        while not ready.poll(LOOK_SECONDS * 1000):
            self._watch.step(0, None, "waiting for pg_dump")
        data = os.read(pipe, READ_BYTES if size < 0 else size)
        if not data and (code := self._process.wait()) != 0:
            self._said.seek(0)
            words = " ".join(self._said.read(2000).decode(errors="replace").split())
            raise AegisError(f"pg_dump failed ({code}): {words or 'it said nothing'}")
        return data


@contextmanager
def run(arguments: Sequence[str], env: dict[str, str], watch: Watch) -> Iterator[Output]:
    """A running pg_dump; it ends when it is no longer wanted."""
    with TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=env
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                yield Output(process, said, watch)
        finally:
            process.kill()
            process.wait()
