"""Fire times in blackouts, or that passed while their job or everything was paused: pure functions.

All others are judged as always.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aegis_web.clock import from_us
from aegis_web.engine.blackouts import Blackout, blackout_at
from aegis_web.engine.decide import Due, Load, Policy, Verdict, decide, summary
from aegis_web.jobs.models import CatchUp
from aegis_web.runs.models import Reason, RunStatus

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """A time in which everything was paused."""

    from_at: datetime
    until_at: datetime  # not part of it
    catch_up: CatchUp | None  # None: as each job says

    def holds(self, instant: datetime) -> bool:
        """Whether `instant` lies in it."""
        return self.from_at <= instant < self.until_at


def spans_of(rows: Iterable[Any]) -> list[Span]:
    """The pauses of everything, from rows as the ledger gives them."""
    return [
        Span(
            from_us(row.from_at),
            LATEST if row.until_at is None else from_us(row.until_at),
            CatchUp.NONE
            if row.until_at is None
            else CatchUp(row.catch_up)
            if row.catch_up
            else None,
        )
        for row in rows
    ]


def verdicts(
    fires: Due,
    policy: Policy,
    now: datetime,
    load: Load,
    jitter: float = 0.0,
    room: int = sys.maxsize,
    spans: Sequence[Span] = (),
    blackouts: Sequence[Blackout] = (),
) -> list[Verdict]:
    """One verdict for each fire time in `fires`, oldest first; those in `spans` were paused."""
    if not spans and not blackouts:
        return list(decide(fires, policy, now, load, jitter, room))
    found = [
        Verdict(instant, RunStatus.SKIPPED, Reason.BLACKOUT)
        for instant in fires.newest
        if blackout_at(blackouts, instant)
    ]
    dark = {verdict.fire_at for verdict in found}
    others = tuple(instant for instant in fires.newest if instant not in dark)
    for span in spans:
        inside = tuple(instant for instant in others if span.holds(instant))
        others = tuple(instant for instant in others if not span.holds(instant))
        catch_up = span.catch_up or CatchUp(policy.catch_up)
        found += passed(only(fires, inside), Reason.PAUSED, catch_up, policy)
    if fires.older_from is not None:
        found.append(older(fires, policy, spans, blackouts))
    queued = sum(verdict.status is RunStatus.QUEUED for verdict in found)
    load = replace(load, queued=load.queued + queued)
    found += decide(only(fires, others), policy, now, load, jitter, room - queued)
    return sorted(found, key=lambda verdict: verdict.fire_at)


def passed(
    fires: Due,
    reason: Reason,
    catch_up: CatchUp,
    policy: Policy,
    blackouts: Sequence[Blackout] = (),
) -> list[Verdict]:
    """The rows of fire times that passed while the job was not to run.

    None runs for a fire time that a calendar forbade or that was to be skipped.
    """
    found = []
    if fires.older_from is not None:
        found.append(summary(fires, reason, RunStatus.SKIPPED))
    able = [
        fire_at
        for fire_at in fires.newest
        if not policy.broken and fire_at not in policy.skips and not blackout_at(blackouts, fire_at)
    ]
    chosen = set({CatchUp.NONE: [], CatchUp.LATEST: able[-1:], CatchUp.ALL: able}[catch_up])
    for fire_at in fires.newest:
        runs = fire_at in chosen
        status = RunStatus.QUEUED if runs else RunStatus.SKIPPED
        found.append(Verdict(fire_at, status, None if runs else reason))
    return found


def only(fires: Due, newest: tuple[datetime, ...]) -> Due:
    """Those fire times of `fires` alone."""
    return replace(fires, newest=newest, older_from=None, older_until=None, older_count=0)


def older(
    fires: Due, policy: Policy, spans: Sequence[Span], blackouts: Sequence[Blackout]
) -> Verdict:
    """The summary row of the oldest fire times: of a blackout or a pause that holds them all."""
    assert fires.older_from is not None
    assert fires.older_until is not None
    ends = (fires.older_from, fires.older_until)
    if any(all(map(blackout.holds, ends)) for blackout in blackouts):
        return summary(fires, Reason.BLACKOUT, RunStatus.SKIPPED)
    if any(all(map(span.holds, ends)) for span in spans):
        return summary(fires, Reason.PAUSED, RunStatus.SKIPPED)
    return summary(fires, Reason.BROKEN if policy.broken else Reason.BACKLOG)
