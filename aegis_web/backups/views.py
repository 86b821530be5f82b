"""The Backups page: the list, back up now, download, delete."""

import re
import secrets

from flask import Response, current_app, flash, request, send_file, url_for

from aegis_web.accounts.session import current_actor
from aegis_web.backups import restore_views as _restore_views  # noqa: F401  (its routes)
from aegis_web.backups.actions import delete_backup, request_backup
from aegis_web.backups.addresses import ID, bp
from aegis_web.backups.preview import paused_jobs
from aegis_web.backups.queries import backup_job, latest_backup, list_backups, open_backup
from aegis_web.config import settings
from aegis_web.errors import Invalid
from aegis_web.language import _
from aegis_web.web.pages import finish_reading, go_to, render

REQUEST_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


@bp.get("/backups")
def index() -> Response:
    """The list of backups, and what the backup job is doing."""
    config = settings()
    page = list_backups(before=number("before"), after=number("after"))
    return render(
        "backups/index.html",
        "backups/_list.html",
        listing=page,
        job=backup_job(),
        paused=paused_jobs(),
        persistent=config.persistent,
        keep=config.keep_backups,
        folder=str(config.backup_dir),
        request_key=secrets.token_hex(16),
    )


@bp.post("/backups")
def make() -> Response:
    """Ask for a backup now; a run of the backup job makes it."""
    key = request.form.get("request_key", "")
    if not REQUEST_KEY.fullmatch(key):
        text = _("The page is damaged or too old. Reload it and try again.")
        raise Invalid({"request_key": text})
    run_id = request_backup(current_actor(), current_app.extensions["aegis.registry"], key)
    if run_id is None:
        flash(_("A backup is being made already; it appears here when it is done."), "info")
    return go_to(url_for(".index"))


@bp.get(f"/backups/{ID}/file")
def download(backup_id: int) -> Response:
    """The file of a backup, read and compared with its SHA-256 before the first byte is sent."""
    backup, file = open_backup(backup_id)
    finish_reading()
    response = send_file(
        file,
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=backup.file_name,
    )
    response.content_length = backup.size_bytes
    response.headers["Cache-Control"] = "no-store"  # a copy of everything stays in no cache
    return response


@bp.get("/backups/latest/file")
def download_latest() -> Response:
    """The newest backup, for programs that fetch it every day."""
    return download(latest_backup())


@bp.post(f"/backups/{ID}/delete")
def delete(backup_id: int) -> Response:
    """Delete a backup and its file."""
    name = delete_backup(backup_id, current_actor())
    flash(_("Deleted %(name)s.", name=name), "success")
    return go_to(url_for(".index"))


def number(name: str) -> int | None:
    """A row number in the address; anything else counts as not given."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
