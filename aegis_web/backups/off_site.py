"""The place off-site that keeps copies of backups, in case this machine is lost.

A copy is four objects: the backup's file, the text of its jobs, its manifest, and the SHA-256 of
both as `sha256sum` writes it. That comes last and goes first, and what has none is not listed:
nobody takes a part for a copy. A copy without the text is whole, too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from aegis_web.backups.copies import Unusable, Watch
from aegis_web.backups.folder import CHECKSUM, MANIFEST, NAME, require_unchanged, text_name
from aegis_web.backups.jobs_text import LARGEST, is_whole
from aegis_web.backups.manifest import as_text
from aegis_web.backups.off_site_stores import PART_BYTES, open_store
from aegis_web.backups.packing import Writes
from aegis_web.config import settings
from aegis_web.errors import AegisError, NotFound
from aegis_web.language import _

READ_BACK_BYTES = 10**9  # the largest file that is read back whole; beyond that its size counts
LARGEST_MANIFEST = 1_000_000


@dataclass(frozen=True)
class Copy:
    """A copy that is there whole."""

    name: str
    size_bytes: int
    has_text: bool  # whether the text of its jobs is beside it


class Place:
    """Where AEGIS_BACKUP_OFF_SITE points to. Everything raises AegisError with the cure."""

    def __init__(self, address: str) -> None:
        self.address = address  # holds no secret
        self._store = open_store(address)

    def copies(self) -> dict[str, Copy]:
        """The copies that are there, by name; whatever else is there is none of ours."""
        sizes = self._store.sizes()
        return {
            name: Copy(name, size, text_name(name) in sizes)
            for name, size in sizes.items()
            if NAME.fullmatch(name) and {name + MANIFEST, name + CHECKSUM} <= sizes.keys()
        }

    def put(
        self,
        file: BufferedReader,
        manifest: Mapping[str, Any],
        watch: Watch,
        jobs: bytes | None = None,
    ) -> None:
        """Copy a backup with `jobs`, the text beside it, if any; read back what arrived.

        Raises: Conflict when the file is no longer what its manifest says; Stopped.
        """
        name, size, sha256 = manifest["file"], manifest["size_bytes"], manifest["sha256"]
        require_unchanged(file, size, sha256)
        self._store.write(name, parts_of(file, size, watch), size)
        if not self._arrived(name, size, sha256, watch):
            self.remove(name)
            text = _(
                "What has arrived at %(place)s is not what was sent. It is tried again by itself; "
                "if this comes again, do not trust that place or the way there.",
                place=self.address,
            )
            raise AegisError(text)
        sums = f"{sha256}  {name}\n"
        if jobs is not None:
            self._put_text(text_name(name), jobs)
            sums += f"{hashlib.sha256(jobs).hexdigest()}  {text_name(name)}\n"
        self._put_text(name + MANIFEST, as_text(manifest))
        self._put_text(name + CHECKSUM, sums.encode())

    def _put_text(self, name: str, text: bytes) -> None:
        self._store.write(name, [text], len(text))

    def _arrived(self, name: str, size_bytes: int, sha256: str, watch: Watch) -> bool:
        """Whether the object `name` is what was sent."""
        if size_bytes > READ_BACK_BYTES:
            return self._store.sizes().get(name) == size_bytes
        found = hashlib.sha256()
        for part in self._store.read(name, size_bytes):
            watch.step(0, None, "compared with what arrived")
            found.update(part)
        return found.hexdigest() == sha256

    def manifest(self, name: str) -> dict[str, Any]:
        """What is written down of the copy `name`.

        Raises: NotFound when it is not there; Unusable when its parts do not fit together.
        """
        sizes = self._store.sizes()
        if not NAME.fullmatch(name) or name + CHECKSUM not in sizes:
            text = _(
                "There is no %(name)s at %(place)s: `flask backups list` names what is there.",
                name=name,
                place=self.address,
            )
            raise NotFound(text)
        try:
            texts = [
                b"".join(self._store.read(part, min(sizes[part], LARGEST_MANIFEST))).decode()
                for part in (name + CHECKSUM, name + MANIFEST)
            ]
            found = json.loads(texts[1])
            whole = (found["sha256"], found["file"], found["size_bytes"])
            fits = whole == (texts[0].split()[0], name, sizes[name])
        except (LookupError, TypeError, ValueError):
            fits = False
        if not fits:
            text = _(
                "%(name)s at %(place)s, its manifest and its SHA-256 do not fit together: take "
                "another copy.",
                name=name,
                place=self.address,
            )
            raise Unusable(text)
        return dict(found)

    def fetch(self, manifest: Mapping[str, Any], target: Writes, watch: Watch) -> None:
        """Write the file of a copy to `target`.

        Raises: Unusable when it is not what its manifest says; Stopped.
        """
        done, size, found = 0, manifest["size_bytes"], hashlib.sha256()
        for part in self._store.read(manifest["file"], size):
            watch.step(done, size, "bytes fetched")
            target.write(part)
            found.update(part)
            done += len(part)
        if found.hexdigest() != manifest["sha256"]:
            text = _(
                "%(name)s at %(place)s has another SHA-256 than when it was made: take another "
                "copy.",
                name=manifest["file"],
                place=self.address,
            )
            raise Unusable(text)

    def jobs(self, manifest: Mapping[str, Any]) -> bytes | None:
        """The text of a copy's jobs as it was stored; None where none is whole."""
        name = text_name(manifest["file"])
        size = self._store.sizes().get(name)
        if size is None or size > LARGEST:
            return None
        stored = b"".join(self._store.read(name, size))
        return stored if is_whole(stored, manifest) else None

    def remove(self, name: str) -> None:
        """Take a copy away, whole or not."""
        for part in (name + CHECKSUM, name + MANIFEST, text_name(name), name):
            self._store.delete(part)


def parts_of(file: BufferedReader, size_bytes: int, watch: Watch) -> Iterator[bytes]:
    """What `file` holds, in parts."""
    done = 0
    while part := file.read(PART_BYTES):
        watch.step(done, size_bytes, "bytes copied off-site")
        yield part
        done += len(part)


def off_site_place() -> Place:
    """The place of the settings.

    Raises: NotFound when there is none.
    """
    address = settings().backup_off_site
    if address is None:
        text = _(
            "There is no place off-site: set AEGIS_BACKUP_OFF_SITE, such as "
            "s3://bucket/folder?region=eu-central-1 or file:///folder/on/another/disk"
        )
        raise NotFound(text)
    return Place(address)
