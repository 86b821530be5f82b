"""A traceback in parts: which frames are of the people who run this, and which of libraries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FRAME = re.compile(r'^\s*(?:\| )?\s*File "([^"\n]+)", line \d+')
FOREIGN = ("site-packages", "dist-packages", "/lib/python", "<frozen ", "importlib")
PACKAGE = str(Path(__file__).parent.parent)
SERVICES = str(Path(PACKAGE) / "services")


@dataclass(frozen=True)
class Chunk:
    """Some lines of a traceback."""

    text: str
    own: bool  # a frame of somebody's own code


def chunks_of(traceback: str) -> Iterator[Chunk]:
    """The traceback from its first line to its last, frames of others and the rest together."""
    kept: list[str] = []
    own = False
    for line in traceback.splitlines(keepends=True):
        found = FRAME.match(line)
        begins = found is not None and is_own(found[1])
        inside = own and found is None and line.startswith("    ")
        if (kept and (begins or inside) != own) or (begins and own and kept):
            yield Chunk("".join(kept), own)
            kept = []
        own = begins or inside
        kept.append(line)
    if kept:
        yield Chunk("".join(kept), own)


def is_own(path: str) -> bool:
    """Whether a file is neither Python's, nor a library's, nor of the product's machinery."""
    if any(sign in path for sign in FOREIGN):
        return False
    return not path.startswith(PACKAGE) or path.startswith(SERVICES)
