"""What `flask backups restore` says, in the words of the page."""

from collections.abc import Sequence

import click

from aegis_web.backups.preview import Preview
from aegis_web.backups.restoring import Restored
from aegis_web.language import ngettext
from aegis_web.web.formats import clock

NAMED = 20  # jobs by their names; of more there is a number


def tell_preview(preview: Preview) -> None:
    """Print what bringing the backup back would change."""
    backup = preview.backup
    click.echo(f"{backup.file_name}, made at {clock(backup.made_at)}\n")
    click.echo(f"{'Rows':33} {'In the backup':>15} {'Now':>15}")
    for words, then, now in preview.rows:
        click.echo(f"{words:33} {then:>15,} {now:>15,}")
    changed, back, gone = preview.jobs_changed, preview.jobs_back, preview.jobs_gone
    click.echo()
    one = "%(num)s job is in both, and becomes what it was then."
    many = "%(num)s jobs are in both, and become what they were then."
    click.echo(ngettext(one, many, preview.jobs_same))
    if changed:
        one = "%(num)s of them has changed since, and changes back:"
        many = "%(num)s of them have changed since, and change back:"
        click.echo(f"{ngettext(one, many, len(changed))} {named(changed)}")
    if back:
        text = ngettext("%(num)s job comes back:", "%(num)s jobs come back:", len(back))
        click.echo(f"{text} {named(back)}")
    else:
        click.echo("No job comes back that is not there now.")
    if gone:
        one = "%(num)s job is deleted, because the backup does not know it:"
        many = "%(num)s jobs are deleted, because the backup does not know them:"
        click.echo(f"{ngettext(one, many, len(gone))} {named(gone)}")
    else:
        click.echo("No job is lost.")
    one = "%(num)s newer run stays in the history."
    click.echo(ngettext(one, "%(num)s newer runs stay in the history.", preview.newer_runs))
    if preview.keys_missing:
        ids = ", ".join(preview.keys_missing)
        click.echo(
            f"Its secrets were encrypted with the keys {ids}, and none of them is in "
            "AEGIS_ENCRYPTION_KEYS: jobs whose secrets cannot be read are then broken."
        )


def tell_restored(given: str, done: Restored) -> None:
    """Print what a restore of the backup that was named `given` did, and what comes next."""
    kept = "" if given == done.file_name else f" (kept here as {done.file_name})"
    click.echo(f"{given} is back{kept}.")
    jobs = f"{counted('job', done.jobs)} {'is' if done.jobs == 1 else 'are'} there"
    if done.paused_jobs:
        one = "%(num)s of them is paused until somebody enables it."
        many = "%(num)s of them are paused until somebody enables them."
        click.echo(f"{jobs}; {ngettext(one, many, done.paused_jobs)}")
    else:
        click.echo(f"{jobs}.")
    runs = ngettext("%(num)s run is in the history,", "%(num)s runs are in the history,", done.runs)
    click.echo(f"{runs} {done.merged_runs} of them newer than the backup.")
    one = "%(num)s fire time has passed meanwhile and is written down as missed."
    many = "%(num)s fire times have passed meanwhile and are written down as missed."
    click.echo(ngettext(one, many, done.missed))
    if done.safety:
        click.echo(f"What was there before is in the backup {done.safety}")
    then = ", open Backups and enable the paused jobs" if done.paused_jobs else ""
    click.echo(f"Next: start the server{then}.")


def counted(word: str, number: int) -> str:
    """A number with its word: "1 job", "2 jobs"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def named(names: Sequence[str]) -> str:
    """The first names; what would steer a terminal is left out."""
    shown = ["".join(sign for sign in name if sign.isprintable()) for name in names[:NAMED]]
    return ", ".join(shown) + (" …" if len(names) > NAMED else "")
