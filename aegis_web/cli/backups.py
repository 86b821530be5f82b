"""`flask backups ...`: keys, and what is needed on a bad day."""

import click
from flask.cli import AppGroup

from aegis_web.keys import key_id, new_identity

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
