"""Copying a PostgreSQL database: the client found or asked for, the dump read back."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from aegis_web.audit.models import SYSTEM
from aegis_web.backups import actions, postgres
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Stopped, Watch
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from tests.backups.conftest import stored
from tests.support.applications import MakeApp
from tests.support.databases import Postgres

pytestmark = pytest.mark.postgresql


@pytest.fixture
def pg_app(make_app: MakeApp, pg_url: str) -> Flask:
    return make_app(DATABASE_URL=pg_url)


@pytest.fixture
def pg_dir(pg_app: Flask) -> Path:
    settings: Settings = pg_app.extensions["aegis.settings"]
    return settings.backup_dir


@pytest.fixture
def no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder is all there is to look for programs in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(postgres, "USUAL_FOLDERS", ())
    return folder


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def add_client(folder: Path, version: str, dump: str = "exit 1") -> None:
    say = f'[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit 0'
    add_program(folder, "pg_dump", f"{say}\n{dump}")
    add_program(folder, "pg_restore", "exit 1")


def files(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


@pytest.mark.usefixtures("postgres_client")
def test_it_makes_a_dump_that_restores_with_the_same_rows(
    pg_app: Flask, pg_dir: Path, pg_url: str, postgres: Postgres, empty_pg_url: str
) -> None:
    with psycopg.connect(pg_url) as connection:
        insert = "INSERT INTO audit (at, actor, action, subject) VALUES (1, %s, 'x', 'x')"
        actors = ["a\tb", "line\nbreak", "\\.", "ünï🎈"]
        connection.cursor().executemany(insert, [(actor,) for actor in actors])
    with pg_app.app_context():
        backup = back_up(SYSTEM)
    file = pg_dir / backup.file_name
    restore = [postgres.bin / "pg_restore", "--dbname", empty_pg_url, "--no-owner", file]
    subprocess.run(restore, check=True)
    with psycopg.connect(empty_pg_url) as connection:
        found = connection.execute("SELECT actor FROM audit ORDER BY id").fetchall()
        assert [actor for (actor,) in found] == actors
    assert file.stat().st_mode & 0o777 == 0o600
    assert (stored(pg_app)[0].database, file.suffix) == (backup.database, ".dump")
    assert backup.database.startswith("PostgreSQL 1")


@pytest.mark.usefixtures("postgres_client")
def test_it_sees_one_instant_under_writers(pg_app: Flask, pg_dir: Path, pg_url: str) -> None:
    written: list[str] = []

    def write(done: float, total: float | None, message: str) -> None:
        written.append(message)
        with psycopg.connect(pg_url) as connection:
            connection.execute(
                "INSERT INTO audit (at, actor, action, subject) VALUES (1, 'x', 'x', 'x')"
            )

    with pg_app.app_context():
        back_up(SYSTEM, watch=Watch(report=write, asked_to_stop=lambda: False))
    assert "bytes written" in written  # while pg_dump ran; the copy was found equal all the same


@pytest.mark.usefixtures("postgres_client")
def test_a_stop_ends_pg_dump_and_leaves_nothing(pg_app: Flask, pg_dir: Path) -> None:
    watch = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: True)
    with pg_app.app_context(), pytest.raises(Stopped):
        back_up(SYSTEM, watch=watch)
    assert files(pg_dir) == []


@pytest.mark.usefixtures("postgres_client")
@pytest.mark.parametrize("kept_bytes", [0, 100, 20_000])
def test_a_dump_cut_short_is_refused(
    pg_app: Flask, pg_dir: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    checked = postgres.check

    def cut_first(target: actions.FileIO, *rest: object) -> None:
        target.truncate(kept_bytes)
        checked(target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(actions.postgres, "check", cut_first)
    with pg_app.app_context(), pytest.raises(AegisError, match="not kept"):
        back_up(SYSTEM)
    assert files(pg_dir) == []
    assert stored(pg_app) == []


def test_without_pg_dump_it_says_what_to_install(
    pg_app: Flask, pg_dir: Path, no_client: Path
) -> None:
    with pg_app.app_context(), pytest.raises(AegisError) as caught:
        back_up(SYSTEM)
    assert "no pg_dump is installed here" in str(caught.value)
    assert "apt-get install postgresql-client-" in str(caught.value)
    assert files(pg_dir) == []


def test_a_pg_dump_older_than_the_server_is_named_with_both_versions(
    pg_app: Flask, no_client: Path, postgres: Postgres
) -> None:
    add_client(no_client, "9.6.24")
    with psycopg.connect(postgres.url("postgres")) as connection:
        server = str(connection.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]
    with pg_app.app_context(), pytest.raises(AegisError) as caught:
        back_up(SYSTEM)
    assert "pg_dump 9.6 in " in str(caught.value)
    assert f"PostgreSQL {server.split()[0]}" in str(caught.value)
    assert f"postgresql-client-{server.split('.')[0]}" in str(caught.value)


def test_the_newest_of_several_clients_is_taken(
    no_client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in {"15": "15.4", "17": "17.1", "9.6": "9.6.2"}.items():
        folder = tmp_path / "usual" / name / "bin"
        folder.mkdir(parents=True)
        add_client(folder, version)
    broken = tmp_path / "usual" / "99" / "bin"
    broken.mkdir(parents=True)
    add_client(broken, "99.0")
    (broken / "pg_restore").unlink()
    add_client(no_client, "16.2")
    monkeypatch.setattr(postgres, "USUAL_FOLDERS", (f"{tmp_path}/usual/*/bin",))
    client = postgres.newest_client()
    assert client == postgres.Client(tmp_path / "usual" / "17" / "bin", (17, 1))


def test_what_pg_dump_complains_about_is_said(pg_app: Flask, pg_dir: Path, no_client: Path) -> None:
    add_client(no_client, "99.1", "echo 'pg_dump: error: out of luck' >&2; exit 1")
    with pg_app.app_context(), pytest.raises(AegisError, match="out of luck"):
        back_up(SYSTEM)
    assert files(pg_dir) == []


def test_the_password_is_never_among_the_arguments() -> None:
    url = make_url("postgresql+psycopg://ann:s3cret%40@db.example:5433/shop?sslmode=require")
    address = postgres.address_of(url)
    assert "s3cret" not in address
    assert {"host=db.example", "port=5433", "user=ann", "dbname=shop"} <= set(address.split())
    assert "sslmode=require" in address
    assert postgres.environment(url.password)["PGPASSWORD"] == "s3cret@"


def test_the_child_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/root.crt")
    known = postgres.environment(None)
    assert "SECRET_KEY" not in known
    assert "PGPASSWORD" not in known
    assert known["PGSSLROOTCERT"] == "/etc/root.crt"
