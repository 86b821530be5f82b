"""Deleting the backups that no tier keeps, and never the last one that is proven.

And what was brought from elsewhere and then not brought back.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from aegis_web.audit.models import Actor
from aegis_web.backups.actions import remove
from aegis_web.backups.models import ELSEWHERE, UNCONFIRMED, Backup, kind_of
from aegis_web.backups.off_site_copies import let_go
from aegis_web.backups.queries import brought_back, taken_in_at
from aegis_web.backups.retention import Known, known_backups, rules_of, why_kept
from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.errors import AegisError
from aegis_web.extensions import transaction


def prune(actor: Actor) -> tuple[list[str], dict[str, str]]:
    """Delete what no tier keeps, oldest first, files and rows; one transaction each.

    Gives the files' names, and those that could not be deleted with the reason; they stay in the
    table. While no newer proven backup is there, none of ours goes.
    """
    now = utc_now()
    with transaction() as session:
        backups = known_backups(session)
        declined = declined_of(session, backups, now)
    kept = why_kept(backups, rules_of(settings()), now)
    deleted: list[str] = []
    failed: dict[str, str] = {}
    for backup in reversed([one for one in backups if not kept[one.id] or one.id in declined]):
        try:
            with transaction() as session:
                row = session.get(Backup, backup.id, with_for_update=True)
                if row is None or not (row.id in declined or is_replaced(session, row)):
                    continue
                let_go(session, row)
                remove(session, row, actor, "backup.prune")
        except AegisError as error:
            failed[backup.file_name] = str(error)
        else:
            deleted.append(backup.file_name)
    return deleted, failed


def declined_of(session: Session, backups: Iterable[Known], now: datetime) -> set[int]:
    """The uploaded ones that nobody has brought back within a day."""
    uploaded = {
        one.id
        for one in backups
        if (at := taken_in_at(one.origin, one.file_name)) and at + UNCONFIRMED < now
    }
    return uploaded - brought_back(session, uploaded) if uploaded else uploaded


def is_replaced(session: Session, backup: Backup) -> bool:
    """Whether a newer proven one of ours is there; it cannot vanish within this transaction.

    One that is proven is replaced only by one of the same kind of database.
    """
    newer = tuple_(Backup.made_at, Backup.id) > (backup.made_at, backup.id)
    own = Backup.origin.not_in(ELSEWHERE)
    query = select(Backup.id).where(Backup.proven_at.is_not(None), own, newer)
    if backup.proven_at is not None:
        query = query.where(Backup.database.istartswith(kind_of(backup.database)))
    newest = query.order_by(Backup.made_at.desc(), Backup.id.desc()).limit(1)
    return session.scalar(newest.with_for_update(read=True)) is not None
