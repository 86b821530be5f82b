"""`flask backups ...`: keys, and what is needed on a bad day."""

from pathlib import Path
from typing import NoReturn

import click
from flask.cli import AppGroup

from aegis_web.audit.models import Actor
from aegis_web.backups.preview import Preview, preview_of
from aegis_web.backups.queries import number_of
from aegis_web.backups.restoring import restore
from aegis_web.backups.uploads import take_in
from aegis_web.errors import AegisError
from aegis_web.keys import key_id, new_identity

COMMAND_LINE = Actor("command line")

group = AppGroup("backups", help="Backups: their keys, and how they come back.")


@group.command("key")
def make_key() -> None:
    """Make a key for AEGIS_BACKUP_KEYS and print it.

    Keep it outside this machine: without it, an encrypted backup is lost. It is an identity of age,
    so that the program age opens such a file as well.
    """
    key = new_identity()
    click.echo(f"# Its id is {key_id(key)}, by which backups name it.", err=True)
    click.echo(key)


@group.command("restore")
@click.argument("file")
@click.option("--yes", is_flag=True, help="Do not ask.")
def bring_back(file: str, yes: bool) -> None:
    """Bring back FILE: the path of a file, or the name of a backup in the list.

    On a machine without accounts everything comes back; on any other, accounts, tokens and the
    audit stay as they are. What is there now is backed up first.
    """
    try:
        if Path(file).is_file():
            with Path(file).open("rb") as source:
                backup_id = take_in(source, COMMAND_LINE).id
        elif (listed := number_of(file)) is not None:
            backup_id = listed
        else:
            fail(f"{file} is neither a file nor a backup in the list: name one of them.")
        tell(preview_of(backup_id))
        if not yes:
            click.confirm("Bring it back?", abort=True)
        done = restore(backup_id, COMMAND_LINE)
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): let this process read it.")
    except AegisError as error:
        fail(str(error))
    click.echo(
        f"{done.file_name} is back: {done.jobs} jobs, {done.paused_jobs} of them paused; "
        f"{done.runs} runs, {done.merged_runs} of them newer than the backup; {done.missed} fire "
        "times are written down as missed."
    )
    if done.safety:
        click.echo(f"What was there before is in the backup {done.safety}.")


def tell(preview: Preview) -> None:
    """Print what would change."""
    for name, then, now in preview.rows:
        click.echo(f"{name:14} {then:>12,} in the backup {now:>12,} now")
    click.echo(
        f"{preview.jobs_same} jobs are in both, {len(preview.jobs_back)} come back, "
        f"{len(preview.jobs_gone)} are deleted, {preview.newer_runs} newer runs stay."
    )
    if preview.keys_missing:
        ids = ", ".join(preview.keys_missing)
        click.echo(f"None of the keys {ids} is in AEGIS_ENCRYPTION_KEYS: secrets stay closed.")


def fail(text: str) -> NoReturn:
    """End the command with one sentence."""
    raise click.ClickException(text)
