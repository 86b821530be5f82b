"""Backups that are taken away: their file, checked, and what the audit keeps of it."""

import os
from datetime import timedelta
from io import BufferedReader

from sqlalchemy import select

from aegis_web.audit.models import Actor, AuditEntry, audit_entry, origin
from aegis_web.backups.folder import TEXT, open_folder, require_unchanged
from aegis_web.backups.jobs_text import stored_text
from aegis_web.backups.models import Backup
from aegis_web.backups.packing import unseal
from aegis_web.backups.queries import BackupRow, row_of
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import NotFound
from aegis_web.extensions import db, transaction
from aegis_web.language import _

DOWNLOAD = "backup.download"
DOWNLOAD_TEXT = "backup.download_text"  # another, so that nobody resumes a backup by it
RESUMED_WITHIN = timedelta(hours=1)
MOST_SOUND = 1000

State = tuple[int, int, int, int, str]  # inode, bytes, changes of content and of facts in ns, hash
sound: dict[str, State] = {}  # by file name: as this process has found it to be whole


def open_backup(backup_id: int, *, anew: bool = True) -> tuple[BackupRow, BufferedReader]:
    """A backup and its file at its beginning, checked byte for byte; the caller closes it.

    Unless it is to be checked `anew`, a file that this process has found whole and that has not
    been touched since is not read again.
    Raises: NotFound when the backup or its file is not there; Conflict when it has changed.
    """
    found = db.session.get(Backup, backup_id)
    if found is None:
        raise NotFound(_("There is no such backup, or there is no more. It may have been deleted."))
    with open_folder(settings().backup_dir) as folder:
        file = folder.open(found.file_name)
    try:
        state = state_of(file, found.sha256)
        if anew or sound.get(found.file_name) != state:
            require_unchanged(file, found.size_bytes, found.sha256)
            if len(sound) >= MOST_SOUND:
                sound.clear()
            sound[found.file_name] = state
    except BaseException:
        file.close()
        raise
    return row_of(found, found.size_bytes, has_text=False), file


def read_text(backup_id: int) -> tuple[str, bytes]:
    """The file name and the text of a backup's jobs, opened where it is sealed.

    Raises: NotFound when there is none, or another than was written; Unusable without its key.
    """
    found = db.session.get(Backup, backup_id)
    if found is None:
        raise NotFound(_("There is no such backup, or there is no more. It may have been deleted."))
    with open_folder(settings().backup_dir) as folder:
        stored = stored_text(folder, found.file_name, found.manifest or {})
    if stored is None:
        text = _(
            "There is no text of the jobs beside this backup: an older release made it, or the "
            "file was moved, changed or deleted."
        )
        raise NotFound(text)
    return found.file_name + TEXT, unseal(stored, settings().backup_keys)


def state_of(file: BufferedReader, sha256: str) -> State:
    """What differs once anybody has written to the file, or its row names another hash."""
    facts = os.fstat(file.fileno())
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, sha256


def has_begun(actor: Actor, backup_id: int) -> bool:
    """Whether the actor began to download the backup in the last hour, from the same address and
    by the same token, if any. One query."""
    came = origin.get()
    wanted = select(AuditEntry.id).where(
        AuditEntry.subject == f"backup:{backup_id}",
        AuditEntry.at > utc_now() - RESUMED_WITHIN,
        AuditEntry.action == DOWNLOAD,
        AuditEntry.account_id == actor.account_id,
        AuditEntry.address.is_not_distinct_from(came.address),
        AuditEntry.token.is_not_distinct_from(came.token),
    )
    return db.session.scalar(wanted.limit(1)) is not None


def note_text(actor: Actor, backup_id: int, file_name: str) -> None:
    """Write down who takes the text of a backup's jobs away."""
    after = {"file_name": file_name}
    with transaction() as session:
        session.add(audit_entry(actor, DOWNLOAD_TEXT, f"backup:{backup_id}", None, after))


def note_download(actor: Actor, backup: BackupRow, part: str) -> None:
    """Write down who takes which part of a backup away; `part` is "whole" or names its bytes."""
    after = {"file_name": backup.file_name, "part": part}
    with transaction() as session:
        session.add(audit_entry(actor, DOWNLOAD, f"backup:{backup.id}", None, after))
