"""What a function's process writes past Python: by C code, by programs it starts, by a crash."""

import codecs
from collections import deque

from aegis_web.engine.output import LIMIT, Output

PIECE = 65_536  # bytes read at once: what a pipe holds


class RawStream:
    """Brings the bytes of a pipe into an attempt's output: the beginning as it comes, of a flood
    only the newest part and how much was left out."""

    def __init__(self, output: Output, level: str) -> None:
        self._output, self._level = output, level
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._size = self._tail_size = 0
        self._tail: deque[bytes] = deque()
        self._lines = self._bytes = 0  # left out

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if self._size < LIMIT // 2:
            self._size += len(data)
            self._output.write(self._level, self._decoder.decode(data))
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) > LIMIT // 2:
            dropped = self._tail.popleft()
            self._tail_size -= len(dropped)
            self._lines += dropped.count(b"\n")
            self._bytes += len(dropped)

    def finish(self) -> None:
        """Hand over what was held back."""
        if self._bytes:
            left = f"{self._lines} lines" if self._lines else f"{self._bytes} bytes"
            self._output.line("cut", f"{left} left out")
        self._output.write(self._level, self._decoder.decode(b"".join(self._tail), final=True))
        self._tail.clear()
