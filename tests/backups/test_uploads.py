"""Backups from elsewhere: kept when their rows are ours, refused with one sentence otherwise."""

import gzip
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from flask import Flask
from sqlalchemy import text

from aegis_web.backups import packing, rebuild
from aegis_web.backups.actions import back_up
from aegis_web.backups.copies import Unusable
from aegis_web.backups.models import UPLOADED, Backup
from aegis_web.backups.restoring import restore
from aegis_web.backups.uploads import take_in
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.extensions import transaction
from aegis_web.keys import new_identity
from tests.backups.conftest import stored
from tests.backups.test_restore import ALICE, add_job, app, jobs_of, settle_until, unexplained
from tests.support.applications import MakeApp, make_admin

__all__ = ["app"]  # on SQLite and PostgreSQL

Change = Callable[[sqlite3.Connection], object]


def plain_copy(app: Flask, tmp_path: Path) -> Path:
    """A backup of the database, unpacked beside."""
    with app.app_context():
        name = back_up(ALICE).file_name
    settings: Settings = app.extensions["aegis.settings"]
    target = tmp_path / "plain"
    with (settings.backup_dir / name).open("rb") as file, target.open("wb") as made:
        zstandard.ZstdDecompressor().copy_stream(file, made)
    return target


def brought(app: Flask, file: Path) -> Backup:
    with app.app_context(), file.open("rb") as source:
        return take_in(source, ALICE, made_at=None)


def test_a_file_from_elsewhere_becomes_a_backup_and_comes_back(app: Flask, tmp_path: Path) -> None:
    settle_until(app, add_job(app, "kept"), 2)
    file = plain_copy(app, tmp_path)
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE jobs SET name = 'another'"))

    made = brought(app, file)

    (_, row) = stored(app)
    assert (row.origin, row.proven_at is not None, row.id) == (UPLOADED, True, made.id)
    with app.app_context():
        restore(made.id, ALICE)
    assert list(jobs_of(app)) == ["kept"]
    assert unexplained(app) == {"kept": 0}


@pytest.fixture
def one(make_app: MakeApp, sqlite_database: str) -> Flask:
    app = make_app(DATABASE_URL=sqlite_database)
    with app.app_context():
        make_admin()
    add_job(app, "kept")
    return app


EVIL = (
    "CREATE TRIGGER steal AFTER INSERT ON jobs BEGIN DELETE FROM accounts; END",
    "CREATE TRIGGER late BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'never'); END",
    "CREATE VIEW everything AS SELECT * FROM accounts",
    "CREATE TABLE virus (x); CREATE VIRTUAL TABLE words USING fts5(x)",
)
VALUES = {  # that fit the tables of both databases, and that no release writes
    "JSON of another shape": ("UPDATE jobs SET tags = '5'", "a value in tags"),
    "a tag that is no text": ("UPDATE jobs SET tags = '[{}]'", "a value in tags"),
    "arguments without names": ("UPDATE jobs SET arguments = '[1]'", "a value in arguments"),
    "JSON too deep to be read": (
        "UPDATE jobs SET arguments = '" + '{"a":' * 500 + "1" + "}" * 500 + "'",
        "a value in arguments",
    ),
    "a number too long to be read": (
        "UPDATE jobs SET arguments = '{\"a\":" + "9" * 6_000 + "}'",
        "a value in arguments",
    ),
    "a number beyond all": (
        """UPDATE jobs SET arguments = '{"a":1e999}'""",
        "a value in arguments",
    ),
    "a note about no jobs": (
        "INSERT INTO acknowledgements VALUES ('x', '5', '', 1, 'x', NULL)",
        "acknowledgements has a value in jobs",
    ),
    "a calendar of no periods": (
        "INSERT INTO calendars (name, zone, periods, revision) VALUES ('x', 'UTC', '[1]', 1)",
        "calendars has a value in periods",
    ),
    "half a sign": ("""UPDATE jobs SET arguments = '{"a":"\\ud800"}'""", "a value in arguments"),
    "a choice that there is not": ("UPDATE jobs SET overlap = 'perhaps'", "a value in overlap"),
    "a state of runs that there is not": (
        "INSERT INTO run_counts SELECT id, 1, 42, 1 FROM jobs",
        "table run_counts has a value in status",
    ),
    "a name that fills a page": (
        f"UPDATE jobs SET name = '{'x' * 2000}'",
        "a value in name",
    ),
    "an instant that no clock shows": (
        f"UPDATE jobs SET updated_at = {2**62}",
        "a value in updated_at",
    ),
}  # fmt: skip
STRANGE = {
    "a view in place of a table": (
        "ALTER TABLE groups RENAME TO g; CREATE VIEW groups AS SELECT * FROM g",
        "no table groups",
    ),
    "a virtual table": (
        "DROP TABLE groups; CREATE VIRTUAL TABLE groups USING fts5(name, max_running)",
        "no table groups",
    ),
    "a table less": ("DROP TABLE saved_views", "no table saved_views"),
    "a column less": ("ALTER TABLE jobs DROP COLUMN description", "no column description"),
    "a computed column": (
        "ALTER TABLE groups ADD COLUMN more AS (zeroblob(1000000000))",
        "computed columns",
    ),
    "no revision": ("DELETE FROM alembic_version", "nothing of its schema"),
    "no table of it": ("DROP TABLE alembic_version", "no table alembic_version"),
    "a newer release": ("UPDATE alembic_version SET version_num = '9999'", "newer release"),
    "text for a number": ("UPDATE jobs SET revision = 'many'", "a value in revision"),
    "no JSON": ("UPDATE jobs SET trigger = 'daily'", "a value in trigger"),
    **VALUES,
}  # fmt: skip


