"""Which errors are the same one."""

import pytest

from aegis_web.failures.fingerprint import LENGTH, fingerprint

UUIDS = ("6f1e1c5a-27f0-4f0e-9a4c-3a1f6c2b9d10", "0b7d6f7e-a0f0-4abc-9a4c-3a1f6c2b9d11")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTPError: 502 after 3.2 s", "HTTPError: 504 after 12 s"),
        (f"{UUIDS[0]} is gone", f"{UUIDS[1]} is gone"),
        ("<Order object at 0x7f22ab>", "<Order object at 0x1>"),
        ("commit 8fc2d1e09a failed", "commit 00aa11bb22 failed"),
        ("due 2026-11-28 02:00:01", "due 2026-01-01 23:59:59"),
    ],
)  # fmt: skip
def test_numbers_and_identifiers_do_not_count(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == LENGTH


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'price'", "KeyError: 'stock'"),
        ("ValueError: no price", "KeyError: no price"),
        ("the decade faded", "the facade faded"),
        ("", "x"),
    ],
)
def test_words_do(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)
