"""delete_old_files: what it deletes, and what it must never reach."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from aegis_web.clock import utc_now
from aegis_web.errors import AegisError
from aegis_web.services import delete_old_files as module
from aegis_web.services.delete_old_files import delete_old_files
from tests.services.conftest import Stop


def put(path: Path, days_old: float = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    changed = (utc_now() - timedelta(days=days_old)).timestamp()
    os.utime(path, (changed, changed))
    return path


def test_old_files_go_and_young_ones_stay(
    file_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, young = put(file_root / "old.log", 8), put(file_root / "young.log", 6)
    assert delete_old_files(str(file_root), 7) == {"deleted": 1, "bytes": 5, "kept": 1}
    assert (old.exists(), young.exists()) == (False, True)
    assert "deleted old.log" in capsys.readouterr().out


def test_only_names_that_match_the_pattern_go(file_root: Path) -> None:
    log, text = put(file_root / "a.log"), put(file_root / "a.txt")
    assert delete_old_files(str(file_root), 7, pattern="*.log")["deleted"] == 1
    assert (log.exists(), text.exists()) == (False, True)


def test_folders_below_are_left_alone_unless_asked_for(file_root: Path) -> None:
    deep = put(file_root / "a" / "b" / "old.log")
    assert delete_old_files(str(file_root), 7)["deleted"] == 0
    assert delete_old_files(str(file_root), 7, recursive=True)["deleted"] == 1
    assert not deep.exists()
    assert deep.parent.is_dir()


def test_a_dry_run_tells_the_same_and_deletes_nothing(
    file_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(file_root / "old.log")
    assert delete_old_files(str(file_root), 7, dry_run=True)["deleted"] == 1
    assert old.exists()
    assert "would delete old.log" in capsys.readouterr().out


def test_a_folder_below_the_allowed_one_will_do(file_root: Path) -> None:
    put(file_root / "a" / "b" / "old.log")
    assert delete_old_files(f"{file_root}/a/../a/./b", 7)["deleted"] == 1


@pytest.mark.parametrize(
    "folder",
    [
        "{root}/..",
        "{root}/../outside",
        "{root}-twin",
        "{root}/link",
        "{root}/link/deeper",
        "/",
        "/tmp",
    ],
)
def test_nothing_outside_the_allowed_folder_is_touched(file_root: Path, folder: str) -> None:
    outside = put(file_root.parent / "outside" / "deeper" / "canary")
    twin = put(file_root.parent / f"{file_root.name}-twin" / "canary")
    (file_root / "link").symlink_to(file_root.parent / "outside")
    with pytest.raises(AegisError, match="is not below an allowed folder"):
        delete_old_files(folder.format(root=file_root), 0, recursive=True)
    assert outside.exists()
    assert twin.exists()


def test_links_are_neither_followed_nor_deleted(file_root: Path) -> None:
    canary = put(file_root.parent / "outside" / "canary")
    to_file, to_folder = file_root / "to-file", file_root / "to-folder"
    to_file.symlink_to(canary)
    to_folder.symlink_to(canary.parent)
    assert delete_old_files(str(file_root), 0, recursive=True)["deleted"] == 0
    assert canary.exists()
    assert to_file.is_symlink()
    assert to_folder.is_symlink()


def test_a_link_put_in_the_way_after_the_check_is_not_taken(
    file_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = put(file_root.parent / "outside" / "canary")
    folder = file_root / "logs"
    folder.mkdir()
    allowed = module._allowed

    def swap(name: str, roots: tuple[Path, ...]) -> tuple[Path, Path]:
        found = allowed(name, roots)
        folder.rmdir()
        folder.symlink_to(canary.parent)
        return found

    monkeypatch.setattr(module, "_allowed", swap)
    with pytest.raises(AegisError, match="cannot be opened"):
        delete_old_files(str(folder), 0)
    assert canary.exists()


def test_an_allowed_folder_that_is_a_link_itself_works(file_root: Path) -> None:
    real = file_root.parent / "elsewhere"
    old = put(real / "old.log")
    file_root.rmdir()
    file_root.symlink_to(real)
    assert delete_old_files(str(file_root), 7)["deleted"] == 1
    assert not old.exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("{root}/none", "there is no folder"),
        ("{root}/file", "is not a folder"),
        ("relative", "there is no folder"),
        (".", "is not a full path"),
        ("x" * 5000, "there is no folder"),
    ],
)
def test_a_wrong_folder_is_told(file_root: Path, folder: str, message: str) -> None:
    put(file_root / "file")
    with pytest.raises(AegisError, match=message):
        delete_old_files(folder.format(root=file_root), 7)


def test_a_pattern_cannot_name_a_folder(file_root: Path) -> None:
    with pytest.raises(AegisError, match="the pattern is for names only"):
        delete_old_files(str(file_root), 7, pattern="../*")


def test_what_cannot_be_deleted_is_told_and_the_rest_goes(
    file_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, loose = put(file_root / "a"), put(file_root / "b")
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int) -> None:
        if name == "a":
            raise PermissionError(13, "Permission denied")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(AegisError, match=r"1 files could not be deleted .* a: Permission denied"):
        delete_old_files(str(file_root), 7)
    assert (stuck.exists(), loose.exists()) == (True, False)


def test_it_stops_when_it_is_asked_to(file_root: Path, ask_to_stop: Stop) -> None:
    old = put(file_root / "old.log")
    ask_to_stop()
    assert delete_old_files(str(file_root), 7)["deleted"] == 0
    assert old.exists()
