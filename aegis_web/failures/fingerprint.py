"""Which errors are the same one: those that differ only in numbers and identifiers."""

import hashlib
import re
from functools import lru_cache

CHANGING = re.compile(
    r"""
    \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b  # UUIDs
    | \b0x[0-9a-f]+\b                                # addresses
    | \b(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b             # digests
    | [0-9]+(?:[.,:][0-9]+)*                         # numbers, times, amounts
    """,
    re.VERBOSE | re.IGNORECASE,
)
LENGTH = 16  # hexadecimal digits: among a million errors two meet with a chance of 3 in 10^8


@lru_cache(maxsize=20_000)
def fingerprint(error: str) -> str:
    """The same for errors that are the same but for what changes from run to run."""
    return hashlib.sha256(general(error).encode()).hexdigest()[:LENGTH]


def general(error: str) -> str:
    """The error with a sign in the place of each number and identifier."""
    return CHANGING.sub("#", error)
