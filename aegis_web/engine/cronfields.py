"""The grammar that all fields of a cron rule share: lists of values, ranges and steps."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aegis_web.engine.vocabulary import from_to
from aegis_web.language import N_, _

MONTH_NAMES = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
SHOWN_LENGTH = 40

PART = re.compile(
    r"(?:(?P<star>\*)|(?P<first>[0-9]+|[a-z]+)(?:-(?P<last>[0-9]+|[a-z]+))?)(?:/(?P<step>[0-9]+))?",
    re.ASCII,
)


Special = Callable[[str], Sequence[int] | None]


class BadField(Exception):
    """Why a part of a field cannot be read; its callers make a message for people of it."""


@dataclass(frozen=True)
class FieldKind:
    """What one field may hold."""

    label: str  # as people call it, a message
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    names_take_steps: bool = True
    allowed: str = ""  # "0 to 59", a message; made from low and high if empty

    def describe(self) -> str:
        """What is allowed, for the end of an error."""
        low, high = self.low, self.high
        return _(
            "Allowed: %(values)s; also * for every one, ranges (%(low)s-%(middle)s), "
            "steps (*/2) and lists (%(low)s,%(middle)s).",
            values=_(self.allowed) if self.allowed else from_to(str(low), str(high)),
            low=low,
            middle=(low + high) // 2,
        )


@dataclass(frozen=True)
class FieldValues:
    """A field as read: its values in order."""

    text: str
    values: tuple[int, ...]

    @property
    def starts_with_star(self) -> bool:
        """What cron's rules for days and for clock changes go by."""
        return self.text.startswith("*")


def shown(text: str) -> str:
    """`text` as it can stand in a message: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= SHOWN_LENGTH else clean[: SHOWN_LENGTH - 1] + "…"


def read_field(kind: FieldKind, text: str, special: Special | None = None) -> FieldValues:
    """The values of a field; `special` may take parts first (and answer which values they add).

    Raises: BadField.
    """
    values: set[int] = set()
    for part in text.lower().split(","):
        part = part.strip()
        taken = special(part) if special else None
        values.update(read_part(kind, part) if taken is None else taken)
    return FieldValues(text, tuple(sorted(values)))


def read_part(kind: FieldKind, part: str) -> Sequence[int]:
    """The values of one part of a list, such as `5`, `1-5`, `*/10` or `fri-mon`."""
    if not part:
        raise BadField(_("there is nothing between two commas, or at an end of the list"))
    match = PART.fullmatch(part)
    if match is None:
        raise BadField(_hint(kind, part) or not_understood(part))
    step = _step(match["step"])
    if match["star"]:
        return range(kind.low, kind.high + 1, step or 1)
    first = _value(kind, match["first"])
    if match["step"] and not kind.names_take_steps and not match["first"].isdigit():
        text = _('"%(part)s": a step works with numbers, not with names', part=shown(part))
        raise BadField(text)
    if match["last"] is None:
        return range(first, (kind.high if step else first) + 1, step or 1)
    last = _value(kind, match["last"])
    if first <= last:
        return range(first, last + 1, step or 1)
    if match["first"].isdigit() or match["last"].isdigit():
        text = _(
            '"%(part)s" runs backwards; write two ranges with a comma between them',
            part=shown(part),
        )
        raise BadField(text)
    around = sorted(set(kind.names.values()))
    start, end = around.index(first), around.index(last)
    return (around[start:] + around[: end + 1])[:: step or 1]


def _step(text: str | None) -> int | None:
    if text is None:
        return None
    if not int(text):
        raise BadField(_("a step must be 1 or more"))
    return int(text)


def _value(kind: FieldKind, text: str) -> int:
    if not text.isdigit():
        if text in kind.names:
            return kind.names[text]
        raise BadField(_hint(kind, text) or not_understood(text))
    if int(text) > kind.high:
        raise BadField(_("%(number)s is above %(bound)s", number=shown(text), bound=kind.high))
    if int(text) < kind.low:
        raise BadField(_("%(number)s is below %(bound)s", number=shown(text), bound=kind.low))
    return int(text)


def not_understood(part: str) -> str:
    """What to say of a part that nothing is known about."""
    return _('"%(part)s" is not understood', part=shown(part))


def _hint(kind: FieldKind, part: str) -> str | None:
    """A better word than "not understood" for what people do write."""
    if part == "?":
        return _('"?" belongs to other schedulers; write *')
    if re.fullmatch(r"h(\(.*\))?(/[0-9]+)?", part):
        return _(
            '"H" stands alone, as H/15 or as H(0-29) in a cron expression; write a number here'
        )
    if part.startswith("-") or re.fullmatch(r"[0-9]*\.[0-9]+", part):
        text = N_('"%(part)s" is not a whole number from %(low)s up')
        return _(text, part=shown(part), low=kind.low)
    for name in kind.names:
        if part.startswith(name) and part.isalpha():
            text = N_('"%(part)s" is not understood; use the first three letters: %(name)s')
            return _(text, part=shown(part), name=name)
    if kind.names and part.isalpha():
        names = ", ".join(kind.names)
        return _('"%(part)s" is none of %(names)s', part=shown(part), names=names)
    return None
