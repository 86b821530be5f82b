"""Durations as people type them, as screens show them and as JSON keeps them."""

import re
from datetime import timedelta
from decimal import Decimal

from aegis_web.language import _

MICROSECONDS = {
    "w": 7 * 86_400_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
WORDS = {
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), "m"),
    **dict.fromkeys(("second", "seconds", "sec", "secs"), "s"),
}
PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([a-z]+)[\s,]*")
ISO = re.compile(
    r"P(?:(?P<w>N)W)?(?:(?P<d>N)D)?(?:T(?:(?P<h>N)H)?(?:(?P<m>N)M)?(?:(?P<s>N)S)?)?".replace(
        "N", r"\d{1,12}(?:\.\d{1,9})?"
    )
)


def parse_duration(text: str) -> timedelta:
    """The duration that `text` says: "1h 30m", "90s", "2 days" or ISO 8601's "PT1H30M".

    Raises: ValueError with a plain sentence; a number without a unit is refused.
    """
    plain = text.strip()
    negative = plain.startswith("-")
    parts = _parts(plain.removeprefix("-").strip())
    if not parts:
        raise ValueError(_("is not a duration: write it like 90s, 15m, 1h 30m or 2d"))
    total = sum(int(Decimal(number) * MICROSECONDS[unit]) for number, unit in parts)
    try:
        return timedelta(microseconds=-total if negative else total)
    except OverflowError:
        text = _("is too long a duration: it must be shorter than 999999999d")
        raise ValueError(text) from None


def duration_words(duration: timedelta) -> str:
    """`duration` in the form people type, exact to the microsecond: "1d 2h 30m"."""
    if duration < timedelta(0):
        return f"-{duration_words(-duration)}"
    return " ".join(f"{number}{unit}" for number, unit in _split(duration))


def duration_iso(duration: timedelta) -> str:
    """`duration` as ISO 8601 has it, exact to the microsecond: "P1DT2H30M"."""
    if duration < timedelta(0):
        return f"-{duration_iso(-duration)}"
    parts = _split(duration)
    days = "".join(f"{number}D" for number, unit in parts if unit == "d")
    clock = "".join(f"{number}{unit.upper()}" for number, unit in parts if unit != "d")
    return f"P{days}{'T' if clock else ''}{clock}"


def _parts(text: str) -> list[tuple[str, str]]:
    """Numbers with their units; empty when `text` is no duration."""
    if iso := ISO.fullmatch(text.upper()):
        return [(number, unit) for unit, number in iso.groupdict().items() if number]
    parts, position = [], 0
    text = text.lower()
    while position < len(text):
        part = PART.match(text, position)
        unit = part and WORDS.get(part[2], part[2])
        if not part or unit not in MICROSECONDS:
            return []
        parts.append((part[1], unit))
        position = part.end()
    return parts


def _split(duration: timedelta) -> list[tuple[str, str]]:
    """Whole days, hours and minutes, and the seconds that remain; at least "0s"."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    second_text = str(seconds)
    if duration.microseconds:
        second_text = f"{seconds}.{duration.microseconds:06}".rstrip("0")
    parts = [(str(duration.days), "d"), (str(hours), "h"), (str(minutes), "m"), (second_text, "s")]
    return [part for part in parts if part[0] != "0"] or [("0", "s")]
