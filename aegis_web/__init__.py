"""Aegis Web: a dashboard for scheduled jobs beside a team's Python code.

This module assembles the application and owns nothing else.
"""

from importlib import import_module
from pathlib import Path

from flask import Blueprint, Flask

from aegis_web import accounts, cli, web
from aegis_web.config import Settings, load_settings
from aegis_web.database import WRITE, engine_options, tune
from aegis_web.engine import scheduler
from aegis_web.extensions import csrf, db, migrate
from aegis_web.registry import discover
from aegis_web.system import schema
from aegis_web.vault import Vault

ROOT = Path(__file__).parent.parent
ROOMS = (
    "accounts",
    "overview",
    "jobs",
    "pauses",
    "runs",
    "ledger",
    "timeline",
    "forecast",
    "feeds",
    "tokens",
    "failures",
    "calendars",
    "live",
    "backups",
    "system",
    "audit",
    "palette",
)


def create_core(settings: Settings, *, migrating: bool = True) -> Flask:
    """The application without pages and without a scheduler: what service functions run in.

    With `migrating` an embedded database is brought up to date.
    """
    app = Flask(
        __name__,
        root_path=str(ROOT),
        instance_path=str(settings.data_dir.absolute()),
    )
    app.extensions["aegis.settings"] = settings
    app.extensions["aegis.vault"] = Vault(settings.encryption_keys)
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.former_secret_keys),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        SQLALCHEMY_BINDS={
            WRITE: {"url": settings.database_url, **engine_options(settings.database_url)}
        },
        MAX_CONTENT_LENGTH=2 * 1024 * 1024,
        SCHEDULER_API_ENABLED=False,
        SCHEDULER_TIMEZONE=settings.zone,
    )
    db.init_app(app)
    with app.app_context():
        tune(db.engines[None], writing=False)
        tune(db.engines[WRITE], writing=True)
        migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
        if migrating:
            schema.bring_up_to_date(settings)
        app.extensions["aegis.registry"] = discover(
            ("aegis_web.services", *settings.services), settings=settings
        )
    return app


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application for `settings` (read from the environment if None).

    Brings an embedded database up to date. Starts no thread and claims no run: `app.py` does.
    Raises: ConfigError where a setting forbids the start.
    """
    settings = settings or load_settings()
    app = create_core(settings)
    app.debug = False  # whatever FLASK_DEBUG says: its pages run what a browser sends
    scheduler.init_app(app)
    csrf.init_app(app)
    accounts.init_app(app, settings)
    web.init_app(app, settings)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    cli.init_app(app)
    return app


def blueprints() -> list[Blueprint]:
    """The blueprint of each concept that has pages."""
    return [import_module(f"aegis_web.{room}.views").bp for room in ROOMS]
