"""Reading the output of a run: from compressed pieces to lines that are safe to show.

Secrets were masked before anything was written. Of what a terminal would obey only colours and
emphasis are kept (`ansi`), the rest is taken out; other control characters are made visible.
"""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from aegis_web.clock import from_us
from aegis_web.engine.output import PIECES
from aegis_web.extensions import db
from aegis_web.runs.ansi import Part, parts_of
from aegis_web.runs.models import RunLog

SHOWN_LINES = 1000
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


@dataclass(frozen=True)
class LogLine:
    """One line of a run's output."""

    at: datetime | None  # None: the line says nothing about its time
    level: str  # of LEVELS
    parts: tuple[Part, ...]  # its text in the looks that it asked for

    @property
    def text(self) -> str:
        """Its text without any look."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True)
class RunOutput:
    """The last lines of a run's log, and what is known of the rest."""

    lines: tuple[LogLine, ...]
    hidden: int  # how many earlier lines are kept but not among `lines`
    sequence: int  # of the last piece read; -1: there is none yet
    beheaded: bool  # the beginning is no longer kept


def log_after(run_id: int, sequence: int) -> tuple[list[LogLine], int]:
    """The lines in the pieces after `sequence` (-1: all), and the last piece's number."""
    pieces, last = pieces_after(run_id, sequence)
    return [line for piece in pieces for line in lines_of(piece)], last


def last_lines(run_id: int, limit: int = SHOWN_LINES) -> RunOutput:
    """The last `limit` lines of a run's log. One query."""
    query = pieces_query(run_id, -1)
    rows = list(db.session.execute(query))
    texts = [unpacked(row.lines) for row in rows]
    total = sum(text.count("\n") for text in texts)
    lines: list[LogLine] = []
    for text in reversed(texts):
        if len(lines) >= limit:
            break
        lines[:0] = lines_of(text)
    lines = lines[-limit:]
    return RunOutput(
        lines=tuple(lines),
        hidden=total - len(lines),
        sequence=rows[-1].sequence if rows else -1,
        beheaded=bool(rows) and rows[0].sequence % PIECES > 0,
    )


def log_text(run_id: int) -> str:
    """The whole log as plain text, one line each: instant, level, text."""
    lines, _ = log_after(run_id, -1)
    return "".join(
        f"{'' if line.at is None else line.at.isoformat(timespec='milliseconds')}"
        f" {line.level} {line.text}\n"
        for line in lines
    )


def pieces_after(run_id: int, sequence: int) -> tuple[Sequence[str], int]:
    """The uncompressed pieces after `sequence`, and the last one's number."""
    rows = list(db.session.execute(pieces_query(run_id, sequence)))
    return [unpacked(row.lines) for row in rows], rows[-1].sequence if rows else sequence


def pieces_query(run_id: int, sequence: int) -> Select[int, bytes]:
    """The pieces of a log after `sequence`, in their order."""
    return (
        select(RunLog.sequence, RunLog.lines)
        .where(RunLog.run_id == run_id, RunLog.sequence > sequence)
        .order_by(RunLog.sequence)
    )


def unpacked(piece: bytes) -> str:
    """One piece as text."""
    return zlib.decompress(piece).decode(errors="replace")


def lines_of(piece: str) -> Iterable[LogLine]:
    """The lines of one piece."""
    return [line_of(line) for line in piece.split("\n")[:-1]]


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
