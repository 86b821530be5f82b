"""Backups of other releases: an older one's are brought up to date, a newer one's are refused."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from flask import Flask
from sqlalchemy import create_engine, text

from aegis_web.backups.copies import Unusable
from aegis_web.backups.models import Backup
from aegis_web.config import Settings
from aegis_web.config_values import sqlite_url
from aegis_web.extensions import transaction
from aegis_web.jobs.models import JobState
from aegis_web.system.schema import scripts
from tests.backups.conftest import plain, stored
from tests.backups.test_restore import app, backed_up, bring_back, jobs_of
from tests.backups.test_restore_foreign import history_of, live_for_a_while
from tests.backups.test_uploads import brought

__all__ = ["app"]

pytestmark = pytest.mark.parametrize("machine", ["sqlite"], indirect=True)

OLDER = ("0007", "0019")  # one without tables of the history, one without other columns


def file_of(app: Flask, backup: Backup) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir / backup.file_name


@pytest.fixture
def file(app: Flask, tmp_path: Path) -> Path:
    """A plain copy of a database with a history."""
    live_for_a_while(app, "ours", 5)
    backed_up(app)
    return plain(file_of(app, stored(app)[0]), tmp_path / "plain")


def put_in_its_place(app: Flask, file: Path) -> int:
    """Let `file` be what the only backup holds, as if it had been made so."""
    (backup,) = stored(app)
    packed = zstandard.compress(file.read_bytes())
    file_of(app, backup).write_bytes(packed)
    with app.app_context(), transaction() as session:
        row = session.get_one(Backup, backup.id)
        row.sha256, row.size_bytes = hashlib.sha256(packed).hexdigest(), len(packed)
        row.manifest = None  # older releases wrote none
    return backup.id


def go_back(app: Flask, file: Path, revision: str) -> None:
    """Undo the migrations of a SQLite file down to those of an older release."""
    engine = create_engine(sqlite_url(file))
    with app.app_context():
        script = scripts()
    context = EnvironmentContext(
        Config(), script, fn=lambda current, _: script._downgrade_revs(revision, current)
    )
    with engine.begin() as connection, context:
        context.configure(connection=connection, render_as_batch=True)
        context.run_migrations()
    engine.dispose()


def change_everything(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(text("UPDATE jobs SET name = 'another', tags = '[\"x\"]'"))
        session.execute(text("UPDATE runs SET error = 'another'"))
        session.execute(text("DELETE FROM run_details"))
        session.execute(text("DELETE FROM run_counts"))


@pytest.mark.parametrize("revision", OLDER)
@pytest.mark.parametrize("how", ["kept", "uploaded"])
def test_one_of_an_older_release_comes_back_row_by_row(
    app: Flask, file: Path, how: str, revision: str
) -> None:
    before = history_of(app)
    go_back(app, file, revision)
    with closing(sqlite3.connect(file)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(backups)")}
    assert "proven_at" not in columns  # it is older indeed
    change_everything(app)
    assert history_of(app) != before

    bring_back(app, put_in_its_place(app, file) if how == "kept" else brought(app, file).id)

    assert history_of(app) == before


def test_one_of_a_newer_release_is_refused(app: Flask, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE jobs ADD COLUMN later INTEGER")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    backup_id = put_in_its_place(app, file)
    before = history_of(app)
    with pytest.raises(Unusable, match=r"newer release .*'9999'.*install that release") as caught:
        bring_back(app, backup_id)
    assert "\n" not in str(caught.value)
    assert history_of(app) == before
    assert jobs_of(app)["ours"].state == JobState.ACTIVE
