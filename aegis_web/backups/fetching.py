"""Bringing a copy off-site back into the folder of the backups, as one of the list."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from sqlalchemy import select

from aegis_web.audit.models import Actor, audit_entry
from aegis_web.backups.actions import (
    facts_of,
    publish,
    require_kept_database,
    text_beside,
    writing_to,
)
from aegis_web.backups.copies import UNWATCHED, Unusable, Watch
from aegis_web.backups.folder import MANIFEST, Folder, require_unchanged
from aegis_web.backups.manifest import as_text
from aegis_web.backups.models import FETCHED, Backup
from aegis_web.backups.off_site import off_site_place
from aegis_web.config import settings
from aegis_web.errors import Conflict
from aegis_web.extensions import transaction
from aegis_web.language import _


def fetch_backup(name: str, actor: Actor, watch: Watch = UNWATCHED) -> Backup:
    """Fetch the copy `name`, compared with its SHA-256; it is not proven yet.

    A backup of the list whose file is lost gets it back, and keeps its row. One that is here whole
    is not fetched again: whoever had the wrong key tries another.
    Raises: NotFound when it is not there; Conflict when another file of that name is here; Unusable
    when it is damaged; AegisError; Stopped.
    """
    config = settings()
    require_kept_database(config)
    place = off_site_place()
    manifest = place.manifest(name)
    began = monotonic()
    with writing_to(config.backup_dir) as folder:
        if folder.size(name) is not None:
            if known := known_backup(folder, manifest):
                return known
            text = _(
                "%(name)s is here already, in %(folder)s: delete that file first to have it anew.",
                name=name,
                folder=folder.path,
            )
            raise Conflict(text)
        with (
            folder.partial(name) as partial,
            folder.partial(name + MANIFEST) as beside,
            text_beside(folder, name, place.jobs(manifest)) as jobs,
        ):
            place.fetch(manifest, partial, watch)
            partial.flush()
            beside.write(as_text(manifest))
            beside.flush()
            with transaction() as session:
                backup = session.scalar(select(Backup).where(Backup.file_name == name))
                if backup is None:
                    backup = described(manifest, actor, round(monotonic() - began, 3))
                    session.add(backup)
                    session.flush()
                entry = {**facts_of(backup), "place": place.address}
                session.add(audit_entry(actor, "backup.fetch", f"backup:{backup.id}", None, entry))
                session.flush()
                publish(jobs, beside, partial)
    return backup


def known_backup(folder: Folder, manifest: Mapping[str, Any]) -> Backup | None:
    """The backup of the list that the copy is of, if its file here is the same."""
    with transaction() as session:
        query = select(Backup).where(Backup.file_name == manifest["file"])
        backup = session.scalar(query.where(Backup.sha256 == manifest["sha256"]))
    if backup is None:
        return None
    with folder.open(backup.file_name) as file, suppress(Conflict):
        require_unchanged(file, backup.size_bytes, backup.sha256)
        return backup
    return None


def described(manifest: Mapping[str, Any], actor: Actor, seconds: float) -> Backup:
    """The row of a backup that this database does not know.

    Raises: Unusable when the manifest does not say what it must.
    """
    try:
        return Backup(
            file_name=manifest["file"],
            database=str(manifest["database"]),
            size_bytes=int(manifest["size_bytes"]),
            sha256=manifest["sha256"],
            made_at=datetime.fromisoformat(manifest["made_at"]).astimezone(UTC),
            seconds=seconds,
            made_by=actor.name,
            origin=FETCHED,
            manifest=dict(manifest) if "rows" in manifest else None,
        )
    except (LookupError, TypeError, ValueError) as error:
        text = _("Its manifest does not say %(what)s: take another copy.", what=error)
        raise Unusable(text) from error
