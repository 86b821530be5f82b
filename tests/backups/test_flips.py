"""A bit that flips in a backup, or an end that is missing, is found without its manifest too."""

import hashlib
from collections import Counter
from io import BufferedReader, BytesIO
from pathlib import Path
from random import Random

import pytest
from flask import Flask

from aegis_web.backups import archive, packing
from aegis_web.backups.copies import UNWATCHED, Unusable
from aegis_web.backups.proving import SQLITE
from aegis_web.config import Settings
from aegis_web.keys import new_identity
from tests.backups.conftest import stored
from tests.backups.test_restore import add_job, backed_up, settle_until
from tests.support.applications import MakeApp

FLIPS = CUTS = 1000
LIMIT = 10**8
IDENTITY = new_identity()


@pytest.fixture(params=["packed", "sealed"])
def app(request: pytest.FixtureRequest, make_app: MakeApp, sqlite_database: str) -> Flask:
    keys = {"AEGIS_BACKUP_KEYS": IDENTITY} if request.param == "sealed" else {}
    return make_app(DATABASE_URL=sqlite_database, **keys)


def damaged_ones(whole: bytes) -> list[bytes]:
    """The file with one bit flipped or an end missing, spread over all of it; each time alike."""
    random = Random(20260310)
    found = []
    for part in range(FLIPS):
        at = (part * len(whole) + random.randrange(len(whole))) // FLIPS
        one = bytearray(whole)
        one[at] ^= 1 << random.randrange(8)
        found.append(bytes(one))
    found += [whole[: random.randrange(len(whole))] for _ in range(CUTS - 1)]
    return [*found, whole[:-1]]


def who_finds(file: Path, plain: bytes, sha256: str, keys: list[str]) -> str:
    """What refuses the file where nothing is known of it; "nobody" where its rows are whole."""
    target = BytesIO()
    try:
        with file.open("rb") as source:
            found = packing.unpack(source, target, keys, packing.room(LIMIT), UNWATCHED)
    except Unusable:
        return "packing"
    assert found != sha256  # whoever has the manifest finds each of them
    if target.getvalue() == plain:
        return "nobody"
    assert not target.getvalue().startswith(SQLITE)
    target.seek(0)
    with pytest.raises(Unusable, match="neither a SQLite database nor"):
        archive.require_rows(BufferedReader(target))
    return "kind"


def test_each_flip_and_cut_is_found(app: Flask, tmp_path: Path) -> None:
    settle_until(app, add_job(app, "kept"), 0)
    backed_up(app)
    settings: Settings = app.extensions["aegis.settings"]
    (backup,) = stored(app)
    whole = (settings.backup_dir / backup.file_name).read_bytes()
    keys, file = list(settings.backup_keys), tmp_path / "damaged"
    file.write_bytes(whole)
    target = BytesIO()
    with file.open("rb") as source:
        assert packing.unpack(source, target, keys, packing.room(LIMIT), UNWATCHED) == backup.sha256
    plain = target.getvalue()
    found: Counter[str] = Counter()
    for one in damaged_ones(whole):
        assert hashlib.sha256(one).hexdigest() != backup.sha256
        file.write_bytes(one)
        found[who_finds(file, plain, backup.sha256, keys)] += 1
    # A few flips in the heads that zstd and age put in front change what the file seems to be, and
    # of zstd's some change nothing at all.
    assert found["packing"] + found["kind"] + found["nobody"] == FLIPS + CUTS
    assert found["kind"] <= 10
    assert found["nobody"] <= (0 if keys else 10)
