"""The Backups page: the list, back up now, copy off-site now, download, delete, a file taken in."""

import os
import re
import secrets
from typing import NamedTuple

from flask import Response, abort, current_app, flash, request, url_for

from aegis_web.accounts.fresh import ask_for_fresh_sign_in, is_fresh
from aegis_web.accounts.session import current_actor
from aegis_web.backups.actions import delete_backup, request_backup, require_kept_database
from aegis_web.backups.addresses import ID, bp
from aegis_web.backups.downloads import (
    has_begun,
    note_download,
    note_text,
    open_backup,
    read_text,
)
from aegis_web.backups.folder import TEXT
from aegis_web.backups.off_site_copies import request_copy
from aegis_web.backups.off_site_status import off_site_status
from aegis_web.backups.picture import picture_of
from aegis_web.backups.preview import paused_jobs
from aegis_web.backups.queries import (
    backup_job,
    find_backup,
    latest_backup,
    list_backups,
)
from aegis_web.backups.restore_views import show_then_preview, told_by
from aegis_web.backups.retention import retention
from aegis_web.backups.uploads import instant_of, take_in
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import AegisError, Invalid
from aegis_web.language import _
from aegis_web.web.downloads import goes_on, hand_out
from aegis_web.web.pages import finish_reading, go_to, render
from aegis_web.web.working import Work

REQUEST_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


@bp.get("/backups")
def index() -> Response:
    """The list of backups, and what the backup job is doing."""
    return page()


def page(refused: str | None = None) -> Response:
    """The page; `refused` is why a file from elsewhere was not taken in, if one was tried."""
    config, now = settings(), utc_now()
    listing = list_backups(before=number("before"), after=number("after"))
    begins = begun_download()
    response = render(
        "backups/index.html",
        "backups/_list.html",
        status=422 if refused else 200,
        listing=listing,
        job=backup_job(),
        paused=paused_jobs(),
        picture=picture_of(retention(now), now),
        persistent=config.persistent,
        folder=str(config.backup_dir),
        off_site=off_site_status(config),
        request_key=secrets.token_hex(16),
        begins=begins,
        refused=refused,
    )
    if begins:
        response.headers["Refresh"] = f"0; url={begins.url}"
    return response


class Begun(NamedTuple):
    """A download that the page begins."""

    file_name: str
    url: str


def begun_download() -> Begun | None:
    """The download that the page begins: of who was asked to confirm who they are."""
    wanted, text = number("download"), number("text")
    chosen = text if wanted is None else wanted
    backup = find_backup(chosen) if chosen is not None and is_fresh() else None
    if backup is None:
        return None
    if wanted is None and backup.has_text:
        return Begun(backup.file_name + TEXT, url_for(".text", backup_id=backup.id))
    if wanted is None or backup.problem:
        return None
    return Begun(backup.file_name, url_for(".download", backup_id=backup.id))


@bp.post("/backups")
def make() -> Response:
    """Ask for a backup now; a run of the backup job makes it."""
    registry = current_app.extensions["aegis.registry"]
    run_id = request_backup(current_actor(), registry, request_key())
    if run_id is None:
        flash(_("A backup is being made already; it appears here when it is done."), "info")
    return go_to(url_for(".index"))


@bp.post("/backups/off-site")
def copy() -> Response:
    """Ask for copies off-site now; a run of the job that copies makes them."""
    if request_copy(current_actor(), request_key()) is None:
        flash(_("The copies are about to be made already."), "info")
    return go_to(url_for(".index"))


@bp.get(f"/backups/{ID}/file")
def download(backup_id: int) -> Response:
    """The file of a backup or a part of it, checked before the first byte is sent."""
    actor, is_part = current_actor(), "Range" in request.headers
    resumed = goes_on() and has_begun(actor, backup_id)
    if not resumed and (asked := ask_for_fresh_sign_in(url_for(".index", download=backup_id))):
        if is_part:  # what resumes a download would take a page for the rest of the file
            abort(403, _("Begin this download on the page Backups: it asks who you are."))
        return asked
    backup, file = open_backup(backup_id, anew=request.method == "GET" and not is_part)
    finish_reading()
    response = hand_out(
        file, name=backup.file_name, size_bytes=backup.size_bytes, sha256=backup.sha256
    )
    begins = response.status_code == 200 or (response.status_code == 206 and not resumed)
    if begins and request.method == "GET":
        note_download(actor, backup, str(response.content_range) or "whole")
    return response


@bp.get("/backups/latest/file")
def download_latest() -> Response:
    """The newest backup, for programs that fetch it every day."""
    return download(latest_backup())


@bp.get(f"/backups/{ID}/jobs")
def text(backup_id: int) -> Response:
    """The jobs of a backup as text."""
    if asked := ask_for_fresh_sign_in(url_for(".index", text=backup_id)):
        return asked
    actor = current_actor()
    name, content = read_text(backup_id)
    finish_reading()
    if request.method == "GET":
        note_text(actor, backup_id, name)
    response = Response(content, mimetype="text/plain")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/backups/uploads")
def upload() -> Response:
    """Keep a file from elsewhere as a backup, and show what it would change."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return page(_("Choose the file of a backup first."))
    require_kept_database(settings())
    actor, made_at = current_actor(), instant_of(file.filename)
    # A descriptor of its own puts it on the disk, and outlives the request.
    source = os.fdopen(os.dup(file.stream.fileno()), "rb")

    def work(shown: Work) -> int:
        with source:
            source.seek(0)
            return take_in(source, actor, told_by(shown), made_at=made_at).id

    try:
        return show_then_preview(
            work,
            title=_("Taking a backup in"),
            file_name=file.filename,
            said=_("Uploaded, rebuilt and proven."),
        )
    except AegisError as error:
        return page(str(error))


@bp.post(f"/backups/{ID}/delete")
def delete(backup_id: int) -> Response:
    """Delete a backup and its file, for who has just signed in."""
    if asked := ask_for_fresh_sign_in(url_for(".index")):
        flash(_("Nothing is deleted yet. Confirm that it is you, then delete it again."), "info")
        return asked
    name = delete_backup(backup_id, current_actor())
    flash(_("Deleted %(name)s.", name=name), "success")
    return go_to(url_for(".index"))


def request_key() -> str:
    """What makes two clicks one request.

    Raises: Invalid when it is none of ours.
    """
    key = request.form.get("request_key", "")
    if not REQUEST_KEY.fullmatch(key):
        text = _("The page is damaged or too old. Reload it and try again.")
        raise Invalid({"request_key": text})
    return key


def number(name: str) -> int | None:
    """A row number in the address; anything else counts as not given."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