def test_what_else_a_file_holds_is_left_out(one: Flask, tmp_path: Path) -> None:
    file = plain_copy(one, tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(";".join(EVIL))
    made = brought(one, file)
    settings: Settings = one.extensions["aegis.settings"]
    clean = tmp_path / "clean"
    with (settings.backup_dir / made.file_name).open("rb") as packed, clean.open("wb") as target:
        zstandard.ZstdDecompressor().copy_stream(packed, target)
    with closing(sqlite3.connect(clean)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert connection.execute("SELECT name FROM jobs").fetchall() == [("kept",)]
    assert names.isdisjoint({"steal", "late", "everything", "virus", "words"})


def test_a_strange_database_is_refused(one: Flask, tmp_path: Path) -> None:
    file = plain_copy(one, tmp_path)
    migrations = Path(one.root_path) / "migrations"
    for number, (script, problem) in enumerate(STRANGE.values()):
        strange = tmp_path / f"strange-{number}"
        shutil.copyfile(file, strange)
        with closing(sqlite3.connect(strange)) as connection:
            connection.executescript(script)
        with pytest.raises(Unusable, match=problem):
            rebuild.rebuild(strange, tmp_path / f"made-{number}", migrations)


def test_rows_that_belong_nowhere_are_refused(one: Flask, tmp_path: Path) -> None:
    file = plain_copy(one, tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("UPDATE job_versions SET job_id = 99")
    refused(one, file.read_bytes(), "refers to one of jobs")


def refused(app: Flask, data: bytes, problem: str, error: type[AegisError] = Unusable) -> None:
    """Nothing of `data` is kept, and one sentence says why."""
    settings: Settings = app.extensions["aegis.settings"]
    before = stored(app)
    given = settings.data_dir / "given"
    given.write_bytes(data)
    with (
        app.app_context(),
        given.open("rb") as source,
        pytest.raises(error, match=problem) as caught,
    ):
        take_in(source, ALICE, made_at=None)
    assert "\n" not in str(caught.value)
    assert len(stored(app)) == len(before)
    assert not list(settings.backup_dir.glob("*.partial*"))


FOREIGN = {
    "nothing": (b"", "it is empty"),
    "text": (b"hello\n" * 99, "neither a SQLite database nor a copy"),
    "another packer": (gzip.compress(b"hello"), "neither a SQLite database nor a copy"),
    "a head alone": (b"SQLite format 3\x00", "damaged"),
    "noise after a head": (b"SQLite format 3\x00" + bytes(range(256)) * 64, "damaged"),
    "an archive": (b"PGDMP" + bytes(200), "PostgreSQL"),
    "a shell's": (
        b"-- PostgreSQL database dump\n\\! touch /tmp/owned\nCOPY jobs (id) FROM stdin;\n\\.\n",
        "neither a SQLite database nor a copy",
    ),
    "sealed": (b"age-encryption.org/v1\n-> X25519 x\n", "AEGIS_BACKUP_KEYS is not set"),
}


def test_a_foreign_file_is_refused(one: Flask) -> None:
    for data, problem in FOREIGN.values():
        refused(one, data, problem)


def test_a_cut_and_a_flipped_file_are_refused(one: Flask, tmp_path: Path) -> None:
    plain = plain_copy(one, tmp_path).read_bytes()
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
    refused(one, packed[:-9], "damaged")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 1
    refused(one, bytes(flipped), "damaged")
    refused(one, plain[: len(plain) // 2], "damaged")


def test_a_bomb_fills_no_disk(one: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=64 * 1024 * 1024 + 1_000_000)
    monkeypatch.setattr("aegis_web.backups.proving.disk_usage", lambda _: usage)
    refused(one, bomb(64), "more than 1,000,000 bytes", AegisError)


def test_a_bomb_is_unpacked_no_further_than_a_backup_could_be(one: Flask) -> None:
    refused(one, bomb(80), "no backup shrinks that far")


def bomb(megabytes: int) -> bytes:
    """Many nothings, packed."""
    packed = BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as writer:
        for _ in range(megabytes):
            writer.write(bytes(1_000_000))
    return packed.getvalue()


def test_a_file_that_costs_too_much_is_given_up(
    one: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index on what only takes time: the checks of such a file would last for years."""
    file = plain_copy(one, tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            """
            CREATE TABLE slow (x);
            CREATE INDEX waits ON slow (length(hex(zeroblob(x))));
            INSERT INTO slow VALUES (0);
            PRAGMA writable_schema=ON;
            UPDATE sqlite_schema SET sql = replace(sql, 'zeroblob(x)', 'zeroblob(999999999)')
            WHERE name = 'waits';
            """
        )
    refused(one, file.read_bytes(), "damaged|could not be read within the limits")


def test_a_header_of_age_that_is_too_long_costs_no_time(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_BACKUP_KEYS=new_identity())
    with app.app_context():
        make_admin()
    endless = packing.AGE + b"-> X25519 AAAA\nAAAA\n" * 1_000
    refused(app, endless, "its header is too long")
    refused(app, packing.AGE + b"-> X25519 AAAA\n", "it was cut short")
