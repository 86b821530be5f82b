"""The commands of `flask ...`, over the same actions and queries as the pages."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Add the product's command groups to `app`."""
    from aegis_web.cli import accounts, audit, backups, database, jobs, services

    app.cli.add_command(services.group)
    app.cli.add_command(jobs.group)
    app.cli.add_command(audit.group)
    app.cli.add_command(backups.group)
    app.cli.add_command(database.group)
    app.cli.add_command(accounts.group)
