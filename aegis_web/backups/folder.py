"""The folder of the backups: names that we make, and files that are reached below it only.

Everything goes through the folder's descriptor and never follows a link, so that neither a name
nor what somebody plants in the folder leads anywhere else.
"""

import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from aegis_web.clock import utc_now
from aegis_web.errors import AegisError, Conflict, NotFound
from aegis_web.language import _, grouped

NAME = re.compile(
    r"aegis-\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{12}\.(sqlite3|dump|copy)(\.zst(\.age)?)?", re.ASCII
)
MANIFEST = ".json"
CHECKSUM = ".sha256"
TEXT = ".jobs.yaml"  # the jobs as text; sealed where the backup is
SEALED = ".age"
TEXT_NAME = re.compile(rf"{NAME.pattern}{re.escape(TEXT)}({re.escape(SEALED)})?", re.ASCII)
PARTIAL = ".partial"
MAKING_SECONDS = 10  # more than anybody needs between making a partial file and locking it
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
LEFT_BEHIND = "Removed %s, which a killed process had left behind"
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # never waits for a planted pipe

log = logging.getLogger(__name__)


def new_name(made_at: datetime, suffix: str) -> str:
    """A file name that no other backup has: the instant, and a random part."""
    return f"aegis-{made_at:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(6)}.{suffix}"


def text_name(name: str) -> str:
    """The name of the text beside the backup `name`."""
    return name + TEXT + (SEALED if name.endswith(SEALED) else "")


def is_ours(name: str) -> bool:
    """Whether it is the name of a backup, or of the text beside one."""
    return bool(NAME.fullmatch(name) or TEXT_NAME.fullmatch(name))


def backup_of(name: str) -> str:
    """The name of the backup to which a file of that name belongs, finished or not."""
    for suffix in (PARTIAL, MANIFEST, CHECKSUM, TEXT, TEXT + SEALED):
        name = name.removesuffix(suffix)
    return name


