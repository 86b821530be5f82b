"""`H` in a cron expression: a value chosen by a hash of the job, against pile-ups.

A hundred jobs with `0 * * * *` all start at once; with `H * * * *` each has a minute of its own,
the same for ever. A part with an `H` becomes a plain one before anything else is read:
`H` -> `17`, `H/15` -> `2-59/15`, `H(0-29)` -> `12`, `H(8-17)/3` -> `9-17/3`.

Source: Jenkins, "Cron job syntax"; the hash is ours: SHA-256 of the seed and the field's name.
"""

import hashlib
import re

from aegis_web.engine.cronfields import BadField, FieldKind, read_part, shown
from aegis_web.language import N_, _

HASHED = re.compile(
    r"h(?:\((?P<range>[0-9a-z]+-[0-9a-z]+)\))?(?:/(?P<step>[0-9]+))?", re.ASCII | re.IGNORECASE
)
HIGHEST = {"day of month": 28, "day of week": 6}  # every month has it; 7 is Sunday again


def says_hashed(text: str) -> bool:
    """Whether any part of a field is meant as an `H`."""
    return any(re.match(r"h($|[(/])", part.strip(), re.IGNORECASE) for part in text.split(","))


def plain_field(kind: FieldKind, text: str, seed: str) -> str:
    """`text` with each `H` in it replaced by what the hash of `seed` chooses.

    Raises: BadField.
    """
    return ",".join(_plain_part(kind, part.strip(), seed) for part in text.split(","))


def _plain_part(kind: FieldKind, part: str, seed: str) -> str:
    if not says_hashed(part):
        return part
    match = HASHED.fullmatch(part)
    if match is None:
        text = N_('"%(part)s" is not understood; write H, H/15, H(0-29) or H(0-29)/10')
        raise BadField(_(text, part=shown(part)))
    low, high = kind.low, HIGHEST.get(kind.label, kind.high)
    if match["range"]:
        values = read_part(kind, match["range"].lower())
        low, high = values[0], values[-1]
        if high < low:
            text = N_('"%(part)s" runs backwards; write the lower value first')
            raise BadField(_(text, part=shown(part)))
    step = int(match["step"]) if match["step"] else high - low + 1
    if not step:
        raise BadField(_("a step must be 1 or more"))
    first = low + _number(kind, seed) % min(step, high - low + 1)
    return f"{first}-{high}/{step}" if match["step"] else str(first)


def _number(kind: FieldKind, seed: str) -> int:
    digest = hashlib.sha256(f"{seed}\n{kind.label}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
