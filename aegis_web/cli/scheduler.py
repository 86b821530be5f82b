"""`python -m aegis_web.cli.scheduler`: the engine alone, in a process without web pages."""

import signal
import sys

from flask import Flask

from aegis_web import create_app
from aegis_web.backups.folder import sweep_at_start
from aegis_web.config import Settings
from aegis_web.engine.scheduler import start_engine
from aegis_web.errors import AegisError, ConfigError
from aegis_web.system import schema
from aegis_web.system.banner import data_words
from aegis_web.system.log import log_to_stderr
from aegis_web.system.queries import log_warnings
from aegis_web.system.shutdown import Shutdown

EX_CONFIG = 78


def prepare() -> Flask:
    """The application for a process that only runs jobs.

    Raises: AegisError when the settings or the schema forbid it.
    """
    app = create_app()
    settings: Settings = app.extensions["aegis.settings"]
    if not settings.persistent:
        raise ConfigError(
            "AEGIS_COMPONENTS",
            ",".join(settings.components),
            "a separate scheduler needs the database that the web process uses; "
            "set AEGIS_COMPONENTS=scheduler,database",
        )
    with app.app_context():
        schema.require_current()
        log_warnings(app)
    sweep_at_start(settings.backup_dir)
    return app


def main() -> int:
    """Run jobs until SIGTERM or Ctrl-C, settle every run, return the exit status."""
    log_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it like SIGTERM: no traceback
    try:
        app = prepare()
        shutdown = Shutdown(app)
        shutdown.listen()
        start_engine(app)
    except AegisError as error:
        print(error, file=sys.stderr, flush=True)
        return EX_CONFIG
    print(f"The scheduler is running: {data_words(app.extensions['aegis.settings'])}", flush=True)
    shutdown.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
