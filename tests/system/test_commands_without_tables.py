"""Every command on a database that nobody has migrated yet, or that is not there."""

from pathlib import Path

import pytest

from tests.support.applications import MakeApp
from tests.support.servers import free_port

SAID = (
    "Error: This database has no tables yet: run `.venv/bin/flask --app app db upgrade`, then this "
    "again.\n"
)
NEEDS_TABLES = [
    ("backups", "list"),
    ("backups", "restore", "{file}", "--yes"),
    ("backups", "jobs"),
    ("backups", "fetch", "x"),
    ("backups", "copy"),
    ("database", "copy", "--to", "sqlite:////nowhere/x.db"),
    ("audit", "verify"),
    ("accounts", "list"),
    ("accounts", "create", "ann@example.org"),
    ("jobs", "import-crontab", "{file}", "--apply"),
]


@pytest.mark.postgresql
def test_an_empty_postgresql_ends_each_command_with_the_cure(
    make_app: MakeApp, empty_pg_url: str, tmp_path: Path
) -> None:
    runner = make_app(DATABASE_URL=empty_pg_url).test_cli_runner()
    (tmp_path / "file").write_text("@daily true\n")
    for command in NEEDS_TABLES:
        arguments = [part.format(file=tmp_path / "file") for part in command]
        answer = runner.invoke(args=arguments)
        assert (answer.exit_code, answer.output) == (1, SAID), arguments


@pytest.mark.postgresql
def test_what_needs_no_table_works_without(make_app: MakeApp, empty_pg_url: str) -> None:
    runner = make_app(DATABASE_URL=empty_pg_url).test_cli_runner()
    for arguments in (["backups", "key"], ["backups", "restore", "--help"], ["services", "list"]):
        answer = runner.invoke(args=arguments)
        assert answer.exit_code == 0, answer.output


def test_a_postgresql_that_is_not_there_is_named(make_app: MakeApp) -> None:
    options = "password=hush&sslpassword=hush"
    url = f"postgresql://ada:hush@127.0.0.1:{free_port()}/jobs?{options}"
    answer = make_app(DATABASE_URL=url).test_cli_runner().invoke(args=["backups", "list"])
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: DATABASE_URL='postgresql+psycopg://ada:***@127.0.0.1:")
    assert "password=***&sslpassword=***' cannot be used: " in answer.output
    assert "hush" not in answer.output
