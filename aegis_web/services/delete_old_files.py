"""Deleting old files, only ever below the folders that AEGIS_FILE_ROOTS names."""

import fnmatch
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from aegis_web.clock import utc_now
from aegis_web.config import settings
from aegis_web.context import running
from aegis_web.errors import AegisError
from aegis_web.language import N_
from aegis_web.registry import Requires, service

NO_FOLLOW = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_NAMED = 1_000  # files named in the log


@service(
    category="Files",
    timeout_seconds=3_600,
    requires=Requires("file_roots", N_("set AEGIS_FILE_ROOTS to the folders where it may work")),
)
def delete_old_files(
    folder: Annotated[str, Field(min_length=1, max_length=4_000)],
    older_than_days: Annotated[float, Field(ge=0, le=36_500)],
    pattern: Annotated[str, Field(min_length=1, max_length=200)] = "*",
    recursive: bool = False,
    dry_run: bool = False,
) -> dict[str, int]:
    """Delete old files.

    Deletes ordinary files that were last changed longer ago than the days given. Links are neither
    followed nor deleted, and folders stay.

    Args:
        folder: The full path of the folder; it must lie below one of the allowed folders.
        older_than_days: Files changed more recently than this are kept.
        pattern: Which names to delete, such as *.log; ? stands for one character.
        recursive: Also work in the folders below.
        dry_run: Only tell what would be deleted.
    """
    if "/" in pattern:
        raise AegisError("the pattern is for names only: give the folder in its own field")
    root, inside = _allowed(folder, settings().file_roots)
    before = (utc_now() - timedelta(days=older_than_days)).timestamp()
    with _open_below(root, inside) as opened:
        counts, failures = _sweep(opened, pattern, before, recursive=recursive, dry_run=dry_run)
    if failures:
        raise AegisError(
            f"{len(failures)} files could not be deleted ({counts['deleted']} were);"
            f" the first: {failures[0]}"
        )
    return {name: counts[name] for name in ("deleted", "bytes", "kept")}


def _allowed(folder: str, roots: tuple[Path, ...]) -> tuple[Path, Path]:
    """The allowed root that `folder` really lies in, and its path from there.

    Raises: AegisError when it lies in none.
    """
    try:
        real = Path(folder).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise AegisError(f"there is no folder {folder}: correct the folder") from None
    if not Path(folder).is_absolute():
        raise AegisError(f"{folder} is not a full path: begin it with /")
    if not real.is_dir():
        raise AegisError(f"{folder} is not a folder: correct the folder")
    for root in roots:
        real_root = root.resolve()
        if real.is_relative_to(real_root):
            return real_root, real.relative_to(real_root)
    allowed = ", ".join(str(root) for root in roots) or "none"
    raise AegisError(f"{folder} is not below an allowed folder ({allowed}): see AEGIS_FILE_ROOTS")


@contextmanager
def _open_below(root: Path, inside: Path) -> Iterator[int]:
    """A descriptor of the folder, opened step by step so that no link put there later is taken."""
    opened = os.open(root, NO_FOLLOW)
    try:
        for part in inside.parts:
            try:
                deeper = os.open(part, NO_FOLLOW, dir_fd=opened)
            except OSError as error:
                raise AegisError(f"{root / inside} cannot be opened: {error.strerror}") from None
            os.close(opened)
            opened = deeper
        yield opened
    finally:
        os.close(opened)


def _sweep(
    opened: int, pattern: str, before: float, *, recursive: bool, dry_run: bool
) -> tuple[Counter[str], list[str]]:
    """What was done, counted, and why some files could not be deleted."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    run = running.get(None)
    for path, folders, names, descriptor in os.fwalk(".", dir_fd=opened, follow_symlinks=False):
        folders.sort()
        if not recursive:
            folders.clear()
        for name in sorted(fnmatch.filter(names, pattern)):
            if run and run.stop_requested():
                return counts, failures
            where = os.path.normpath(os.path.join(path, name))
            try:
                _sweep_one(name, where, descriptor, before, counts, dry_run=dry_run)
            except FileNotFoundError:
                continue  # somebody else was first
            except OSError as error:
                failures.append(f"{where}: {error.strerror}")
    return counts, failures


def _sweep_one(
    name: str, where: str, descriptor: int, before: float, counts: Counter[str], *, dry_run: bool
) -> None:
    facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode) or facts.st_mtime >= before:
        counts["kept"] += 1
        return
    if not dry_run:
        os.unlink(name, dir_fd=descriptor)
    counts["deleted"] += 1
    counts["bytes"] += facts.st_size
    if counts["deleted"] <= MOST_NAMED:
        print(f"{'would delete' if dry_run else 'deleted'} {where}")
