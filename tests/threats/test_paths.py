"""No name leads out of a folder: CVE-2022-26884 (DolphinScheduler), CVE-2021-43287 (GoCD),

CVE-2026-31886 (Dagu). Every route that takes a number or a name is asked for 60 odd ones.
"""

import os
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.accounts.rights import RIGHTS, Right
from aegis_web.audit.models import SYSTEM
from aegis_web.backups.actions import back_up
from aegis_web.config import Settings
from tests.support.applications import Browser

from .conftest import contents, differences

CANARY = "canary of another folder"
UP = ("..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
      "..;", "...", "....", "\uff0e\uff0e", "%uff0e%uff0e", ". .", "..%20", "~")  # fmt: skip
SLASHES = ("/", "%2f", "%5c", "%252f", "%c0%af", "%e2%88%95", "//")
PAYLOADS = (
    *(f"{up}{slash}canary" for up in UP for slash in SLASHES[:3]),
    *(f"..{slash}..{slash}..{slash}..{slash}canary" for slash in SLASHES),
    "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "C:%5cwindows%5cwin.ini", "CON", "NUL.txt",
    "%5c%5chost%5cshare", "canary%00.css", "canary%0a", "1%2f..%2f..%2fcanary", "1;canary",
    "aegis-20260101T000000.000000Z-0123456789ab.sqlite3", "aegis.db", "secret_key", ".env", "%00",
    "1%20", "+1", "1e3", "0x1", "-1", "9" * 40,
)  # fmt: skip


@pytest.fixture
def folder(filled: Flask) -> Path:
    """The folder of the backups with a backup in it, and canaries wherever a path could lead."""
    kept: Settings = filled.extensions["aegis.settings"]
    with filled.app_context():
        back_up(SYSTEM)
    for path in (kept.backup_dir, kept.backup_dir.parent, kept.data_dir.parent):
        (path / "canary").write_text(CANARY)
        (path / "canary.css").write_text(CANARY)
    return kept.backup_dir


def addresses(app: Flask, payload: str) -> list[tuple[str, str]]:
    """Every route that takes something in its address, with the payload in each place of it."""
    found = []
    for rule in app.url_map.iter_rules():
        for name in rule.arguments:
            path = "".join(
                payload if data == name else "1" if dynamic else data
                for dynamic, data in rule._trace
            ).partition("|")[2]
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                found.append((method, path))
    return found


def test_no_name_in_an_address_leads_out_of_a_folder(
    filled: Flask, admin: Browser, folder: Path
) -> None:
    assert len(PAYLOADS) >= 60
    there, before = tree(folder.parent), contents(filled)
    short = {"HX-Request": "true"}
    names = [
        ("GET", "/static/{}"),
        ("GET", "/backups/{}/file"),
        ("POST", "/backups/{}/delete"),
        ("GET", "/runs/{}/log.txt"),
    ]
    for number, payload in enumerate(PAYLOADS):
        every = addresses(filled, payload)
        wanted = [(method, name.format(payload)) for method, name in names]
        for method, path in wanted + every[number % 25 :: 25]:
            answer = admin.open(path, method=method, headers=short)
            assert 200 < answer.status_code < 500, (method, path)
            assert CANARY not in answer.text, (method, path)
    assert tree(folder.parent) == there
    assert differences(before, contents(filled)) == {}


def tree(folder: Path) -> set[str]:
    """What lies in it, but for what SQLite has beside its file while it is open."""
    return {str(path) for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("plant", ["symlink", "hard link"])
def test_what_is_planted_is_neither_read_nor_is_its_target_deleted(
    admin: Browser, folder: Path, plant: str
) -> None:
    (file,) = folder.glob("aegis-*.zst")
    file.unlink()
    outside = folder.parent / "canary"
    (os.symlink if plant == "symlink" else os.link)(outside, file)
    assert CANARY not in admin.get("/backups/1/file").text
    assert admin.post("/backups/1/delete").status_code == 303
    assert outside.read_text() == CANARY


def test_a_route_that_joins_paths_gives_them_away(
    filled: Flask, admin: Browser, folder: Path
) -> None:
    def weak(name: str) -> str:
        try:
            return Path(f"{folder}/{name}").read_text()
        except (OSError, ValueError):
            return "not found"

    filled.add_url_rule("/weak/<path:name>", "weak", weak)
    RIGHTS["weak"] = Right.READ
    try:
        got = {one for one in PAYLOADS if CANARY in admin.get(f"/weak/{one}").text}
    finally:
        del RIGHTS["weak"]
    assert len(got) >= 5
