"""Messages between the processes of a pool: JSON after its length in bytes. No pickle."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aegis_web.errors import AegisError

LENGTH = struct.Struct("!I")
LARGEST = 64 * 1024 * 1024

Message = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How a process of the pool gets its Runner: "package.module:function", called with JSON."""

    function: str
    ingredients: Any


def pack(message: Message) -> bytes:
    """A message as it travels."""
    text = json.dumps(message, separators=(",", ":")).encode("ascii")
    return LENGTH.pack(len(text)) + text


class Unpacker:
    """Puts messages together again from whatever pieces arrive."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take a piece; the messages that are complete now.

        Raises: AegisError for what cannot be a message.
        """
        self._data += data
        at = 0
        while len(self._data) - at >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._data, at)
            if size > LARGEST:
                raise AegisError(f"a message of {size} bytes from a process of the pool")
            end = at + LENGTH.size + size
            if len(self._data) < end:
                break
            yield json.loads(self._data[at + LENGTH.size : end])
            at = end
        del self._data[:at]
