"""What the Overview says of backups."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from aegis_web.backups.folder import new_name
from aegis_web.backups.models import UPLOADED, Backup, CopyState, OffSiteCopy
from aegis_web.clock import utc_now
from aegis_web.extensions import transaction
from tests.runs.rows import add_job
from tests.support.applications import Browser, signed_in


def back_up(app: Flask, hours_ago: float, **facts: object) -> None:
    at = utc_now() - timedelta(hours=hours_ago)
    folder: Path = app.extensions["aegis.settings"].backup_dir
    folder.mkdir(parents=True, exist_ok=True)
    name = new_name(at, "sqlite3.zst")
    (folder / name).write_bytes(b"1")
    with app.app_context(), transaction() as session:
        session.add(
            Backup(
                file_name=name,
                database="SQLite",
                size_bytes=1,
                sha256="0",
                made_at=at,
                seconds=1,
                made_by="x",
                **{"proven_at": at, **facts},
            )
        )


def newest_file(app: Flask) -> Path:
    folder: Path = app.extensions["aegis.settings"].backup_dir
    return max(folder.iterdir())


WARNING = "No proven backup in the last 26 hours"


def test_a_missing_backup_is_noticed_after_the_first_day(app: Flask, admin: Browser) -> None:
    add_job(app)
    assert WARNING not in admin.get("/").text
    back_up(app, hours_ago=27)
    assert WARNING in admin.get("/").text
    back_up(app, hours_ago=2, origin=UPLOADED)
    assert WARNING in admin.get("/").text
    back_up(app, hours_ago=1)
    assert WARNING not in admin.get("/").text


def test_a_newest_backup_that_is_no_good_is_red(app: Flask, admin: Browser) -> None:
    add_job(app)
    back_up(app, hours_ago=2)
    unproven = "The newest backup is not proven"
    assert unproven not in admin.get("/").text
    back_up(app, hours_ago=0.6, proven_at=None, proof_error="cut short", origin=UPLOADED)
    assert unproven not in admin.get("/").text
    back_up(app, hours_ago=0.5, proven_at=None)  # its proof may still come
    assert unproven not in admin.get("/").text
    back_up(app, hours_ago=0.4, proven_at=None, proof_error="<b>cut short")
    page = admin.get("/").text
    assert unproven in page
    assert "&lt;b&gt;cut short" in page
    back_up(app, hours_ago=1.5, proven_at=None)
    assert "never came to an end" in admin.get("/").text


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_newest_backup_without_its_file_is_red(app: Flask, admin: Browser, damage: str) -> None:
    add_job(app)
    back_up(app, hours_ago=3)
    newest_file(app).unlink()
    back_up(app, hours_ago=2)
    said = "The file of the newest backup is missing or damaged"
    assert said not in admin.get("/").text
    if damage == "missing":
        newest_file(app).unlink()
    else:
        newest_file(app).write_bytes(b"")
    page = admin.get("/").text
    assert said in page
    assert f"File {damage}: It was moved" in page
    assert "The newest backup is not proven" not in page
    with app.app_context(), transaction() as session:
        newest = session.query(Backup).order_by(Backup.id.desc()).first()
        assert newest is not None
        copy = OffSiteCopy(
            file_name=newest.file_name, place="file:///elsewhere", state=CopyState.COPIED
        )
        copy.asked_at = copy.copied_at = utc_now()
        session.add(copy)
    assert said not in admin.get("/").text


def test_an_old_installation_without_any_backup_is_warned(app: Flask, admin: Browser) -> None:
    add_job(app, created_at=utc_now() - timedelta(hours=27))
    text = admin.get("/").text
    assert WARNING in text
    assert "None has been made yet." in text


def test_what_keeps_nothing_is_not_asked_for_backups(make_app: Callable[..., Flask]) -> None:
    app = make_app(AEGIS_COMPONENTS="scheduler")
    admin = signed_in(app)
    add_job(app, created_at=utc_now() - timedelta(hours=27))
    assert WARNING not in admin.get("/").text


# --- running and next -------------------------------------------------------------------------
