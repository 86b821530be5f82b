"""The output of a run: what its function logs and prints, caught without its knowledge.

Lines are kept as `microseconds TAB level TAB text`. The first half of `LIMIT` is kept as it
comes, then only the newest half, with a line between that says how much was left out. Output of
threads that a function starts by itself goes where it would go without us.
"""

import logging
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from threading import Lock
from typing import Any, TextIO

from aegis_web.clock import utc_now_us
from aegis_web.engine.disguises import disguises

LIMIT = 1_000_000  # characters of one run's output, head and tail together
LONGEST_LINE = 20_000
PIECES = 10_000_000  # numbers of pieces that each attempt of a run has for itself
SHORTEST_MASKED_LINE = 4  # characters of a line of a secret that has several
MASK = "••••••"

Progress = tuple[float, float | None, str]  # done, total, message


class Output:
    """Collects one attempt's lines; the ledger's thread takes them in pieces."""

    def __init__(self, attempt: int = 1) -> None:
        """The pieces of a run's attempts follow each other; where a further one begins is said."""
        self.secrets: Sequence[str] = ()
        self.progress: Progress | None = None  # newest not yet stored
        self.sequence = (attempt - 1) * PIECES  # of the next piece
        self.written_at = 0.0  # monotonic seconds of the last piece
        self._lock = Lock()
        self._head: list[str] = []
        self._taken: list[str] = []
        self._kept = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0
        self._partial: dict[str, str] = {}
        self.heard: Callable[[], None] | None = None  # called after each line
        self._own = self._received = False  # whether lines came by `line`, by `receive`
        if attempt > 1:
            self.line("attempt", f"attempt {attempt} begins")

    def mask(self, secrets: Iterable[str]) -> None:
        """Keep `secrets` out of all that follows: as they are, encoded, and line by line."""
        forms: set[str] = set()
        for secret in filter(None, secrets):
            lines = [line for line in secret.splitlines() if len(line) >= SHORTEST_MASKED_LINE]
            for text in (secret, *lines):
                forms |= disguises(text)
        self.secrets = sorted(forms, key=len, reverse=True)  # one may be part of another

    def line(self, level: str, text: str) -> None:
        """Keep one record; a text of several lines becomes several lines."""
        now = utc_now_us()
        for part in self.clean(text).split("\n"):
            self._keep(f"{now}\t{level}\t{shortened(part)}\n")
        if self.heard is not None:
            self.heard()

    def write(self, level: str, text: str) -> None:
        """Keep what a stream was given; the rest of a line waits for its end."""
        with self._lock:
            whole = self._partial.pop(level, "") + text
            lines, _, rest = whole.rpartition("\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = whole, ""
            if rest:
                self._partial[level] = rest
        if lines or whole.startswith("\n"):
            self.line(level, lines)

    def clean(self, text: str) -> str:
        """`text` with this run's secrets masked and what no database takes made visible.

        That is NUL, and the lone surrogates that undecodable file names hold.
        """
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        text = text.replace("\x00", "␀").replace("\r\n", "\n").replace("\r", "\n")
        return text if text.isascii() else text.encode(errors="replace").decode()

    def spoke(self) -> bool:
        """Whether anything was ever said that is not stored yet, held-back lines included."""
        unsaid = self._head or self._taken or self._tail or self._partial
        return bool(unsaid) or self.progress is not None

    def dirty(self) -> bool:
        """Whether there is anything new that can be stored now."""
        return bool(self._head or self._taken) or self.progress is not None

    def take(self, *, everything: bool = False) -> bytes | None:
        """The next compressed piece, or None; with `everything` the held-back tail too.

        The piece comes again, with what was said since, until `stored` confirms it.
        """
        text = self._gather(everything)
        return zlib.compress(text.encode(errors="replace"), 1) if text else None

    def pass_on(self, *, everything: bool = False) -> str:
        """The lines since the last call, for the Output of another process to `receive`."""
        text = self._gather(everything)
        self.stored(None)
        return text

    def receive(self, lines: str) -> None:
        """Keep the lines that another process has kept and passed on."""
        with self._lock:
            self._head.append(lines)
            self._received = True

    def _gather(self, everything: bool) -> str:
        """Everything not confirmed yet; with `everything` the held-back tail too."""
        if everything:
            for level, rest in list(self._partial.items()):
                self.line(level, rest)
            self._partial.clear()
        with self._lock:
            self._taken += self._head
            self._head = []
            if everything and self._left_out:
                self._taken.append(f"{utc_now_us()}\tcut\t{self._left_out} lines left out\n")
            if everything:
                self._taken.extend(self._tail)
                self._tail.clear()
                self._tail_size = self._left_out = 0
            if self._own and self._received:
                self._taken = in_order(self._taken)
            return "".join(self._taken)

    def stored(self, progress: Progress | None) -> None:
        """Confirm that the last piece and `progress` are committed."""
        with self._lock:
            self.sequence += bool(self._taken)
            self._taken = []
        if self.progress is progress:
            self.progress = None

    def _keep(self, line: str) -> None:
        with self._lock:
            self._own = True
            if self._kept + len(line) <= LIMIT // 2:
                self._kept += len(line)
                self._head.append(line)
                return
            self._kept = LIMIT  # from here on only the tail: order stays
            self._tail.append(line)
            self._tail_size += len(line)
            while self._tail_size > LIMIT // 2:
                self._tail_size -= len(self._tail.popleft())
                self._left_out += 1


def in_order(pieces: Iterable[str]) -> list[str]:
    """The lines of `pieces` by the time at which they were said."""
    lines = [f"{line}\n" for line in "".join(pieces).split("\n") if line]
    return sorted(lines, key=lambda line: int(line.partition("\t")[0]))


def shortened(line: str) -> str:
    """`line`, or what there is room for and how much is missing."""
    missing = len(line) - LONGEST_LINE
    return line if missing <= 0 else f"{line[:LONGEST_LINE]} … {missing} characters left out"


current: ContextVar[Output | None] = ContextVar("output", default=None)


class StreamProxy:
    """Stands in for sys.stdout or sys.stderr: inside a run it writes to the run's output."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self._stream, self._level = stream, level

    def write(self, text: str) -> int:
        output = current.get()
        if output is None:
            return self._stream.write(text)
        output.write(self._level, text)
        return len(text)

    def flush(self) -> None:
        if current.get() is None:
            self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is the process's, whoever asks."""
        self.flush()

    def isatty(self) -> bool:
        return current.get() is None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CaptureHandler(logging.Handler):
    """Sends log records made inside a run to the run's output."""

    def emit(self, record: logging.LogRecord) -> None:
        output = current.get()
        if output is None:
            return
        try:
            output.line(record.levelname.lower(), self.format(record))
        except Exception:
            self.handleError(record)


HANDLER = CaptureHandler()
HANDLER.setFormatter(logging.Formatter("%(message)s"))


def install() -> None:
    """Catch output of runs in this process from now on. Doing it twice does nothing."""
    if not isinstance(sys.stdout, StreamProxy):
        sys.stdout = StreamProxy(sys.stdout, "out")
    if not isinstance(sys.stderr, StreamProxy):
        sys.stderr = StreamProxy(sys.stderr, "err")
    root = logging.root
    if HANDLER not in root.handlers:
        root.addHandler(HANDLER)
        root.setLevel(min(root.level or logging.INFO, logging.INFO))
