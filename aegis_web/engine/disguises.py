"""The forms in which programs say a secret without meaning to: escaped, quoted, in base 64."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST_ENCODED = 8  # characters of a secret whose encoded forms are masked too
SHORTEST_PIECE = 8  # characters in base 64; fewer stand in other texts by chance


def disguises(text: str) -> set[str]:
    """`text` and every form of it that is to be masked wherever it stands."""
    escaped = (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text))
    forms = {text, *(form[1:-1] for form in escaped), *quoted(text)}
    return forms | set(encoded(text)) if len(text) >= SHORTEST_ENCODED else forms


def quoted(text: str) -> Iterator[str]:
    """As part of an address, with large and small hexadecimal digits."""
    for form in (quote(text, safe="", errors="replace"), quote(text, errors="replace"),
                 quote_plus(text, errors="replace")):  # fmt: skip
        yield form
        if "%" in form:
            yield "%".join(
                part if not number else part[:2].lower() + part[2:]
                for number, part in enumerate(form.split("%"))
            )


def encoded(text: str) -> Iterator[str]:
    """In hexadecimal, and in base 64 wherever in a longer text it begins."""
    data = text.encode(errors="replace")
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):
        whole = before * 8 + len(data) * 8
        first = -(-before * 8 // 6)  # the first digit that says nothing of what stands before
        last = whole // 6  # and the end of those that say nothing of what follows
        for encode in (b64encode, urlsafe_b64encode):
            piece = encode(b"\0" * before + data).decode()[first:last]
            if len(piece) >= SHORTEST_PIECE:
                yield piece
