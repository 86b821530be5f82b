"""A backup of the other kind of database: refused before the question, and not taken as bad."""

import re

import pytest
from flask import Flask

from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.backups.proving import prove, prove_all
from aegis_web.backups.restoring import restore
from aegis_web.errors import AegisError, Conflict
from tests.backups.conftest import add_to, stored
from tests.support.applications import MakeApp, signed_in

KINDS = {"sqlite": ("SQLite 3.45", "SQLite"), "postgresql": ("PostgreSQL 16.4", "PostgreSQL")}


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> Flask:
    return make_app(DATABASE_URL=database_url)


def other_and_own(app: Flask) -> tuple[str, str]:
    """How the database of a backup from the other kind is told, and the name of our kind."""
    on_sqlite = app.extensions["aegis.settings"].database_url.startswith("sqlite")
    other, own = ("postgresql", "sqlite") if on_sqlite else ("sqlite", "postgresql")
    return KINDS[other][0], KINDS[own][1]


def test_the_pages_say_so_and_offer_nothing(app: Flask) -> None:
    theirs, ours = other_and_own(app)
    backup = add_to(app, 0, database=theirs, proof_seconds=1, contents={"jobs": [], "rows": {}})
    browser = signed_in(app)
    listed = browser.get("/backups").text
    assert f'href="/backups/{backup.id}/restore"' not in listed
    assert "Other database" in listed
    page = browser.get(f"/backups/{backup.id}/restore").text
    said = f"This is a backup of {theirs.split()[0]}; this installation runs on {ours}."
    assert said in page
    assert re.search(r'<a class="alert-link" href="/backups">Backups</a>', page)
    for offer in ("What would change", "Bring this backup back", "Prove it now"):
        assert offer not in page
    answer = browser.post(f"/backups/{backup.id}/restore", data={"sure": "yes"})
    assert said in answer.text
    with app.app_context(), pytest.raises(AegisError, match=re.escape(said)):
        restore(backup.id, SYSTEM)


def test_one_of_our_kind_is_offered(app: Flask) -> None:
    own = KINDS["sqlite" if other_and_own(app)[1] == "SQLite" else "postgresql"][0]
    backup = add_to(app, 0, database=own, proof_seconds=1)
    browser = signed_in(app)
    assert f'href="/backups/{backup.id}/restore"' in browser.get("/backups").text
    assert "Bring this backup back" in browser.get(f"/backups/{backup.id}/restore").text


def test_the_command_refuses_before_it_asks(
    make_app: MakeApp, sqlite_database: str, pg_url: str
) -> None:
    on_sqlite = make_app(DATABASE_URL=sqlite_database)
    with on_sqlite.app_context():
        file = on_sqlite.extensions["aegis.settings"].backup_dir / back_up(SYSTEM).file_name
    on_postgres = make_app(DATABASE_URL=pg_url)
    runner = on_postgres.test_cli_runner()
    result = runner.invoke(args=["backups", "restore", str(file)], input="y\n")
    assert result.exit_code == 1
    assert "This is a backup of SQLite; this installation runs on PostgreSQL." in result.output
    assert "Bring it back?" not in result.output
    assert "in the backup" not in result.output


def test_what_cannot_be_proven_here_keeps_its_verdict(
    make_app: MakeApp, sqlite_database: str
) -> None:
    app = make_app(DATABASE_URL=sqlite_database)
    backup = add_to(app, 0, database="PostgreSQL 16.4")
    with app.app_context():
        with pytest.raises(Conflict, match="runs on SQLite"):
            prove(backup.id, SYSTEM)
        assert prove_all(SYSTEM) == ([], {})
    (row,) = stored(app)
    assert (row.proven_at is not None, row.proof_error) == (True, None)
