"""A database that another release has migrated."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.orm import Session

from aegis_web import create_app
from aegis_web.clock import to_us
from aegis_web.config import load_settings
from aegis_web.config_values import sqlite_path
from aegis_web.database import WRITE, Model
from aegis_web.engine.new_job import DEFINITION
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from aegis_web.jobs.models import JobSkip, JobVersion
from tests.support.databases import close_engines
from tests.support.environment import settings_environment

JOB_OF_0001 = """
    INSERT INTO jobs (key, name, description, owner, tags, origin, declared, service, arguments,
        "trigger", trigger_kind, zone, state, pause_reason, overlap, max_running, catch_up,
        jitter_seconds, revision, created_at, created_by, updated_at, updated_by)
    VALUES ('a', 'a', '', '', '[]', 'user', true, 's', '{}', '{}', 'cron', 'UTC', 'paused', '',
        'skip', 1, 'latest', 0, 1, 0, '', 0, '')
"""


def test_a_database_of_a_newer_release_is_refused_with_the_cure(
    sqlite_database: str, data_dir: Path
) -> None:
    with closing(sqlite3.connect(sqlite_path(sqlite_database))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AegisError, match="start the newer release"):
        create_app(load_settings(settings_environment(data_dir)))


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []
    engine.dispose()


def test_all_migrations_are_one_transaction(any_app: Flask) -> None:
    """So that of two processes that start at once the second finds all done, never a part."""
    ended: list[str] = []
    with any_app.app_context():
        engine = db.engines[WRITE]
        event.listen(engine, "commit", lambda _: ended.append("commit"))
        event.listen(engine, "rollback", lambda _: ended.append("rollback"))
        downgrade(revision="base")
        upgrade()
    assert ended == ["commit", "commit"]


def test_each_migration_can_be_undone_and_done_again(database_url: str, data_dir: Path) -> None:
    app = create_app(load_settings(settings_environment(data_dir, DATABASE_URL=database_url)))
    engine = create_engine(database_url)
    with app.app_context():
        downgrade(revision="0001")
        with engine.begin() as connection:
            connection.execute(text(JOB_OF_0001))
        upgrade(revision="0007")
        with engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET skip_next_at = 5, updated_by = 'bob'"))
        upgrade()
        with engine.connect() as connection:
            (row,) = connection.execute(text("SELECT retries, priority, on_lost FROM jobs"))
        with Session(engine) as session:
            version = session.scalars(select(JobVersion)).one()
            skip = session.scalars(select(JobSkip)).one()
    engine.dispose()
    close_engines(app)
    assert tuple(row) == (0, 1, "mark")
    assert (to_us(skip.fire_at), skip.skipped_by) == (5, "bob")
    assert set(version.definition) == set(DEFINITION)
    said = [version.definition[name] for name in ("name", "tags", "trigger", "retries", "overlap")]
    assert said == ["a", [], {}, 0, "skip"]
