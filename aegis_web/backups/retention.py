"""Which backups stay and why: the tiers of the settings over what the table holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aegis_web.backups.actions import JOB_KEY
from aegis_web.backups.models import ELSEWHERE, MADE, SAFETY, Backup, kind_of
from aegis_web.backups.queries import sizes_of
from aegis_web.backups.tiers import DAILY, HOURLY, MONTHLY, NEWEST, WEEKLY, kept_by
from aegis_web.config import Settings, settings
from aegis_web.database import WRITE
from aegis_web.engine.triggers import coming, from_json
from aegis_web.extensions import db
from aegis_web.jobs.models import Job, JobState

FOREIGN = "foreign"  # the reason of those from elsewhere
LAST_DAY = "last_day"  # the reason of those that are younger than `YOUNG`
OTHER_KIND = "other_kind"  # the reason of the newest of a database that was moved away from
YOUNG = timedelta(days=1)  # until then a day's next backup does not take the place of one
SAFETY_AGE = timedelta(days=7)  # until then what a restore has replaced can be had again
LOOK_AHEAD = 32  # planned backups of which one is asked what it makes go
REASONS = (NEWEST, LAST_DAY, HOURLY, DAILY, WEEKLY, MONTHLY, OTHER_KIND, SAFETY, FOREIGN)


@dataclass(frozen=True)
class Known:
    """What decides whether a backup stays."""

    id: int
    made_at: datetime
    proven: bool  # and its file is here, as long as it was
    origin: str = MADE
    file_name: str = ""
    kind: str = ""  # of its database, as `kind_of` says


@dataclass(frozen=True)
class Rules:
    """How many periods of each tier keep a backup, and in which zone they begin."""

    counts: dict[str, int]
    zone: ZoneInfo


@dataclass(frozen=True)
class Leaving:
    """The backups that go first, and the new one after which they do."""

    at: datetime  # when that one is due
    ids: frozenset[int]


@dataclass(frozen=True)
class Retention:
    """What is kept now, and what goes next."""

    backups: Sequence[Known]  # newest first
    kept: Mapping[int, tuple[str, ...]]  # why, by number
    rules: Rules
    fires: Sequence[datetime]  # the next backups that are planned; none: the job does not run
    leaving: Leaving | None  # None: nothing goes with any of `fires`


def rules_of(config: Settings) -> Rules:
    """The rules that the settings name."""
    counts = {
        HOURLY: config.keep_backups_hourly,
        DAILY: config.keep_backups_daily,
        WEEKLY: config.keep_backups_weekly,
        MONTHLY: config.keep_backups_monthly,
    }
    return Rules(counts, ZoneInfo(config.zone))


def known_backups(session: Session) -> list[Known]:
    """All that the table holds, newest first. One query, and a look at each file's size."""
    facts = Backup.id, Backup.made_at, Backup.proven_at, Backup.origin, Backup.file_name
    query = select(*facts, Backup.database, Backup.size_bytes)
    rows = session.execute(query.order_by(Backup.made_at.desc(), Backup.id.desc())).all()
    sizes = sizes_of([row.file_name for row in rows])
    return [
        Known(
            row.id,
            row.made_at,
            row.proven_at is not None and sizes.get(row.file_name) == row.size_bytes,
            row.origin,
            row.file_name,
            kind_of(row.database),
        )
        for row in rows
    ]


def why_kept(backups: Sequence[Known], rules: Rules, now: datetime) -> dict[int, tuple[str, ...]]:
    """Why each backup stays, by its number; one without a reason goes.

    A backup stays if the tiers keep it among all, or among the proven ones alone: so one that is
    no good takes no other's place. The newest proven one stays, and whatever is newer; so does the
    newest proven one of each kind of database, and whatever is younger than `YOUNG`. One from
    elsewhere replaces none of ours and goes by hand only.
    """
    own = [backup for backup in backups if backup.origin not in ELSEWHERE]
    times = {backup.id: backup.made_at for backup in own}
    proven = {backup.id: backup.made_at for backup in own if backup.proven}
    among_all = kept_by(times, rules.counts, rules.zone)
    among_proven = kept_by(proven, rules.counts, rules.zone)
    kept, replaced = {}, False
    kinds = {one.id: one.kind for one in own if one.proven}
    seen: set[str] = set()  # kinds of which a newer one is proven
    young = {one.id for one in own if now - one.made_at < YOUNG}
    safety = {one.id for one in own if one.origin == SAFETY and now - one.made_at < SAFETY_AGE}
    for number, reasons in among_all.items():
        found = {*reasons, *among_proven.get(number, ())}
        if not replaced:
            found.add(NEWEST)
        elif number in kinds and kinds[number] not in seen:
            found.add(OTHER_KIND)
        if number in young:
            found.add(LAST_DAY)
        if number in safety:
            found.add(SAFETY)
        kept[number] = tuple(reason for reason in REASONS if reason in found)
        replaced = replaced or number in proven
        if number in kinds:
            seen.add(kinds[number])
    return kept | {one.id: (FOREIGN,) for one in backups if one.origin in ELSEWHERE}


def retention(now: datetime) -> Retention:
    """The backups of this installation under its rules. Two queries."""
    backups, rules = known_backups(db.session()), rules_of(settings())
    query = select(Job.trigger, Job.next_run_at).where(
        Job.key == JOB_KEY,
        Job.deleted_at.is_(None),
        Job.state == JobState.ACTIVE,
        Job.problem.is_(None),
    )
    job = db.session.execute(query).first()
    fires = coming(from_json(job.trigger), job.next_run_at, now, LOOK_AHEAD) if job else []
    kept = why_kept(backups, rules, now)
    kind = db.engines[WRITE].dialect.name
    return Retention(backups, kept, rules, fires, next_to_go(backups, rules, fires or [now], kind))


def next_to_go(
    backups: Sequence[Known], rules: Rules, fires: Iterable[datetime], kind: str = ""
) -> Leaving | None:
    """What goes first if a proven backup of this `kind` of database is made at each of `fires`.

    None: nothing by then.
    """
    known = list(backups)
    for at in fires:
        number = max((each.id for each in known), default=0) + 1
        known.insert(0, Known(number, at, proven=True, kind=kind))
        kept = why_kept(known, rules, at)
        if gone := frozenset(each.id for each in backups if not kept[each.id]):
            return Leaving(at, gone)
    return None