def made_at_of(name: str) -> datetime | None:
    """The instant in a name that fits NAME; None where it is none."""
    try:
        return datetime.strptime(name[6:28], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None


class Partial:
    """A file that is being written under a temporary name, for its owner's eyes only.

    It is locked until it is closed, so that others know a living one from what a kill left.
    """

    def __init__(self, folder: "Folder", name: str, *, hashed: bool = True) -> None:
        self.folder, self.name = folder, name + PARTIAL
        self.final = name
        self.path = folder.path / self.name
        self.descriptor = os.open(self.name, NEW, 0o600, dir_fd=folder.descriptor)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        self.size_bytes, self._hash = 0, hashlib.sha256() if hashed else None

    def write(self, data: bytes) -> int:
        """Append `data`."""
        left = memoryview(data)
        while left:
            left = left[os.write(self.descriptor, left) :]
        if self._hash is not None:
            self._hash.update(data)
        self.size_bytes += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """Of what was written so far, hexadecimal; a scratch file has none."""
        assert self._hash is not None
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Bring all of it to the disk."""
        os.fsync(self.descriptor)

    def read(self) -> BufferedReader:
        """A reader from its beginning; the caller closes it."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return open(os.dup(self.descriptor), "rb")

    def publish(self) -> None:
        """Give it its name at once and for good."""
        at = self.folder.descriptor
        os.rename(self.name, self.final, src_dir_fd=at, dst_dir_fd=at)
        os.fsync(at)


class Folder:
    """The open folder of the backups."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    @contextmanager
    def partial(self, name: str) -> Iterator[Partial]:
        """A new file that becomes `name` when it is published; an error leaves nothing of it."""
        made = Partial(self, name)
        try:
            yield made
        except BaseException:
            self.forget(made.name)
            self.forget(made.final)
            raise
        finally:
            os.close(made.descriptor)

    @contextmanager
    def scratch(self, suffix: str) -> Iterator[Partial]:
        """A new file for work that is gone afterwards, whatever happens."""
        made = Partial(self, new_name(utc_now(), suffix), hashed=False)
        try:
            yield made
        finally:
            self.forget(made.name)
            os.close(made.descriptor)

    def forget(self, name: str) -> None:
        """Delete the file `name`, if it is there."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return

    def remove(self, name: str) -> None:
        """Delete the backup `name`; one that is gone already is no error.

        Raises: Conflict for a name that is none of ours; AegisError when it cannot be deleted.
        """
        if not NAME.fullmatch(name):
            text = _(
                "%(name)s is no file name that a backup gets, so nothing was deleted. "
                "Somebody has changed the database by hand; look at its table backups.",
                name=repr(name),
            )
            raise Conflict(text)
        try:
            self.forget(name)
            self.forget(name + MANIFEST)
            self.forget(text_name(name))
        except OSError as error:
            text = _(
                "%(file)s cannot be deleted (%(reason)s): give this process the right to write in "
                "that folder",
                file=self.path / name,
                reason=error.strerror,
            )
            raise AegisError(text) from error

    def sweep(self) -> list[str]:
        """Delete what killed processes left behind; the names."""
        newest = time.time() - MAKING_SECONDS
        left = []
        for name in os.listdir(self.descriptor):
            if not (name.endswith(PARTIAL) and NAME.fullmatch(backup_of(name))):
                continue
            try:
                file = os.open(name, READ, dir_fd=self.descriptor)
            except OSError:  # another process swept it first, or it is no file of ours
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(file)  # nothing is written before it is locked
                if found.st_size or found.st_mtime < newest:
                    self.forget(name)
                    self._forget_beside(backup_of(name))
                    left.append(name)
            except BlockingIOError:  # somebody is at work on it
                continue
            finally:
                os.close(file)
        return left

    def _forget_beside(self, name: str) -> None:
        """Delete what had its name already, beside a backup that never got its own."""
        if self.size(name) is None:
            self.forget(name + MANIFEST)
            self.forget(text_name(name))

    def size(self, name: str) -> int | None:
        """The size of a backup, or of the text beside one, in bytes; None when none is there."""
        if not is_ours(name):
            return None
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> BufferedReader:
        """A backup, or the text beside one, to read; the caller closes it.

        Raises: NotFound when no such file is in the folder.
        """
        text = _(
            "The file %(name)s is not in %(folder)s. It was moved or deleted, or it was made on "
            "another machine whose folder this process does not share.",
            name=name,
            folder=self.path,
        )
        gone = NotFound(text)
        if not is_ours(name):
            raise gone
        try:
            descriptor = os.open(name, READ, dir_fd=self.descriptor)
        except OSError as error:
            raise gone from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise gone
        return open(descriptor, "rb")


@contextmanager
def open_folder(path: Path, *, make: bool = False) -> Iterator[Folder]:
    """The folder at `path`; with `make` it is made for its owner only, if it is not there.

    Raises: NotFound when it is not there; AegisError when it cannot be used.
    """
    try:
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, FOLDER)
    except FileNotFoundError as error:
        text = _("The folder of the backups, %(path)s, is not there.", path=path)
        raise NotFound(text) from error
    except OSError as error:
        text = _(
            "the folder of the backups, %(path)s, cannot be used (%(reason)s): mend it, or name "
            "another in AEGIS_BACKUP_DIR",
            path=path,
            reason=error.strerror,
        )
        raise AegisError(text) from error
    try:
        yield Folder(path, descriptor)
    finally:
        os.close(descriptor)


def sweep_at_start(path: Path) -> None:
    """Clear the folder at `path` of what killed processes left; nothing here forbids a start."""
    if not path.exists():
        return
    try:
        with open_folder(path) as folder:
            left = folder.sweep()
    except (AegisError, OSError) as error:
        log.warning("The folder of the backups could not be cleared: %s", error)
        return
    for name in left:
        log.warning(LEFT_BEHIND, name)


def require_unchanged(file: BufferedReader, size_bytes: int, sha256: str) -> None:
    """Refuse a file that is no longer what was written; leaves it at its beginning.

    Raises: Conflict.
    """
    found = os.fstat(file.fileno()).st_size
    if found != size_bytes:
        problem = _(
            "it has %(found)s bytes and had %(size)s",
            found=grouped(found),
            size=grouped(size_bytes),
        )
    elif hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        problem = _("its SHA-256 is another")
    else:
        file.seek(0)
        return
    text = _(
        "This backup has changed since it was made: %(problem)s. It is not handed out, because "
        "nobody should restore it. Delete it and back up again.",
        problem=problem,
    )
    raise Conflict(text)
