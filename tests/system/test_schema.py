"""A database that another release has migrated."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aegis_web import create_app
from aegis_web.config import load_settings
from aegis_web.config_values import sqlite_path
from aegis_web.errors import AegisError
from tests.support.environment import settings_environment


def test_a_database_of_a_newer_release_is_refused_with_the_cure(
    sqlite_database: str, data_dir: Path
) -> None:
    with closing(sqlite3.connect(sqlite_path(sqlite_database))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AegisError, match="start the newer release"):
        create_app(load_settings(settings_environment(data_dir)))
