"""The parts of a run's log that its page shows: so many lines at a place, and what is searched.

A whole attempt's log is at most a million characters, so that it is read to count and to search;
what makes a page slow is showing it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

from aegis_web.engine.output import PIECES
from aegis_web.runs.ansi import Part
from aegis_web.runs.log import LogLine, Piece, Place, line_of, pieces_of

SHOWN_LINES = 500
MOST_MARKS = 100  # of one line
ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what `line_of` takes out or makes visible

Pattern = re.Pattern[str]


@dataclass(frozen=True)
class LogFilter:
    """Which lines of a run's log are wanted, as the URL says."""

    attempt: int | None = None  # None: the newest that has begun, and those that follow
    find: str = ""  # in any case of letters; "": nothing is searched
    only: bool = False  # leave out the lines that do not match
    before: Place | None = None  # the lines that end here,
    after: Place | None = None  # or those that begin here; neither: the last ones

    @property
    def pattern(self) -> Pattern | None:
        """What a line is searched for; None: nothing."""
        return re.compile(re.escape(self.find), re.IGNORECASE) if self.find else None

    @property
    def named_attempt(self) -> int | None:
        """The attempt that is meant, be it by its number or by a place in its log."""
        place = self.before or self.after
        return place.sequence // PIECES + 1 if self.attempt is None and place else self.attempt

    def ending(self, before: Place) -> "LogFilter":
        """The lines before that place."""
        return replace(self, before=before, after=None)

    def beginning(self, after: Place) -> "LogFilter":
        """The lines after that place."""
        return replace(self, before=None, after=after)

    def at_end(self) -> "LogFilter":
        """The last lines."""
        return replace(self, before=None, after=None)

    def around(self, place: Place) -> "LogFilter":
        """The lines from there on, those that do not match too."""
        return replace(self, only=False, before=None, after=place)

    def to_args(self) -> dict[str, Any]:
        """The arguments of its URL."""
        wanted: dict[str, Any] = {
            "attempt": self.attempt,
            "find": self.find,
            "only": int(self.only),
        }
        places = {"before": self.before, "after": self.after}
        named = {name: str(place) for name, place in places.items() if place is not None}
        return {name: value for name, value in wanted.items() if value} | named


@dataclass(frozen=True)
class LogPage:
    """Some lines of a log, and what is known of the rest."""

    lines: tuple[LogLine, ...]
    begin: Place  # before the first of them
    end: Place  # behind the last of them
    earlier: int  # how many wanted lines come before,
    later: int  # and after
    line_before_at: datetime | None  # when the line before the first was said; None: there is none
    matching: int  # lines that match, of all that were read
    beheaded: bool  # the beginning is no longer kept


def read_log(run_id: int, attempt: int, chosen: LogFilter, limit: int = SHOWN_LINES) -> LogPage:
    """At most `limit` lines of an attempt's log: the last ones, or those at a place. One query."""
    begin = (attempt - 1) * PIECES
    pieces = pieces_of(run_id, begin, begin + PIECES)
    return page_of(pieces, chosen, Place(begin, 0), limit)


def read_news(run_id: int, chosen: LogFilter, limit: int = SHOWN_LINES) -> LogPage:
    """The next lines after a place, of further attempts too unless one is named. One query."""
    after = chosen.after or Place(0, 0)
    end = None if chosen.attempt is None else chosen.attempt * PIECES
    pieces = pieces_of(run_id, after.sequence - 1, end)
    return page_of(pieces, chosen.beginning(after), after, limit)


def page_of(pieces: Sequence[Piece], chosen: LogFilter, start: Place, limit: int) -> LogPage:
    """The part of `pieces`, which were read from `start` on, that is wanted."""
    pattern = chosen.pattern
    behind = Place(pieces[-1].sequence + 1, 0) if pieces else start
    found = places_of(pieces, pattern) if pattern else []
    places = found if chosen.only and pattern else places_of(pieces, None)
    if chosen.after is not None:
        low = bisect_left(places, chosen.after)
        high = min(low + limit, len(places))
    else:
        high = len(places) if chosen.before is None else bisect_left(places, chosen.before)
        low = max(0, high - limit)
    stored = {piece.sequence: piece.lines for piece in pieces}
    lines = (replace(line_of(stored[s][n]), place=Place(s, n)) for s, n in places[low:high])
    return LogPage(
        lines=tuple(marked(line, pattern) if pattern else line for line in lines),
        begin=Place(*places[low]) if low < len(places) else behind,
        end=Place(*places[high]) if high < len(places) else behind,
        earlier=low,
        later=len(places) - high,
        line_before_at=instant_before(stored, places[low]) if low < high else None,
        matching=len(found),
        beheaded=bool(pieces) and pieces[0].sequence % PIECES > 0,
    )


def places_of(pieces: Iterable[Piece], pattern: Pattern | None) -> list[tuple[int, int]]:
    """Where the lines stand that match, or all; as plain pairs, because there are many."""
    return [
        (piece.sequence, number)
        for piece in pieces
        for number in (range(len(piece.lines)) if pattern is None else matches(piece, pattern))
    ]


def matches(piece: Piece, pattern: Pattern) -> Iterator[int]:
    """Which lines of a piece match as they are shown."""
    odd = ODD.search("\n".join(piece.lines)) is not None
    for number, line in enumerate(piece.lines):
        if (odd or pattern.search(line)) and pattern.search(text_of(line)):
            yield number


def instant_before(stored: dict[int, list[str]], place: tuple[int, int]) -> datetime | None:
    """When the line before that place was said."""
    sequence, number = place
    lines = stored[sequence][:number] or stored.get(sequence - 1)
    return line_of(lines[-1]).at if lines else None


def text_of(line: str) -> str:
    """The text of a stored line as it is shown, fast where nothing is odd about it."""
    fields = line.split("\t", 2)
    if len(fields) == 3 and not ODD.search(fields[2]):
        return fields[2]
    return line_of(line).text


def marked(line: LogLine, pattern: Pattern) -> LogLine:
    """The line with its first `MOST_MARKS` matches as parts of their own."""
    text = line.text
    spans = [found.span() for found in islice(pattern.finditer(text), MOST_MARKS)]
    edges = sorted({edge for span in spans for edge in span})
    parts: list[Part] = []
    begin = 0
    for part in line.parts:
        end = begin + len(part.text)
        for low, high in pairwise([begin, *(edge for edge in edges if begin < edge < end), end]):
            found = any(first <= low < last for first, last in spans)
            parts.append(Part(text[low:high], part.style, found))
        begin = end
    return replace(line, parts=tuple(parts))
