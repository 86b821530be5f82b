"""Copying a PostgreSQL database: the client found or asked for, the dump read back."""

import hashlib
import subprocess
from pathlib import Path

import psycopg
import pytest
import zstandard
from flask import Flask
from sqlalchemy import make_url

from aegis_web.audit.models import SYSTEM
from aegis_web.backups import postgres
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Stopped, Unusable, Watch
from aegis_web.backups.models import Backup
from aegis_web.backups.proving import prove
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.extensions import transaction
from tests.backups.conftest import plain, stored
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
    pg_app: Flask,
    pg_dir: Path,
    pg_url: str,
    postgres: Postgres,
    empty_pg_url: str,
    tmp_path: Path,
) -> None:
    with psycopg.connect(pg_url) as connection:
        insert = "INSERT INTO audit (at, actor, action, subject) VALUES (1, %s, 'x', 'x')"
        actors = ["a\tb", "line\nbreak", "\\.", "ünï🎈"]
        connection.cursor().executemany(insert, [(actor,) for actor in actors])
    with pg_app.app_context():
        backup = back_up(SYSTEM)
    packed = pg_dir / backup.file_name
    file = plain(packed, tmp_path / "plain")
    restore = [postgres.bin / "pg_restore", "--dbname", empty_pg_url, "--no-owner", file]
    subprocess.run(restore, check=True)
    with psycopg.connect(empty_pg_url) as connection:
        found = connection.execute("SELECT actor FROM audit ORDER BY id").fetchall()
        assert [actor for (actor,) in found] == actors
    assert packed.stat().st_mode & 0o777 == 0o600
    assert stored(pg_app)[0].database == backup.database
    assert packed.name.endswith(".dump.zst")
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
        backup = back_up(SYSTEM, watch=Watch(report=write, asked_to_stop=lambda: False))
        assert "bytes packed" in written  # while pg_dump ran
        prove(backup.id, SYSTEM)


@pytest.mark.usefixtures("postgres_client")
def test_a_stop_ends_pg_dump_and_leaves_nothing(pg_app: Flask, pg_dir: Path) -> None:
    watch = Watch(report=lambda done, total, message: None, asked_to_stop=lambda: True)
    with pg_app.app_context(), pytest.raises(Stopped):
        back_up(SYSTEM, watch=watch)
    assert files(pg_dir) == []


@pytest.mark.usefixtures("postgres_client")
def test_a_dump_cut_short_is_found(pg_app: Flask, pg_dir: Path) -> None:
    with pg_app.app_context():
        backup = back_up(SYSTEM)
    file = pg_dir / backup.file_name
    content = zstandard.decompress(file.read_bytes(), max_output_size=10**7)
    for kept_bytes in (0, 100, 20_000):
        packed = zstandard.compress(content[:kept_bytes])
        file.write_bytes(packed)
        with pg_app.app_context(), transaction() as session:
            row = session.get_one(Backup, backup.id)
            row.sha256 = hashlib.sha256(packed).hexdigest()
        with pg_app.app_context(), pytest.raises(Unusable, match=r"take another|cannot read"):
            prove(backup.id, SYSTEM)
        assert stored(pg_app)[0].proof_error


def test_a_pg_dump_that_cannot_be_used_is_named_with_the_cure(
    pg_app: Flask, no_client: Path, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(postgres.url("postgres")) as connection:
        server = str(connection.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]
    with pg_app.app_context():
        back_up(SYSTEM)
    assert "no pg_dump is installed here" in caplog.text
    assert f"apt-get install postgresql-client-{server.split('.')[0]}" in caplog.text
    add_client(no_client, "9.6.24")
    with pg_app.app_context():
        back_up(SYSTEM)
    assert "pg_dump 9.6 in " in caplog.text
    assert f"PostgreSQL {server.split()[0]}" in caplog.text


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
    assert postgres.environment(postgres.password_of(url))["PGPASSWORD"] == "s3cret@"
    url = make_url("postgresql+psycopg:///shop?host=/run/postgresql&user=ann&password=s3cret%40")
    address = postgres.address_of(url)
    assert "s3cret" not in address
    assert {"host=/run/postgresql", "user=ann", "dbname=shop"} <= set(address.split())
    assert postgres.password_of(url) == "s3cret@"


def test_the_password_of_a_clients_key_is_never_among_the_arguments() -> None:
    url = make_url("postgresql+psycopg://ann@db.example/shop?sslkey=/k.pem&sslpassword=s3cret%40")
    address = postgres.address_of(url)
    assert "s3cret" not in address
    assert {"sslkey=/k.pem", f"service={postgres.SERVICE}"} <= set(address.split())
    with postgres.service_file(url) as service:
        file = Path(service["PGSERVICEFILE"])
        assert file.read_text() == f"[{postgres.SERVICE}]\nsslpassword=s3cret@\n"
        assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()


@pytest.mark.usefixtures("postgres_client")
def test_pg_dump_reads_the_password_of_a_clients_key(make_app: MakeApp, pg_url: str) -> None:
    """The real libpq: it ends with an error where the file or its section is missing."""
    app = make_app(DATABASE_URL=f"{pg_url}&sslpassword=s3cret")
    with app.app_context():
        assert back_up(SYSTEM).file_name.endswith(".dump.zst")


def test_the_child_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/root.crt")
    known = postgres.environment(None)
    assert "SECRET_KEY" not in known
    assert "PGPASSWORD" not in known
    assert known["PGSSLROOTCERT"] == "/etc/root.crt"
