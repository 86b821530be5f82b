"""A backup taken away: whole or in parts, checked, by who has just signed in, and written down."""

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import AuditEntry
from aegis_web.backups import downloads
from aegis_web.backups.folder import require_unchanged
from aegis_web.backups.models import UPLOADED, Backup
from aegis_web.clock import utc_now
from aegis_web.extensions import db, transaction
from tests.backups.conftest import MakeBackup, add_to
from tests.support.applications import EMAIL, PASSWORD, Browser
from tests.support.servers import Server, StartServer
from tests.tokens.test_tokens import bearer, make

LATER = timedelta(minutes=11)
Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time stands still."""
    with time_machine.travel(utc_now(), tick=False) as clock:
        yield clock


@pytest.fixture
def backup(clock: Clock, admin: Browser, make_backup: MakeBackup) -> Backup:
    """A backup; Alice has just signed in."""
    return make_backup()


@pytest.fixture
def content(backup: Backup, backup_dir: Path) -> bytes:
    return (backup_dir / backup.file_name).read_bytes()


def taken(app: Flask) -> list[tuple[str, str | None, str]]:
    """Who took what away, as the audit tells it: the actor, the token, the part."""
    wanted = select(AuditEntry).where(AuditEntry.action == "backup.download")
    with app.app_context():
        rows = db.session.scalars(wanted.order_by(AuditEntry.id)).all()
        return [(row.actor, row.token, (row.after or {})["part"]) for row in rows]


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, None),
        ("bytes=0-", 0, None),
        ("bytes=-7", -7, None),
        ("bytes=5000-99999999999", 5000, None),
    ],
)
def test_a_part_is_what_was_asked_for(
    admin: Browser, backup: Backup, content: bytes, asked: str, first: int, end: int | None
) -> None:
    etag = f'"{backup.sha256}"'
    for headers in ({"Range": asked}, {"Range": asked, "If-Range": etag}):
        answer = admin.get(f"/backups/{backup.id}/file", headers=headers)
        wanted = content[first:end]
        assert (answer.status_code, answer.data) == (206, wanted)
        start = content.index(wanted, first % len(content))
        told = f"bytes {start}-{start + len(wanted) - 1}/{len(content)}"
        assert answer.headers["Content-Range"] == told
        assert answer.content_length == len(wanted)
        assert answer.headers["ETag"] == etag


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-9", "If-Range": '"another"'},
        {"Range": "bytes=5-9", "If-Range": "Sun, 29 Nov 2026 08:00:00 GMT"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=9-0"},
        {"Range": "bytes=x"},
        {"Range": "bytes=" + "9" * 5000},
        {"If-None-Match": '"another"'},
    ],
)
def test_anything_else_is_the_whole_file(
    admin: Browser, backup: Backup, content: bytes, headers: dict[str, str]
) -> None:
    answer = admin.get(f"/backups/{backup.id}/file", headers=headers)
    assert (answer.status_code, answer.data) == (200, content)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "Content-Range" not in answer.headers


def test_a_weak_etag_resumes_nothing(admin: Browser, backup: Backup) -> None:
    weak = {"Range": "bytes=5-9", "If-Range": f'W/"{backup.sha256}"'}
    assert admin.get(f"/backups/{backup.id}/file", headers=weak).status_code == 200


def test_a_part_beyond_the_end_is_refused(admin: Browser, app: Flask, backup: Backup) -> None:
    headers = {"Range": f"bytes={backup.size_bytes}-"}
    answer = admin.get(f"/backups/{backup.id}/file", headers=headers)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{backup.size_bytes}"
    assert "Fetch it from its beginning" in answer.text
    assert taken(app) == []


def test_who_has_it_already_is_sent_nothing(admin: Browser, app: Flask, backup: Backup) -> None:
    path, etag = f"/backups/{backup.id}/file", f'"{backup.sha256}"'
    same = admin.get(path, headers={"If-None-Match": etag})
    assert (same.status_code, same.data) == (304, b"")
    assert "Content-Disposition" not in same.headers  # curl would begin a file
    other = admin.get(path, headers={"If-Match": '"another"', "Range": "bytes=5-"})
    assert (other.status_code, "another one by now" in other.text) == (412, True)
    head = admin.head(path, headers={"Range": "bytes=5-"})
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", etag)
    assert head.content_length == backup.size_bytes
    assert taken(app) == []


def test_a_part_reads_no_whole_file_unless_it_was_touched(
    admin: Browser, backup: Backup, backup_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = backup_dir / backup.file_name, f"/backups/{backup.id}/file"
    checked: list[int] = []

    def counted(*args: object) -> None:
        checked.append(1)
        require_unchanged(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(downloads, "require_unchanged", counted)
    part = {"Range": "bytes=10-19"}
    for _ in range(3):
        assert admin.get(path, headers=part).status_code == 206
        assert admin.head(path).status_code == 200
    assert len(checked) == 1
    for _ in range(2):
        admin.get(path).close()
    assert len(checked) == 3  # a whole one is read anew: disks forget without a trace
    times = file.stat()
    with file.open("r+b") as written:
        written.seek(5000)
        written.write(bytes([content_at(file, 5000) ^ 1]))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    answer = admin.get(path, headers=part)
    assert (answer.status_code, "changed since it was made" in answer.text) == (409, True)
    assert admin.head(path).status_code == 409


def content_at(file: Path, place: int) -> int:
    with file.open("rb") as read:
        read.seek(place)
        return read.read(1)[0]


def test_the_audit_has_one_row_for_a_download(admin: Browser, app: Flask, backup: Backup) -> None:
    path, size = f"/backups/{backup.id}/file", backup.size_bytes
    admin.get(path, headers={"Range": "bytes=100-199"})
    whole = admin.get(path)
    for first in (100, 200, size - 1):
        admin.get(path, headers={"Range": f"bytes={first}-"})
    admin.get(path, headers={"Range": "bytes=7-", "If-Range": '"another"'})
    token = make(admin, "backups:read")
    program = app.test_client()
    program.get(path, headers=bearer(token) | {"Range": "bytes=7-"})
    assert whole.status_code == 200
    assert taken(app) == [
        (EMAIL, None, f"bytes 100-199/{size}"),
        (EMAIL, None, "whole"),
        (EMAIL, None, "whole"),
        (EMAIL, token[6:14], f"bytes 7-{size - 1}/{size}"),
    ]
    assert "Downloaded" in admin.get("/audit").text


def test_it_takes_a_fresh_sign_in(admin: Browser, app: Flask, clock: Clock, backup: Backup) -> None:
    path, page = f"/backups/{backup.id}/file", f"/backups?download={backup.id}"
    clock.shift(LATER)
    for method in ("GET", "HEAD"):
        asked = admin.open(path, method=method)
        assert asked.status_code == 303
        assert asked.headers["Location"] == f"/account/confirm?next=/backups?download%3D{backup.id}"
    assert admin.get("/backups/latest/file").status_code == 303
    assert "Refresh" not in admin.get(page).headers
    assert taken(app) == []
    confirmed = admin.post("/account/confirm", data={"password": PASSWORD, "next": page})
    assert confirmed.headers["Location"] == page
    shown = admin.get(page)
    assert shown.headers["Refresh"] == f"0; url={path}"
    assert f"The download of {backup.file_name} begins." in shown.text
    assert admin.get(path).status_code == 200
    assert taken(app) == [(EMAIL, None, "whole")]


@pytest.mark.parametrize("number", ["9", "x", "-1", "9" * 30, "//evil.example"])
def test_the_page_begins_only_downloads_that_there_are(
    admin: Browser, backup: Backup, number: str
) -> None:
    answer = admin.get("/backups", query_string={"download": number})
    assert (answer.status_code, "Refresh" in answer.headers) == (200, False)


def test_a_download_that_was_begun_is_resumed_without_asking(
    admin: Browser, app: Flask, clock: Clock, backup: Backup, make_backup: MakeBackup
) -> None:
    path, rest = f"/backups/{backup.id}/file", {"Range": "bytes=9-"}
    other = make_backup()
    admin.get(path).close()
    clock.shift(LATER)
    assert admin.get(path, headers=rest).status_code == 206
    elsewhere = {"REMOTE_ADDR": "127.0.0.9"}
    refused = [
        admin.get(f"/backups/{other.id}/file", headers=rest),
        admin.get(path, headers=rest, environ_overrides=elsewhere),
        admin.get(path, headers={"Range": "bytes=0-"}),
    ]
    clock.shift(timedelta(minutes=50))
    refused.append(admin.get(path, headers=rest))
    for answer in refused:
        assert (answer.status_code, "asks who you are" in answer.text) == (403, True)
    assert taken(app) == [(EMAIL, None, "whole")]


def test_a_program_is_not_asked(admin: Browser, app: Flask, clock: Clock, backup: Backup) -> None:
    token = make(admin, "backups:read")
    clock.shift(LATER)
    answer = app.test_client().get("/backups/latest/file", headers=bearer(token))
    assert (answer.status_code, hashlib.sha256(answer.data).hexdigest()) == (200, backup.sha256)
    assert taken(app) == [(EMAIL, token[6:14], "whole")]


def test_the_latest_is_none_from_elsewhere(admin: Browser, app: Flask, backup: Backup) -> None:
    add_to(app, 0, origin=UPLOADED)
    token = make(admin, "backups:read")
    answer = app.test_client().get("/backups/latest/file", headers=bearer(token))
    assert hashlib.sha256(answer.data).hexdigest() == backup.sha256


def test_a_broken_download_is_resumed_from_a_real_server(
    admin: Browser, make_backup: MakeBackup, start_server: StartServer, backup_dir: Path
) -> None:
    backup = make_backup()
    size, sha256 = enlarge(admin.application, backup.id, backup_dir)
    headers = bearer(make(admin, "backups:read"))
    server = start_server().ready()
    url = f"{server.url}/backups/{backup.id}/file"
    head = requests.head(url, headers=headers, timeout=60)
    assert (head.status_code, int(head.headers["Content-Length"])) == (200, size)
    before, got = peak_bytes(server, reset=True), hashlib.sha256()
    with requests.get(url, headers=headers, stream=True, timeout=60) as broken:
        etag = broken.headers["ETag"]
        got.update(broken.raw.read(size // 3))
    more = headers | {"Range": f"bytes={size // 3}-", "If-Range": etag}
    with requests.get(url, headers=more, stream=True, timeout=60) as rest:
        assert rest.status_code == 206
        for piece in rest.iter_content(1 << 20):
            got.update(piece)
    assert got.hexdigest() == sha256
    beyond = requests.get(url, headers=headers | {"Range": f"bytes={size}-"}, timeout=60)
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    with requests.get(url, headers=headers, stream=True, timeout=60) as whole:
        read = sum(len(piece) for piece in whole.iter_content(1 << 20))
    assert read == size
    assert peak_bytes(server) - before < size // 8


def enlarge(app: Flask, backup_id: int, folder: Path) -> tuple[int, str]:
    """Let a backup be 128 MB, most of it without a place on the disk: its bytes and SHA-256."""
    with app.app_context(), transaction() as session:
        backup = session.get_one(Backup, backup_id)
        with (folder / backup.file_name).open("r+b") as file:
            file.truncate(128 << 20)
            backup.size_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            backup.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return backup.size_bytes, backup.sha256


def peak_bytes(server: Server, *, reset: bool = False) -> int:
    """The most memory that a worker of the server has held, since the last reset if any."""
    arbiter = server.process.pid
    (worker,) = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    if reset:
        Path(f"/proc/{worker}/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
    assert found
    return int(found[1]) * 1024
