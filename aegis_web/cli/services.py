"""`flask services ...`: what the registry found."""

import click
from flask import current_app
from flask.cli import AppGroup

from aegis_web.engine.scheduler import declare_jobs

group = AppGroup("services", help="Service functions: what may be scheduled.")


@group.command("list")
def list_functions() -> None:
    """Print each service function: name, title, file and line."""
    for function in current_app.extensions["aegis.registry"].functions.values():
        click.echo(f"{function.name}  {function.title}  ({function.file}:{function.line})")


@group.command("check")
def check() -> None:
    """Exit with 1 when something was refused; the release phase runs this."""
    declare_jobs(current_app)
    registry = current_app.extensions["aegis.registry"]
    for refused in registry.refused:
        click.echo(str(refused), err=True)
    if registry.refused:
        raise SystemExit(1)
    click.echo(f"{len(registry.functions)} service functions, none refused")
