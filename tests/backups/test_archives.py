"""Copies of PostgreSQL that are not what they seem: each refused in one sentence."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
import zstandard
from flask import Flask
from sqlalchemy import text

from aegis_web.backups import archive
from aegis_web.backups.copies import Unusable
from aegis_web.backups.models import Backup
from aegis_web.backups.postgres import COPIED, COPIED_END
from aegis_web.backups.restoring import restore
from aegis_web.config import Settings
from aegis_web.extensions import db, transaction
from aegis_web.jobs.models import JobState
from tests.backups.conftest import plain, stored
from tests.backups.test_restore import ALICE, add_job, app, backed_up, jobs_of
from tests.backups.test_uploads import brought, refused
from tests.support.databases import Postgres

__all__ = ["app"]

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("machine", ["postgresql"], indirect=True),
]

SCRATCH = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'aegis_scratch%'"
STRANGE = re.escape(archive.STRANGE)


def file_of(app: Flask, backup: Backup) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir / backup.file_name


@pytest.fixture
def rows(app: Flask, tmp_path: Path) -> bytes:
    """What a copy without pg_dump holds: a job, and whatever else is in the database."""
    add_job(app, "kept")
    backed_up(app)
    made = brought(app, file_of(app, stored(app)[0]))
    assert made.file_name.endswith(".copy.zst")
    found = plain(file_of(app, made), tmp_path / "rows").read_bytes()
    assert found.startswith(COPIED)
    return found


def without(rows: bytes, table: str) -> bytes:
    block = rb'COPY "' + table.encode() + rb'" .*?\n\\\.\n'
    changed, count = re.subn(block, b"", rows, count=1, flags=re.DOTALL)
    assert count == 1
    return changed


def changed(rows: bytes, was: bytes, becomes: bytes) -> bytes:
    assert was in rows
    return rows.replace(was, becomes)


def strange_copies(rows: bytes) -> dict[str, tuple[bytes, str]]:
    """By what is wrong with it: a file, and what is said of it."""
    found = re.search(rb'COPY "alembic_version" .*\n.+\n', rows)
    assert found
    schema = found[0]
    return {
        "no text in a row": (changed(rows, b"\tkept\t", b"\tk\xffpt\t"), "do not fit the tables"),
        "no text as a name": (changed(rows, b'COPY "jobs"', b'COPY "j\xffbs"'), STRANGE),
        "no text as a column": (changed(rows, b'"priority",', b'"prior\xffty",'), STRANGE),
        "no text as its schema": (changed(rows, schema, schema[:-2] + b"\xff\n"), STRANGE),
        "a table less": (without(rows, "saved_views"), "It has no table saved_views"),
        "no schema": (without(rows, "alembic_version"), "says nothing of its schema"),
        "a huge line": (changed(rows, b"\tkept\t", b"\t" + b"k" * 2**25 + b"\t"), STRANGE),
        "a huge name": (changed(rows, b'COPY "jobs"', b"COPY " + b"j" * 2**25), STRANGE),
        "a column more": (changed(rows, b'"priority",', b'"evil",'), "a column evil"),
        "a value less": (changed(rows, b"\tkept\t", b"\t"), "do not fit the tables"),
        "a newer schema": (changed(rows, schema, schema[:-2] + b"x\n"), "newer release"),
        "cut short": (rows.removesuffix(COPIED_END), "ends too early"),
        "cut in a block": (rows[: rows.index(b"\tkept\t")], "ends too early|do not fit"),
    }  # fmt: skip


def test_a_strange_copy_is_refused_in_one_sentence(app: Flask, rows: bytes) -> None:
    for data, problem in strange_copies(rows).values():
        refused(app, data, problem)
    unchanged(app)


def unchanged(app: Flask) -> None:
    jobs = jobs_of(app)
    assert [(name, job.state) for name, job in jobs.items()] == [("kept", JobState.ACTIVE)]
    with app.app_context():
        assert db.session.execute(text(SCRATCH)).scalar_one() == 0
        db.session.close()


def test_a_backup_that_has_become_strange_changes_nothing(app: Flask, rows: bytes) -> None:
    backup = stored(app)[1]
    cases = strange_copies(rows)
    for name in ("no text in a row", "no text as its schema", "a table less", "a huge line"):
        data, problem = cases[name]
        packed = zstandard.compress(data)
        file_of(app, backup).write_bytes(packed)
        with app.app_context(), transaction() as session:
            row = session.get_one(Backup, backup.id)
            row.sha256, row.manifest = hashlib.sha256(packed).hexdigest(), None
        with app.app_context(), pytest.raises(Unusable, match=problem) as caught:
            restore(backup.id, ALICE)
        assert "\n" not in str(caught.value)
        unchanged(app)


def test_a_strange_dump_is_refused_in_one_sentence(
    app: Flask, rows: bytes, tmp_path: Path, pg_url: str, postgres: Postgres
) -> None:
    dump = plain(file_of(app, stored(app)[0]), tmp_path / "dump").read_bytes()
    refused(app, changed(dump, b"\tkept\t", b"\tk\xffpt\t"), "do not fit the tables")
    refused(app, dump[:20_000], "pg_restore cannot read it|no table")
    command = [postgres.bin / "pg_dump", "-Fc", "--exclude-table=saved_views", pg_url]
    less = subprocess.run(command, check=True, capture_output=True).stdout
    refused(app, less, "It has no table saved_views")
    unchanged(app)
