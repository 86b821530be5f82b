"""The WSGI entry: builds the application and starts the engine where the settings say so."""

import os
import sys

from flask import Flask
from flask.helpers import get_debug_flag

from aegis_web import cli, create_app
from aegis_web.accounts.actions import ensure_admin_from_settings
from aegis_web.backups.folder import sweep_at_start
from aegis_web.config import Settings
from aegis_web.engine.scheduler import start_engine
from aegis_web.errors import AegisError
from aegis_web.system import schema
from aegis_web.system.log import log_to_stderr
from aegis_web.system.queries import log_warnings

MAKE_KEY = ["backups", "key"]  # the command with which a setting begins
EX_CONFIG = 78  # sysexits.h: something in the configuration forbids the start


def serve() -> Flask:
    """The application, ready to answer, with its engine running in this process if embedded."""
    log_to_stderr()
    app = create_app()
    settings: Settings = app.extensions["aegis.settings"]
    with app.app_context():
        schema.require_current()
        ensure_admin_from_settings(settings)
        log_warnings(app)
    sweep_at_start(settings.backup_dir)
    if settings.engine == "embedded":
        start_engine(app)
    return app


def for_command() -> Flask:
    """The application without an engine; `flask run --debug` is for those who develop it."""
    if sys.argv[-2:] == MAKE_KEY:
        return with_commands_alone()
    app = create_app()
    app.debug = get_debug_flag()
    return app


def with_commands_alone() -> Flask:
    """What needs neither a setting nor a folder, and makes none."""
    app = Flask("aegis_web")
    cli.init_app(app)
    return app


def load() -> Flask:
    """What this module offers as `app`; a command of `flask` gets it without an engine."""
    try:
        return for_command() if os.environ.get("FLASK_RUN_FROM_CLI") == "true" else serve()
    except AegisError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201
        raise SystemExit(EX_CONFIG) from None


app = load()
