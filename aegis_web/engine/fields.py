"""APScheduler's cron keyword fields as days and times: `hour=9, day_of_week="mon-fri"`.

The fields keep APScheduler's meaning: 0 is Monday, all fields must fit at once, a field left out
is `*` above the least significant one that is given and at its lowest below it. What APScheduler
accepts and then half ignores (`mon-fri/2`, `lastfoo`) is refused.

Source: APScheduler 3.11, apscheduler.triggers.cron.
"""

import re
from collections.abc import Mapping, Sequence

from aegis_web.engine.cronfields import (
    MONTH_NAMES,
    BadField,
    FieldKind,
    FieldValues,
    Special,
    read_field,
    shown,
)
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

LENGTH_LIMIT = 200
WEEKDAY_NAMES = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
POSITIONS = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": LAST}

# From the most to the least significant.
KINDS = {
    "year": FieldKind("year", 1970, 9999),
    "month": FieldKind(
        "month", 1, 12, MONTH_NAMES, names_take_steps=False, allowed="1 to 12 or jan to dec"
    ),
    "day": FieldKind("day", 1, 31, allowed="1 to 31, last, 1st mon, last fri"),
    "week": FieldKind("week", 1, 53),
    "day_of_week": FieldKind(
        "day_of_week",
        0,
        6,
        WEEKDAY_NAMES,
        names_take_steps=False,
        allowed="0 (Monday) to 6 (Sunday) or mon to sun",
    ),
    "hour": FieldKind("hour", 0, 23),
    "minute": FieldKind("minute", 0, 59),
    "second": FieldKind("second", 0, 59),
}
LOWEST = {"month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}
POSITION = re.compile(r"(1st|2nd|3rd|4th|5th|last) +([a-z]+)", re.ASCII)


def normalised(fields: Mapping[str, object]) -> dict[str, str]:
    """The fields that are given, as texts, from year to second.

    Raises: Invalid for an unknown field or a value that is neither text nor a whole number.
    """
    unknown = [name for name in fields if name not in KINDS]
    if unknown:
        raise Invalid({unknown[0]: f"There is no such field. There are: {', '.join(KINDS)}."})
    texts = {}
    for name in KINDS:
        value = fields.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise Invalid(
                {name: f"{name} must be a text or a whole number, not {type(value).__name__}."}
            )
        texts[name] = " ".join(str(value).split())
        if len(texts[name]) > LENGTH_LIMIT:
            raise Invalid({name: f"{name} has more than {LENGTH_LIMIT} characters."})
    return texts


def compiled(fields: Mapping[str, str]) -> tuple[DayTimes, bool]:
    """The pattern of normalised fields, and whether it is one of particular times ("fixed").

    Raises: Invalid, keyed by the field; under "fields" when no day ever fits them all.
    """
    texts = _completed(fields)
    positions: set[Position] = set()
    last: list[str] = []

    def special(part: str) -> Sequence[int] | None:
        if part == "last":
            last.append(part)
            return ()
        match = POSITION.fullmatch(part)
        if match is None or match[2] not in WEEKDAY_NAMES:
            return None
        positions.add((WEEKDAY_NAMES[match[2]], POSITIONS[match[1]]))
        return ()

    read = {
        name: _read(name, text, special if name == "day" else None) for name, text in texts.items()
    }
    rule = DayRule(
        read["month"].values,
        Dates(read["day"].values, bool(last), positions=tuple(sorted(positions))),
        Weekdays(read["day_of_week"].values),
        weeks=_unless_all(read["week"]),
        years=_unless_all(read["year"]),
    )
    if not rule.ever_matches():
        given = ", ".join(f"{name}={text!r}" for name, text in fields.items())
        raise Invalid({"fields": f"These fields never fire: no day fits all of {given}."})
    times = TimesOfDay(read["hour"].values, read["minute"].values, read["second"].values)
    return DayTimes(rule, times), not (
        read["minute"].starts_with_star or read["hour"].starts_with_star
    )


def _completed(fields: Mapping[str, str]) -> dict[str, str]:
    """All fields: those left out are `*` above the last one given, at their lowest below."""
    names = list(KINDS)
    last_given = max((names.index(name) for name in fields), default=len(names))
    return {
        name: fields.get(name, "*" if index < last_given else LOWEST.get(name, "*"))
        for index, name in enumerate(names)
    }


def _read(name: str, text: str, special: Special | None) -> FieldValues:
    kind = KINDS[name]
    try:
        return read_field(kind, text, special)
    except BadField as reason:
        raise Invalid({name: f'{name}="{shown(text)}": {reason}. {kind.describe()}'}) from None


def _unless_all(read: FieldValues) -> tuple[int, ...] | None:
    return None if read.text == "*" else read.values
