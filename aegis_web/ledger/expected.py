"""Which fire times a job had: computed from what it said when, never from its runs.

Pure functions, so that the ledger can be held against them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aegis_web.clock import MICROSECOND
from aegis_web.engine.triggers import Trigger


@dataclass(frozen=True)
class Rule:
    """A trigger, and the time in which it ruled."""

    trigger: Trigger
    after: datetime  # it ruled what came after this instant,
    until: datetime | None  # up to this one, included; None: it still rules
    first_at: datetime | None = None  # a fire time set by hand, with which its rule begins

    @property
    def begins(self) -> datetime:
        """The last instant before anything of it; a date may have passed when its job was made."""
        return self.after if self.first_at is None else min(self.after, just_before(self.first_at))

    def within(self, after: datetime, until: datetime) -> tuple[datetime, datetime]:
        """The part of (after, until] in which its trigger itself ruled; may be empty."""
        begin = max(after, self.first_at or self.after)
        return begin, until if self.until is None else min(until, self.until)

    def by_hand(self, after: datetime, until: datetime) -> bool:
        """Whether its fire time set by hand lies in (after, until]."""
        return (
            self.first_at is not None
            and after < self.first_at <= until
            and (self.until is None or self.first_at <= self.until)
        )


def count_expected(rules: Iterable[Rule], after: datetime, until: datetime) -> int:
    """How many fire times lay in (after, until]; exact, without walking them."""
    total = 0
    for rule in rules:
        begin, end = rule.within(after, until)
        total += rule.by_hand(after, until)
        total += rule.trigger.count_between(begin, end) if begin < end else 0
    return total


def expected_times(
    rules: Sequence[Rule], after: datetime, until: datetime, limit: int
) -> list[datetime]:
    """The newest `limit` fire times in (after, until], oldest first."""
    found: list[datetime] = []
    for rule in reversed(rules):
        begin, end = rule.within(after, until)
        if begin < end:
            found += rule.trigger.last_between(begin, end, limit)
        if rule.by_hand(after, until) and rule.first_at is not None:
            found.append(rule.first_at)
        if len(found) >= limit:
            break
    return sorted(found)[-limit:]


def next_expected(rules: Sequence[Rule], after: datetime) -> datetime | None:
    """The first fire time after `after`; None: there is none."""
    for rule in rules:
        if rule.first_at is not None and rule.by_hand(after, rule.first_at):
            return rule.first_at
        following = rule.trigger.next_after(max(after, rule.first_at or rule.after))
        if following is not None and (rule.until is None or following <= rule.until):
            return following
    return None


def rule_at(rules: Sequence[Rule], instant: datetime) -> Rule | None:
    """The rule that held at an instant; None: the job was not there, or what it said is unknown."""
    inside = (
        rule
        for rule in rules
        if rule.after < instant and (rule.until is None or instant <= rule.until)
    )
    return next(inside, None)


def just_before(instant: datetime) -> datetime:
    """The last instant that is earlier."""
    return instant - MICROSECOND
