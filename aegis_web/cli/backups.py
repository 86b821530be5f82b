"""`flask backups ...`: keys, and what is needed on a bad day."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from aegis_web.audit.models import Actor
from aegis_web.backups.copies import Watch
from aegis_web.backups.downloads import note_text, read_text
from aegis_web.backups.fetching import fetch_backup
from aegis_web.backups.models import FETCHED, SAFETY, UPLOADED
from aegis_web.backups.off_site_copies import copy_all
from aegis_web.backups.off_site_status import Lying, all_backups
from aegis_web.backups.preview import preview_of
from aegis_web.backups.proving import COMPARED, prove
from aegis_web.backups.queries import latest_backup, number_of
from aegis_web.backups.restoring import restore
from aegis_web.backups.uploads import instant_beside, take_in
from aegis_web.cli.groups import TableGroup, told
from aegis_web.cli.restore_words import counted, tell_preview, tell_restored
from aegis_web.config import settings
from aegis_web.errors import AegisError
from aegis_web.extensions import db
from aegis_web.keys import key_id, new_identity
from aegis_web.web.formats import ago, clock, size

COMMAND_LINE = Actor("command line")
STEPS = Watch(
    report=lambda done, total, message: None,
    asked_to_stop=lambda: False,
    begin=lambda part: click.echo(f"{part} …"),
)
HEADING = ("File", "Where", "Proof", "Size", "Made at", "Age", "Remarks")
NUMBERS = ("Size", "Age")  # on the right of their column
ORIGINS = {SAFETY: "before a restore", UPLOADED: "from elsewhere", FETCHED: "from off-site"}

group = TableGroup("backups", help="Backups: their keys, and how they come back.")


@group.command("key", tables=False)
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
    """Bring back FILE: the path of a file, or the name of a backup that is listed or off-site.

    On a machine without accounts everything comes back; on any other, accounts, tokens and the
    audit stay as they are. What is there now is backed up first.
    """
    with told():
        backup_id = found(file)
        preview = preview_of(backup_id)
        if preview.backup.other_kind:
            raise AegisError(preview.backup.other_kind)
        tell_preview(preview)
        db.session.close()  # whoever thinks about the question holds no table
        if not yes:
            jobs = counted("job", preview.jobs_same + len(preview.jobs_back))
            made = clock(preview.backup.made_at)
            click.confirm(f"Bring back the backup of {made} with {jobs}?", abort=True)
        done = restore(backup_id, COMMAND_LINE, STEPS)
    tell_restored(Path(file).name, done)


def found(file: str) -> int:
    """The number of the backup that a command means; one from elsewhere is taken in first.

    Raises: AegisError when there is none.
    """
    if Path(file).is_file():
        try:
            with Path(file).open("rb") as source:
                return take_in(source, COMMAND_LINE, STEPS, made_at=instant_beside(Path(file))).id
        except PermissionError as error:
            raise AegisError(f"{file} cannot be read: make it readable.") from error
    listed = number_of(file)
    db.session.close()  # what is read later shows what is written now
    if listed is None and settings().backup_off_site:
        listed = fetch_backup(file, COMMAND_LINE).id
    if listed is None:
        raise AegisError(f"{file} is neither a file nor a backup in the list: name one of them.")
    STEPS.begin(COMPARED)
    prove(listed, COMMAND_LINE)  # what would change is told from what comes out of it
    return listed


@group.command("list")
def list_all() -> None:
    """List the backups here and off-site, newest first."""
    found, problem = all_backups(settings())
    for line in table_of(found):
        click.echo(line)
    if not found:
        click.echo("There is no backup.")
    if problem:
        raise click.ClickException(problem)


def table_of(found: Sequence[Lying]) -> Iterator[str]:
    """The backups as lines of aligned columns below a heading; no line without backups."""
    if not found:
        return
    rows = [HEADING, *map(cells_of, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
            for cell, width, heading in zip(row, widths, HEADING, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def cells_of(lying: Lying) -> tuple[str, ...]:
    """One backup as the columns of HEADING."""
    places = [word for word, there in (("here", lying.here), ("off-site", lying.off_site)) if there]
    remarks = [
        *([ORIGINS[lying.origin]] if lying.origin in ORIGINS else []),
        *(["with its jobs as text"] if lying.text else []),
    ]
    return (
        lying.file_name,
        " + ".join(places) or "lost",
        lying.proof,
        size(lying.size_bytes),
        clock(lying.made_at),
        ago(lying.made_at),
        ", ".join(remarks),
    )


@group.command("jobs")
@click.argument("name", required=False)
def show_jobs(name: str | None) -> None:
    """Print the jobs of the backup NAME as text, of the newest made here without a name.

    Secrets are not in it. Kept in a repository, it shows what changed from day to day.
    """
    with told():
        backup_id = number_of(name) if name else latest_backup()
        if backup_id is None:
            raise AegisError(f"{name} is no backup in the list: `flask backups list` names them.")
        file_name, content = read_text(backup_id)
        db.session.close()
        note_text(COMMAND_LINE, backup_id, file_name)
    click.echo(content, nl=False)


@group.command("fetch")
@click.argument("name")
def fetch(name: str) -> None:
    """Bring the copy NAME from off-site into the backup folder, and prove it.

    It is then one of the list, as if it had been made here. Works on a new machine as well: set
    AEGIS_BACKUP_OFF_SITE, the provider's variables and AEGIS_BACKUP_KEYS first.
    """
    with told():
        backup = fetch_backup(name, COMMAND_LINE)
        click.echo(f"{name}: {backup.size_bytes:,} bytes, SHA-256 {backup.sha256}")
        click.echo(f"It is in {settings().backup_dir}.")
        click.echo(f"Proven in {prove(backup.id, COMMAND_LINE):.1f} s.")


@group.command("copy")
def copy() -> None:
    """Copy every proven backup off-site that is not there yet, now and in this process."""
    with told():
        done = copy_all(COMMAND_LINE)
    for name in done.copied:
        click.echo(f"{name}: copied")
    for name in done.removed:
        click.echo(f"{name}: pruned here, and now off-site too")
    for name, problem in done.failed.items():
        click.echo(f"{name}: {problem}", err=True)
    if done.failed:
        raise SystemExit(1)
    if not done.copied:
        click.echo("Nothing was waiting.")
