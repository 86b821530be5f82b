"""What is kept as a picture: a lane for each reason, a mark for each backup, now at the right.

Time is drawn closer together the older it is, so that days and months have room on one strip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log1p

from aegis_web.backups.models import SAFETY
from aegis_web.backups.retention import FOREIGN, LAST_DAY, OTHER_KIND, REASONS, Known, Retention
from aegis_web.backups.tiers import DAILY, HOURLY, MONTHLY, NEWEST, WEEKLY
from aegis_web.language import N_, _
from aegis_web.web.charts import Tick
from aegis_web.web.formats import clock

NAMES = {
    NEWEST: N_("Newest"),
    LAST_DAY: N_("Last 24 hours"),
    HOURLY: N_("Hourly"),
    DAILY: N_("Daily"),
    WEEKLY: N_("Weekly"),
    MONTHLY: N_("Monthly"),
    OTHER_KIND: N_("Other database"),
    SAFETY: N_("Before a restore"),
    FOREIGN: N_("From elsewhere"),
}
AGES = (
    (timedelta(hours=1), N_("1 hour")),
    (timedelta(days=1), N_("1 day")),
    (timedelta(days=7), N_("1 week")),
    (timedelta(days=30), N_("1 month")),
    (timedelta(days=182), N_("6 months")),
    (timedelta(days=365), N_("1 year")),
)
DRAWN = 120  # marks; of more only the newest
RIGHT = 98.0  # percent: where a mark of now begins, so that it ends at the edge
APART = 16.0  # percent between the words of two ages, on a phone too


@dataclass(frozen=True)
class Mark:
    """One backup in a lane."""

    x: float  # percent of the strip
    kind: str  # ok, late or planned: its colour
    title: str


@dataclass(frozen=True)
class Lane:
    """The backups that one reason keeps, or those that go next."""

    name: str
    marks: tuple[Mark, ...]
    count: int  # of those that are kept, the proven ones
    of: int | None = None  # as many as it may keep; None: without a bound


@dataclass(frozen=True)
class Row:
    """One backup in words."""

    made_at: datetime
    proven: bool
    reasons: str  # "Daily, Weekly"
    leaving: bool


@dataclass(frozen=True)
class Picture:
    """All of it, and the same in words."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]  # newest first
    left_out: int  # older than those that are drawn
    zone: str  # whose wall clock begins the periods
    leaving: tuple[datetime, ...]  # when those that go next were made, newest first
    leaving_at: datetime | None  # the planned backup after which they go; None: none is planned
    safe_until: datetime | None  # where nothing goes: the last planned backup looked at


def picture_of(found: Retention, now: datetime) -> Picture:
    """What is kept, as it is drawn."""
    drawn = found.backups[:DRAWN]
    axis = Axis(drawn, now, hours=found.rules.counts[HOURLY] > 0)
    gone = found.leaving.ids if found.leaving else frozenset()
    rows = [
        Row(
            one.made_at,
            one.proven,
            ", ".join(_(NAMES[reason]) for reason in found.kept[one.id]),
            one.id in gone,
        )
        for one in drawn
    ]
    return Picture(
        lanes=tuple(lanes_of(found, axis, drawn, gone)),
        ticks=axis.ticks(),
        rows=tuple(rows),
        left_out=len(found.backups) - len(drawn),
        zone=found.rules.zone.key,
        leaving=tuple(one.made_at for one in found.backups if one.id in gone),
        leaving_at=found.leaving.at if found.leaving and found.fires else None,
        safe_until=found.fires[-1] if found.fires and not found.leaving else None,
    )


class Axis:
    """Where a time is drawn, in percent: half of the strip is for what is young."""

    def __init__(self, drawn: Sequence[Known], now: datetime, *, hours: bool) -> None:
        self.now = now
        self.unit = timedelta(hours=3) if hours else timedelta(days=3)
        self.span = max([self.unit, *(now - one.made_at for one in drawn)])

    def x(self, age: timedelta) -> float:
        """The place of an age; the oldest is at 0."""
        part = log1p(max(age / self.unit, 0)) / log1p(self.span / self.unit)
        return round(RIGHT * (1 - part), 2)

    def mark(self, one: Known, kind: str) -> Mark:
        return Mark(self.x(self.now - one.made_at), kind, clock(one.made_at))

    def ticks(self) -> tuple[Tick, ...]:
        """The ages that are written down, as far apart as their words need."""
        ticks = [Tick(RIGHT, _("now"))]
        for age, words in AGES:
            x = self.x(age) if age <= self.span else 0
            if APART / 2 < x < ticks[-1].x - APART:
                ticks.append(Tick(x, _(words)))
        return tuple(ticks)


def lanes_of(
    found: Retention, axis: Axis, drawn: Sequence[Known], gone: frozenset[int]
) -> Iterator[Lane]:
    """A lane for each tier that keeps any, for other reasons where they alone keep one, and for
    what goes next."""
    counts = found.rules.counts
    for reason in REASONS:
        of = counts.get(reason)
        held = {number for number, reasons in found.kept.items() if reason in reasons}
        alone = [number for number in held if not counts.keys() & found.kept[number]]
        if of or (of is None and alone):
            marks = tuple(
                axis.mark(one, "ok" if one.proven else "late") for one in drawn if one.id in held
            )
            proven = sum(one.proven for one in found.backups if one.id in held)
            yield Lane(_(NAMES[reason]), marks, proven, of)
    if gone:
        marks = tuple(axis.mark(one, "planned") for one in drawn if one.id in gone)
        yield Lane(_("Goes next"), marks, len(gone))
