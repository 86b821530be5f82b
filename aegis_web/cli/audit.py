"""`flask audit ...`: whether the audit is as it was written."""

import re

import click

from aegis_web.audit.queries import Head
from aegis_web.audit.verify import verify
from aegis_web.cli.groups import TableGroup

HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")

group = TableGroup("audit", help="The audit: whether it is as it was written.")


def head_option(_: click.Context, __: click.Parameter, text: str | None) -> Head | None:
    """A head as it was printed or logged."""
    if text is None:
        return None
    found = HEAD.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter("give it as it was printed: the row's number, a colon, its hash")
    return Head(int(found[1]), found[2])


@group.command("verify")
@click.option("--head", metavar="ID:HASH", callback=head_option, help="A head noted before.")
def verify_chain(head: Head | None) -> None:
    """Check every row of the audit against its hash and the row before it.

    Prints how many rows are sound and the head, or the first bad row, and then exits with 1. Only
    with --head is it found when the newest rows are missing, or when all were written anew.
    """
    verdict = verify(head)
    if verdict is None:
        return
    if verdict.fault:
        click.echo(f"The audit is not sound. {verdict.fault}", err=True)
        click.echo(f"{verdict.rows} rows before it are sound.", err=True)
        raise SystemExit(1)
    click.echo(f"{verdict.rows} rows are sound.")
    if verdict.waiting:
        click.echo(f"{verdict.waiting} rows are in no chain yet: the next change takes them in.")
    click.echo(f"Head: {verdict.head or 'none'}")
