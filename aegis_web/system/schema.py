"""The database's schema against the one this code needs.

A SQLite file belongs to this process's machine, so the process brings it up to date itself. A
PostgreSQL database is shared by releases: the release step migrates it, and a process that finds
another schema refuses to start.
"""

from functools import cache

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from aegis_web.config import Settings
from aegis_web.config_values import without_passwords
from aegis_web.database import Model
from aegis_web.errors import AegisError, ConfigError, NotFound
from aegis_web.extensions import db

CURES = {
    "sqlite": "name a SQLite file that this process may read and write",
    "postgresql": "start that server, or correct host, port, user, password or database",
}


def require_reachable() -> None:
    """Connect once, so that a start without its database ends in one line.

    Raises: ConfigError with what the database answered; the password is not in it.
    """
    engine = db.engines[None]
    try:
        engine.connect().close()
    except DBAPIError as error:
        said = str(error.orig).strip().partition("\n")[0]
        cure = f"{said}; {CURES[engine.dialect.name]}"
        shown = without_passwords(engine.url.render_as_string())
        raise ConfigError("DATABASE_URL", shown, cure) from None


def revisions() -> tuple[str | None, str | None]:
    """The database's revision and the newest one that this code knows."""
    newest = scripts().get_current_head()
    with db.engines[None].connect() as connection:  # the reading one waits for no writer
        current = MigrationContext.configure(connection).get_current_revision()
    return current, newest


def scripts() -> ScriptDirectory:
    """The migrations of this release."""
    return read_scripts(current_app.extensions["migrate"].directory)


def build(connection: Connection, revision: str, script: ScriptDirectory | None = None) -> None:
    """Make the tables of `revision` where `connection` makes tables, or bring them up to it.

    Commits nothing. Raises: NotFound when this release does not know the revision.
    """
    script = script or scripts()
    there = MigrationContext.configure(connection).get_current_revision()
    known = {one.revision for one in script.walk_revisions()}
    for one in (there or revision, revision):
        if one not in known:
            raise NotFound(f"this release does not know the schema {one!r}")
    context = EnvironmentContext(
        Config(), script, fn=lambda current, _: script._upgrade_revs(revision, current)
    )
    with context:
        context.configure(
            connection=connection, target_metadata=Model.metadata, render_as_batch=True
        )
        context.run_migrations()


@cache
def read_scripts(folder: str) -> ScriptDirectory:
    """The migrations in `folder`, read once: a release does not change while it runs."""
    config = Config()
    config.set_main_option("script_location", folder)
    return ScriptDirectory.from_config(config)


def bring_up_to_date(settings: Settings) -> None:
    """Migrate an embedded database where it is behind; check nothing else.

    Raises: ConfigError when the file cannot be used; AegisError when a newer release has already
    migrated it.
    """
    if not settings.database_url.startswith("sqlite"):
        return
    require_reachable()
    current, newest = revisions()
    if current != newest:
        refuse_newer(current)
        upgrade()


def refuse_newer(current: str | None) -> None:
    """Raises: AegisError when this release does not know the revision `current`."""
    known = {script.revision for script in scripts().walk_revisions()}
    if current is not None and current not in known:
        raise AegisError(
            f"a newer release has brought the database to revision {current}, which this one does "
            "not know: start the newer release, or restore a backup made before it"
        )


def upgrade() -> None:
    """Run every migration that the database lacks."""
    from flask_migrate import upgrade as run_migrations

    run_migrations()


def require_current() -> None:
    """Refuse to go on with a schema that this code does not know.

    Raises: ConfigError when the database cannot be reached; AegisError with the cure, and naming
    both revisions where there is one.
    """
    require_reachable()
    current, newest = revisions()
    if current is None:
        raise AegisError(
            "This database has no tables yet: run `.venv/bin/flask --app app db upgrade`, then "
            "this again."
        )
    if current != newest:
        raise AegisError(
            f"the database is at revision {current}, this release needs {newest}: "
            "run `flask --app app db upgrade` (the Procfile's release step) first"
        )
