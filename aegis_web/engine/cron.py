"""Crontab expressions: parse, next fire time, count, words; exact over clock changes.

Five fields (minute, hour, day of month, month, day of week) with the meaning that Debian's cron
gives them, or one of @yearly to @hourly. docs/cron.md is the reference for people.

Source: crontab(5) and cron(8) of Debian; L, W and # as in Quartz, H as in Jenkins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from aegis_web.clock import from_us, to_us
from aegis_web.engine import words
from aegis_web.engine.clockchange import count_fires, newest, next_fire
from aegis_web.engine.cronfields import (
    MONTH_NAMES,
    BadField,
    FieldKind,
    FieldValues,
    read_field,
    shown,
)
from aegis_web.engine.cronhash import plain_field, says_hashed
from aegis_web.engine.daytimes import (
    LAST,
    Dates,
    DayRule,
    DayTimes,
    Position,
    TimesOfDay,
    Weekdays,
)
from aegis_web.errors import Invalid
from aegis_web.language import N_, _

LENGTH_LIMIT = 200
EXAMPLE = N_("Example: 30 2 * * 1-5 (at 02:30, Monday to Friday).")

SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

WEEKDAY_NAMES = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

MINUTE = FieldKind(N_("minute"), 0, 59)
HOUR = FieldKind(N_("hour"), 0, 23)
DAY_OF_MONTH = FieldKind(
    N_("day of month"),
    1,
    31,
    allowed=N_("1 to 31, L (the last day), LW and 15W (nearest working day)"),
)
MONTH = FieldKind(N_("month"), 1, 12, MONTH_NAMES, allowed=N_("1 to 12 or jan to dec"))
DAY_OF_WEEK = FieldKind(
    N_("day of week"),
    0,
    7,
    WEEKDAY_NAMES,
    allowed=N_("0 to 7 (0 and 7 are Sunday), sun to sat, fri#2 (the second), friL (the last)"),
)
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)

_NEAREST = re.compile(r"([0-9]{1,2})w", re.ASCII)
_POSITION = re.compile(r"([0-9]{1,2}|[a-z]{3})(?:#([0-9]+)|(l))", re.ASCII)


class CronError(Invalid, ValueError):
    """A cron expression that cannot be used; its text is one plain sentence or two."""

    def __init__(self, sentence: str) -> None:
        super().__init__({"cron": sentence})
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class CronExpression:
    """A crontab expression; two are equal when their texts and seeds are."""

    text: str  # as typed, with single spaces
    seed: str  # what an `H` was chosen by; empty without one, or while nobody has given it
    hashed: bool = field(repr=False, compare=False)  # there is an `H`
    pattern: DayTimes = field(repr=False, compare=False)
    fixed: bool = field(repr=False, compare=False)  # the "fixed time" rule of cron(8) applies

    def next_after(self, instant: datetime, zone: ZoneInfo) -> datetime | None:
        """The first fire time strictly after `instant`, in UTC; None: none within 50 years."""
        following = next_fire(self.pattern, self.fixed, to_us(instant), zone)
        return None if following is None else from_us(following)

    def count(self, after: datetime, until: datetime, zone: ZoneInfo) -> int:
        """How many fire times lie in (after, until]; exact, and not by walking them."""
        return count_fires(self.pattern, self.fixed, to_us(after), to_us(until), zone)

    def last(self, after: datetime, until: datetime, zone: ZoneInfo, limit: int) -> list[datetime]:
        """The newest `limit` fire times in (after, until], oldest first, in UTC."""
        return newest(
            lambda instant: self.next_after(instant, zone),
            lambda low, high: self.count(low, high, zone),
            after,
            until,
            limit,
        )

    def words(self) -> str:
        """The expression in plain words: "At 09:00, Monday to Friday"."""
        return words.in_words(self.pattern.rule, self.pattern.times)


@lru_cache(maxsize=4096)
def parse(text: str, seed: str = "") -> CronExpression:
    """The expression that `text` writes; an `H` in it is chosen by `seed`.

    Raises: CronError, naming the field, what it says and what is allowed; also for an
    expression that no calendar day ever fits, such as 30 February.
    """
    if len(text) > LENGTH_LIMIT:
        sentence = N_(
            "The cron expression has %(length)s characters; at most %(most)s are allowed."
        )
        raise CronError(_(sentence, length=len(text), most=LENGTH_LIMIT))
    parts = text.split()
    if not parts:
        raise CronError(" ".join([_("The cron expression is empty."), _(EXAMPLE)]))
    fields = _shorthand(parts).split() if parts[0].startswith("@") else parts
    if len(fields) != 5:
        raise CronError(_wrong_number(parts))
    hashed = any(map(says_hashed, fields))
    if hashed:
        fields = _without_hashes(fields, seed)
    minute, hour = _plain(MINUTE, fields[0]), _plain(HOUR, fields[1])
    dates_read, dates = _dates(fields[2])
    month = _plain(MONTH, fields[3])
    weekdays_read, weekdays = _weekdays(fields[4])
    both = dates_read.starts_with_star or weekdays_read.starts_with_star
    rule = DayRule(month.values, dates, weekdays, either=not both)
    if not rule.ever_matches():
        raise CronError(_never(fields))
    pattern = DayTimes(rule, TimesOfDay(hour.values, minute.values, (0,)))
    fixed = not (minute.starts_with_star or hour.starts_with_star)
    return CronExpression(" ".join(parts), seed if hashed else "", hashed, pattern, fixed)


def _without_hashes(fields: Sequence[str], seed: str) -> list[str]:
    plain = []
    for kind, text in zip(FIELDS, fields, strict=True):
        try:
            plain.append(plain_field(kind, text, seed))
        except BadField as reason:
            raise _refusal(kind, text, reason) from None
    return plain


def _shorthand(parts: Sequence[str]) -> str:
    name = parts[0].lower()
    if name == "@reboot":
        raise CronError(
            _(
                "@reboot cannot be used: it means the start of a machine, which is not a time. "
                "Choose a time, for example @daily."
            )
        )
    if name == "@every":
        raise CronError(
            _("@every cannot be used in a cron expression. Choose the interval trigger instead.")
        )
    if name not in SHORTHANDS:
        allowed = ", ".join(SHORTHANDS)
        sentence = N_('"%(name)s" is not known. Allowed: %(allowed)s.')
        raise CronError(_(sentence, name=shown(parts[0]), allowed=allowed))
    if len(parts) > 1:
        raise CronError(_("%(name)s stands alone; remove what follows it.", name=name))
    return SHORTHANDS[name]


def _wrong_number(parts: Sequence[str]) -> str:
    said = [
        _(
            "A cron expression has five fields: minute, hour, day of month, month and day of week. "
            '"%(text)s" has %(number)s.',
            text=shown(" ".join(parts)),
            number=len(parts),
        )
    ]
    if len(parts) > 5:
        said.append(_("Leave out seconds, years and the command."))
    return " ".join([*said, _(EXAMPLE)])


def _plain(kind: FieldKind, text: str) -> FieldValues:
    try:
        return read_field(kind, text)
    except BadField as reason:
        raise _refusal(kind, text, reason) from None


def _dates(text: str) -> tuple[FieldValues, Dates]:
    """The day of month field: numbers, L, LW and nW."""
    last: list[str] = []
    nearest: set[int] = set()

    def special(part: str) -> Sequence[int] | None:
        if part in ("l", "lw"):
            last.append(part)
            return ()
        if match := _NEAREST.fullmatch(part):
            if not 1 <= int(match[1]) <= 31:
                raise BadField(_("%(number)s is not a day of the month", number=match[1]))
            nearest.add(int(match[1]))
            return ()
        return None

    try:
        read = read_field(DAY_OF_MONTH, text, special)
    except BadField as reason:
        raise _refusal(DAY_OF_MONTH, text, reason) from None
    return read, Dates(read.values, "l" in last, "lw" in last, tuple(sorted(nearest)))


def _weekdays(text: str) -> tuple[FieldValues, Weekdays]:
    """The day of week field: numbers, names, fri#2 and friL."""
    positions: set[Position] = set()

    def special(part: str) -> Sequence[int] | None:
        match = _POSITION.fullmatch(part)
        if match is None:
            return None
        (weekday,) = read_field(DAY_OF_WEEK, match[1]).values
        if match[2] is not None and not 1 <= int(match[2]) <= 5:
            text = N_('"%(part)s": a weekday comes at most five times in a month')
            raise BadField(_(text, part=shown(part)))
        positions.add(((weekday - 1) % 7, LAST if match[2] is None else int(match[2])))
        return ()

    try:
        read = read_field(DAY_OF_WEEK, text, special)
    except BadField as reason:
        raise _refusal(DAY_OF_WEEK, text, reason) from None
    days = tuple(sorted({(day - 1) % 7 for day in read.values}))
    return read, Weekdays(days, tuple(sorted(positions)))


def _refusal(kind: FieldKind, text: str, reason: BadField) -> CronError:
    sentence = _(
        'The %(field)s field says "%(text)s": %(reason)s.',
        field=_(kind.label),
        text=shown(text),
        reason=reason,
    )
    return CronError(f"{sentence} {kind.describe()}")


def _never(fields: Sequence[str]) -> str:
    day, month, weekday = map(shown, fields[2:])
    if weekday == "*":
        return _(
            "This expression never fires: no year has a day of month %(day)s "
            "in month %(month)s. Choose days that these months have.",
            day=day,
            month=month,
        )
    return _(
        "This expression never fires: no year has a day of month %(day)s "
        "in month %(month)s on day of week %(weekday)s. Choose days that these months have.",
        day=day,
        month=month,
        weekday=weekday,
    )
