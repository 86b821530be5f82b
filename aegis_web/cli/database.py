"""`flask database ...`: the way to another database."""

import click

from aegis_web.backups.moving import copy_to, target_url
from aegis_web.cli.groups import TableGroup, told
from aegis_web.config_values import without_passwords

group = TableGroup("database", help="The database: how everything moves to another one.")


@group.command("copy")
@click.option(
    "--to", "url", required=True, help="postgresql://user:password@host/name or sqlite:///path"
)
def copy(url: str) -> None:
    """Copy every row to another, empty database and compare the counts.

    For whom SQLite has become too small, and back. Stop every server first; afterwards set
    DATABASE_URL to the other database and start again. Sessions stay behind.
    """
    with told():
        copied = copy_to(url, lambda table, rows: click.echo(f"{table:20} {rows:>12,}"))
    shown = without_passwords(target_url(url).replace("+psycopg", "", 1))
    hidden = ", with the password in place of ***" if "***" in shown else ""
    click.echo(f"{sum(copied.values()):,} rows are there, as many as here. Now set{hidden}:")
    click.echo(f"DATABASE_URL={shown}")
