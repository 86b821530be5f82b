"""Reading the output of a run: from compressed pieces to lines that are safe to show.

Secrets were masked before anything was written. Of what a terminal would obey only colours and
emphasis are kept (`ansi`), the rest is taken out; other control characters are made visible.
"""

import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from aegis_web.clock import from_us
from aegis_web.extensions import db
from aegis_web.runs.ansi import Part, parts_of
from aegis_web.runs.models import RunLog

LEVELS = frozenset(
    {"debug", "info", "warning", "error", "critical", "out", "err", "cut", "attempt"}
)
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]?"  # two-character sequences, and a lone ESC
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI as one character
)
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
CONTROLS = PICTURES | {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


class Place(NamedTuple):
    """A place between two lines of a log; what follows a piece may be named by the next number."""

    sequence: int  # of a piece
    line: int  # how many lines of that piece come before it

    def __str__(self) -> str:
        return f"{self.sequence}.{self.line}"


@dataclass(frozen=True)
class LogLine:
    """One line of a run's output."""

    at: datetime | None  # None: the line says nothing about its time
    level: str  # of LEVELS
    parts: tuple[Part, ...]  # its text in the looks that it asked for
    place: Place | None = None  # before it; None where nobody asked

    @property
    def text(self) -> str:
        """Its text without any look."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True)
class Piece:
    """What a run has said between two commits."""

    sequence: int  # rises; each attempt has `PIECES` numbers of its own
    lines: list[str]  # as they are stored


def log_text(run_id: int) -> str:
    """The whole log as plain text, one line each: instant, level, text."""
    lines = (line_of(line) for piece in pieces_of(run_id) for line in piece.lines)
    return "".join(
        f"{'' if line.at is None else line.at.isoformat(timespec='milliseconds')}"
        f" {line.level} {line.text}\n"
        for line in lines
    )


def pieces_of(run_id: int, begin: int = 0, end: int | None = None) -> list[Piece]:
    """The pieces of a log from number `begin` on and before `end`, in order. One query."""
    query = select(RunLog.sequence, RunLog.lines).order_by(RunLog.sequence)
    query = query.where(RunLog.run_id == run_id, RunLog.sequence >= begin)
    if end is not None:
        query = query.where(RunLog.sequence < end)
    rows = db.session.execute(query)
    return [Piece(row.sequence, unpacked(row.lines).split("\n")[:-1]) for row in rows]


def unpacked(piece: bytes) -> str:
    """One piece as text."""
    return zlib.decompress(piece).decode(errors="replace")


def line_of(line: str) -> LogLine:
    """A stored line `microseconds TAB level TAB text` as a value."""
    instant, _, rest = line.partition("\t")
    level, tab, text = rest.partition("\t")
    if not tab or not instant.isdigit():
        return LogLine(None, "info", (Part(inert(line)),))
    parts = tuple(Part(inert(part.text), part.style) for part in parts_of(text))
    return LogLine(from_us(int(instant)), level if level in LEVELS else "info", parts)


def inert(text: str) -> str:
    """`text` without what a terminal would obey; other control characters made visible."""
    return ESCAPES.sub("", text).translate(CONTROLS)
