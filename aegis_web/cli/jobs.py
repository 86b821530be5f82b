"""`flask jobs ...`: bringing in jobs from elsewhere."""

from collections.abc import Iterable
from typing import TextIO

import click
from flask import current_app

from aegis_web.cli.groups import TableGroup
from aegis_web.clock import utc_now
from aegis_web.config import Settings
from aegis_web.errors import AegisError
from aegis_web.jobs import imports
from aegis_web.jobs.imports import Taken

group = TableGroup("jobs", help="Jobs: bring them in from elsewhere.")


@group.command("import-crontab")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"))
@click.option("--zone", help="Where the crontab's machine lives; this server's zone if left out.")
@click.option("--system", is_flag=True, help="A sixth field names the user, as in /etc/crontab.")
@click.option("--apply", is_flag=True, help="Create the jobs instead of only showing them.")
def import_crontab(file: TextIO, zone: str | None, system: bool, apply: bool) -> None:
    """Make a job of each entry of a crontab FILE ("-": standard input).

    Says of each line what becomes of it, or why it cannot be taken. Nothing is stored without
    --apply.
    """
    from aegis_web.jobs import crontab  # a server never needs it

    settings: Settings = current_app.extensions["aegis.settings"]
    allowed(crontab.SERVICE, apply)
    entries = crontab.read(file.read(), zone or settings.zone, system=system)
    bring_in(entries, apply)


@group.command("import-apscheduler")
@click.argument("source")
@click.option("--table", default="apscheduler_jobs", show_default=True, help="Its table.")
@click.option("--zone", help="The zone of jobs that name none; this server's if left out.")
@click.option("--apply", is_flag=True, help="Create the jobs instead of only showing them.")
def import_apscheduler(source: str, table: str, zone: str | None, apply: bool) -> None:
    """Make a job of each job of plain APScheduler.

    SOURCE is the URL of its SQLAlchemyJobStore (sqlite:///jobs.sqlite), or a Python file with calls
    of add_job. The pickles of the store are described, never loaded, and the file is never run.
    """
    from aegis_web.jobs import apscheduler_import  # a server never needs it

    zone = zone or current_app.extensions["aegis.settings"].zone
    registry = current_app.extensions["aegis.registry"]
    try:
        if "://" in source:
            entries = list(apscheduler_import.from_store(source, table, zone, registry))
        else:
            with open(source, encoding="utf-8") as file:
                entries = list(apscheduler_import.from_code(file.read(), zone, registry))
    except (AegisError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from None
    bring_in(entries, apply)


def allowed(service: str, apply: bool) -> None:
    """Say when the service function that is needed is not offered; with `apply` that is the end."""
    registry = current_app.extensions["aegis.registry"]
    if registry.find(service) is None:
        text = f"No job can be created: {registry.why_missing(service)}."
        if apply:
            raise click.ClickException(text)
        click.echo(text, err=True)


def bring_in(entries: Iterable[Taken], apply: bool) -> None:
    """Report on all entries, and with `apply` store what can be taken."""
    named = imports.with_own_names(entries)
    done = list(imports.create(named)) if apply else list(named)
    for entry in done:
        click.echo(line_of(entry))
    taken = sum(entry.wanted is not None for entry in done)
    refused = sum(bool(entry.problem) for entry in done)
    what = "created" if apply else "can be created"
    click.echo(f"{taken} jobs {what}, {refused} entries cannot be taken.")
    if taken and not apply:
        click.echo("Nothing was stored: add --apply to create them.")


def line_of(entry: Taken) -> str:
    """One entry as text, with its next fire time."""
    if entry.wanted is None:
        return f"{entry.place}: {entry.problem or entry.note}\n    {entry.text.strip()}"
    trigger = entry.wanted.trigger
    following = trigger.next_after(utc_now())
    zone = trigger.zone
    after = f"{following.astimezone(zone):%Y-%m-%d %H:%M}" if following else "never"
    text = f"{entry.place}: {entry.wanted.name}\n    {trigger.words()} ({zone.key}), next {after}"
    return f"{text}\n    {entry.note}" if entry.note else text
