"""How Alembic reaches the product's tables: through the writing engine of the running app."""

import logging

from alembic import context
from flask import current_app

from aegis_web.database import WRITE, Model
from aegis_web.errors import ConfigError
from aegis_web.system.schema import require_reachable

logging.getLogger("alembic").setLevel(logging.WARNING)


WAIT_SECONDS = 600  # for another process that migrates the same file


def run() -> None:
    """Run the migrations over one connection, all in one transaction; of two at once one waits.

    It begins before Alembic looks: that commits each migration on SQLite by itself otherwise.
    """
    db = current_app.extensions["migrate"].db
    with db.engines[WRITE].connect() as connection:
        if connection.dialect.name == "sqlite":
            raw = connection.connection.driver_connection
            connection.detach()  # nobody else gets it afterwards, with this patience
            raw.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7108114)")
            context.configure(
                connection=connection,
                target_metadata=Model.metadata,
                render_as_batch=True,
                compare_type=True,
            )
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("migrations run against a live database only: leave out --sql")
try:
    require_reachable()
except ConfigError as error:
    raise SystemExit(str(error)) from None
run()
