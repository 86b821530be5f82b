"""The way back in the browser: what would change, and the restore itself."""

from collections.abc import Callable

from flask import Response, current_app, flash, request, url_for
from sqlalchemy import select

from aegis_web.accounts.fresh import ask_for_fresh_sign_in
from aegis_web.accounts.session import current_actor
from aegis_web.backups.addresses import ID, bp
from aegis_web.backups.copies import Watch
from aegis_web.backups.gaps import enable_again
from aegis_web.backups.models import Backup
from aegis_web.backups.preview import preview_of
from aegis_web.backups.proving import COMPARED, existing, prove
from aegis_web.backups.restoring import restore
from aegis_web.errors import Invalid
from aegis_web.extensions import db
from aegis_web.language import _, ngettext
from aegis_web.web.pages import finish_reading, go_to, render
from aegis_web.web.working import Work, show_work


@bp.get(f"/backups/{ID}/restore")
def preview(backup_id: int) -> Response:
    """What bringing this backup back would change, for who has just signed in."""
    if asked := ask_for_fresh_sign_in(url_for(".preview", backup_id=backup_id)):
        return asked
    return render("backups/restore.html", preview=preview_of(backup_id))


@bp.post(f"/backups/{ID}/restore")
def bring_back(backup_id: int) -> Response:
    """Bring a backup back; whoever asked is signed out by it, as everybody is."""
    if asked := ask_for_fresh_sign_in(url_for(".preview", backup_id=backup_id)):
        return asked
    if request.form.get("sure") != "yes":
        text = _("Say that you know that everybody is signed out: tick the box.")
        raise Invalid({"sure": text})
    actor = current_actor()
    name = db.session.scalar(select(Backup.file_name).where(Backup.id == backup_id))
    finish_reading()
    return show_work(
        "backups/restored.html",
        lambda work: restore(backup_id, actor, told_by(work)),
        file_name=name,
    )


def told_by(work: Work) -> Watch:
    """A watch that tells the page which part of the work comes now, and how far it is."""
    return Watch(
        report=work.grow,
        asked_to_stop=lambda: False,
        begin=lambda part: work.begin(_(part)),
    )


@bp.post(f"/backups/{ID}/prove")
def prove_one(backup_id: int) -> Response:
    """Restore a backup into a scratch database and compare it."""
    actor = current_actor()
    name = existing(db.session(), backup_id).file_name

    def work(shown: Work) -> int:
        watch = told_by(shown)
        watch.begin(COMPARED)
        prove(backup_id, actor, watch)
        return backup_id

    return show_then_preview(
        work,
        title=_("Proving a backup"),
        file_name=name,
        said=_("It came back whole: this backup is proven."),
    )


def show_then_preview(
    work: Callable[[Work], int], *, title: str, file_name: str | None, said: str
) -> Response:
    """Do work on a backup, whose number comes out of it; then show what that would change."""

    def at_once(backup_id: int) -> Response:
        flash(said, "success")
        return go_to(url_for(".preview", backup_id=backup_id))

    finish_reading()
    return show_work(
        "backups/worked.html", work, at_once=at_once, title=title, file_name=file_name, said=said
    )


@bp.post("/backups/enable")
def enable() -> Response:
    """Let the jobs go on that a restore has paused."""
    count = enable_again(current_app.extensions["aegis.registry"], current_actor())
    text = ngettext("%(num)s job is enabled again.", "%(num)s jobs are enabled again.", count)
    flash(text, "success")
    return go_to(url_for(".index"))
