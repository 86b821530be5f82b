"""When a blackout calendar forbids runs: its local periods as stretches of the time line.

A period lasts from the first instant at which the clock on the wall shows its start (or, where
that is skipped, the change of the clock) to the last one at which it shows its end, which is free
again: a repeated hour is forbidden both times.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from aegis_web.clock import from_us, to_us
from aegis_web.engine.clockchange import changes_between

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Blackout:
    """One period of a calendar on the time line."""

    name: str
    start: datetime
    until: datetime  # not part of it

    def holds(self, instant: datetime) -> bool:
        """Whether `instant` lies in it."""
        return self.start <= instant < self.until


def read_blackouts(periods: Iterable[Mapping[str, str]], zone: ZoneInfo) -> tuple[Blackout, ...]:
    """The periods of a calendar as they are stored, the first to begin first."""
    found = [
        Blackout(
            period["name"],
            instant_of(datetime.fromisoformat(period["from"]), zone, last=False),
            instant_of(datetime.fromisoformat(period["until"]), zone, last=True),
        )
        for period in periods
    ]
    return tuple(sorted(found, key=lambda blackout: (blackout.start, blackout.until)))


@lru_cache(maxsize=1000)
def parse_blackouts(zone: str, periods: str) -> tuple[Blackout, ...]:
    """`read_blackouts` of a stored calendar: the name of its zone and the JSON of its periods.

    A calendar that this release cannot read forbids nothing, and a line in the log says so.
    """
    try:
        return read_blackouts(json.loads(periods), ZoneInfo(zone))
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        log.exception("a blackout calendar in the zone %s cannot be read: it forbids nothing", zone)
        return ()


def blackout_at(blackouts: Iterable[Blackout], instant: datetime) -> str | None:
    """The name of the period that forbids runs at `instant`; None: they are allowed."""
    return next((each.name for each in blackouts if each.holds(instant)), None)


def instant_of(local: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """When the clock of `zone` shows `local`, for the first or the last time, in UTC.

    Where the clock skips it: the instant of that change.
    """
    passes = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [each for each in passes if each.astimezone(zone).replace(tzinfo=None) == local]
    if shown:
        return max(shown) if last else min(shown)
    changes = changes_between(zone, to_us(min(passes)), to_us(max(passes)))
    return from_us(next(at for at, _, _ in changes))
