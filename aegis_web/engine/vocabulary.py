"""What sentences about triggers are made of: names, lists and numbers, in the reader's language.

What a rule says with them is `words`' business.
"""

from collections.abc import Sequence
from itertools import pairwise

from aegis_web.engine.daytimes import LAST
from aegis_web.language import N_, _, ngettext

MONTHS = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
WEEKDAYS = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
POSITIONS = {
    1: N_("first %(weekday)s"),
    2: N_("second %(weekday)s"),
    3: N_("third %(weekday)s"),
    4: N_("fourth %(weekday)s"),
    5: N_("fifth %(weekday)s"),
    LAST: N_("last %(weekday)s"),
}
ORDINALS = {1: N_("%(number)sst"), 2: N_("%(number)snd"), 3: N_("%(number)srd")}
ORDINAL = N_("%(number)sth")
AND, OR = N_("%(items)s and %(last)s"), N_("%(items)s or %(last)s")


def interval(length: int, unit: str) -> str:
    """ "every 30 minutes", "every day"; `unit` is a plural such as "minutes"."""
    match unit:
        case "seconds":
            return ngettext("every second", "every %(num)s seconds", length)
        case "minutes":
            return ngettext("every minute", "every %(num)s minutes", length)
        case "hours":
            return ngettext("every hour", "every %(num)s hours", length)
        case "days":
            return ngettext("every day", "every %(num)s days", length)
    return ngettext("every week", "every %(num)s weeks", length)


def joined(items: Sequence[str], last: str = AND) -> str:
    """Items as a list in a sentence: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return _(last, items=", ".join(items[:-1]), last=items[-1])


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    teen = 10 <= number % 100 <= 13
    return _(ORDINAL if teen else ORDINALS.get(number % 10, ORDINAL), number=number)


def month_name(number: int) -> str:
    """The name of the month `number`, from 1."""
    return _(MONTHS[number - 1])


def weekday_name(number: int) -> str:
    """The name of the weekday `number`, Monday = 0."""
    return _(WEEKDAYS[number])


def capitalised(text: str) -> str:
    """`text` as a sentence begins."""
    return f"{text[:1].upper()}{text[1:]}"


def full_step(values: Sequence[int], size: int) -> int:
    """The step of values that go round `size` evenly (0, 15, 30, 45 of 60); else 0."""
    if len(values) < 2 or size % len(values):
        return 0
    step = size // len(values)
    return step if tuple(values) == tuple(range(values[0], size, step)) else 0


def unbroken(values: Sequence[int], size: int = 0) -> bool:
    """Whether each value follows the one before; round the corner of `size` if given."""
    return all(
        following == value + 1 or (size and (value + 1) % size == following)
        for value, following in pairwise(values)
    )


def turned(values: Sequence[int], size: int) -> list[int]:
    """Values as they follow each other round the corner: 22, 23, 0, 1 instead of 0, 1, 22, 23."""
    values = list(values)
    present = set(values)
    starts = [value for value in values if (value - 1) % size not in present]
    if len(starts) != 1:
        return values
    index = values.index(starts[0])
    return values[index:] + values[:index]


def ends_of(values: Sequence[int], size: int, start: int = 0) -> tuple[int, int] | None:
    """First and last of three or more in a row, round the corner too; else None."""
    around = turned([value - start for value in values], size)
    if not 3 <= len(around) < size or not unbroken(around, size):
        return None
    return around[0] + start, around[-1] + start


def short_runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of three or more; single values for the rest."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    found = []
    for run in runs:
        found += [(run[0], run[-1])] if len(run) > 2 else [(value, value) for value in run]
    return found


def number_list(values: Sequence[int], form: str = "") -> str:
    """Numbers as a list with runs: "0 to 10, 30 and 45"."""
    return joined(
        [
            from_to(f"{first:{form}}", f"{last:{form}}") if last > first else f"{first:{form}}"
            for first, last in short_runs(values)
        ]
    )


def from_to(first: str, last: str) -> str:
    """ "Monday to Friday", "1st to 7th"."""
    return _("%(first)s to %(last)s", first=first, last=last)
