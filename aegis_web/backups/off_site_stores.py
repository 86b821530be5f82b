"""What holds the copies off-site: a folder on another disk, or a bucket of a provider.

Both hold named objects, write them in parts, and say what went wrong in one sentence that holds no
secret: a provider's own words may, so none of them is passed on.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from aegis_web.backups.folder import FOLDER, READ, Folder
from aegis_web.errors import AegisError
from aegis_web.language import _

PART_BYTES = 8 * 1024 * 1024
MOST_PARTS = 9_000  # of one object; Amazon allows 10 000
AT_ONCE = 2  # parts on their way, each in memory
STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
CODE = re.compile(r"<Code>(\w{1,60})</Code>")
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
METADATA = "169.254."  # where a machine in a cloud would get keys, if none were given
KEYS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_SERVICE_ACCOUNT",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}


class Store(Protocol):
    """Named objects; everything raises AegisError with the cure."""

    def sizes(self) -> dict[str, int]:
        """The bytes of each object that is there whole, by name."""

    def write(self, name: str, data: Iterable[bytes], size_bytes: int) -> None:
        """Make or replace an object; an error leaves none, or the former one."""

    def read(self, name: str, size_bytes: int) -> Iterator[bytes]:
        """An object of that size, in parts."""

    def delete(self, name: str) -> None:
        """Take an object away; one that is gone already is no error."""


def open_store(address: str) -> Store:
    """What AEGIS_BACKUP_OFF_SITE names; nothing is asked of it yet."""
    scheme, _sign, rest = address.partition("://")
    where, _sign, query = rest.partition("?")
    if scheme == "file":
        return Directory(Path(unquote(where)))
    bucket, _sign, folder = where.partition("/")
    return Bucket(scheme, bucket, unquote(folder), dict(parse_qsl(query)))


class Directory:
    """A folder of this machine. It is never made here: a disk that is not mounted is an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _opened(self) -> Iterator[Folder]:
        try:
            descriptor = os.open(self.path, FOLDER)
            try:
                yield Folder(self.path, descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            text = _(
                "The folder off-site, %(folder)s, cannot be used (%(reason)s): mount its disk, "
                "make room, or mend it.",
                folder=self.path,
                reason=error.strerror,
            )
            raise AegisError(text) from error

    def sizes(self) -> dict[str, int]:
        with self._opened() as folder:
            folder.sweep()
            return {
                entry.name: entry.stat(follow_symlinks=False).st_size
                for entry in os.scandir(folder.descriptor)
                if entry.is_file(follow_symlinks=False)
            }

    def write(self, name: str, data: Iterable[bytes], size_bytes: int) -> None:
        with self._opened() as folder, folder.partial(name) as partial:
            for part in data:
                partial.write(part)
            partial.flush()
            partial.publish()

    def read(self, name: str, size_bytes: int) -> Iterator[bytes]:
        with (
            self._opened() as folder,
            open(os.open(name, READ, dir_fd=folder.descriptor), "rb") as file,
        ):
            left = size_bytes
            while part := file.read(min(left, PART_BYTES)):
                left -= len(part)
                yield part

    def delete(self, name: str) -> None:
        with self._opened() as folder:
            folder.forget(name)


class Bucket:
    """A bucket at Amazon or what speaks its language, at Google or at Azure."""

    def __init__(self, scheme: str, bucket: str, folder: str, options: dict[str, str]) -> None:
        self.scheme, self.bucket, self.folder, self.options = scheme, bucket, folder, options

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        import obstore  # 15 MB that only those need who copy
        from obstore.exceptions import BaseError

        try:
            yield obstore, self._store
        except (BaseError, FileNotFoundError) as error:
            raise AegisError(self._sentence(str(error))) from None

    @cached_property
    def _store(self) -> Any:
        from obstore import store

        http = self.options.get("endpoint", "").startswith("http:")
        given: dict[str, Any] = {
            "prefix": self.folder or None,
            "client_options": {
                "allow_http": http,
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(minutes=5),  # for one part
            },
            "retry_config": {"max_retries": 3, "retry_timeout": timedelta(minutes=2)},
        }
        if self.scheme == "s3":
            return store.S3Store(self.bucket, **{**given, **self.options})
        if self.scheme == "gs":
            return store.GCSStore(self.bucket, **given)
        if account := self.options.get("account"):
            given["account_name"] = account
        if endpoint := self.options.get("endpoint"):
            given["endpoint"] = endpoint
        return store.AzureStore(self.bucket, **given)

    def sizes(self) -> dict[str, int]:
        with self._opened() as (obstore, store):
            found = obstore.list_with_delimiter(store)
            return {item["path"]: item["size"] for item in found["objects"]}

    def write(self, name: str, data: Iterable[bytes], size_bytes: int) -> None:
        part_bytes = max(PART_BYTES, size_bytes // MOST_PARTS)
        with self._opened() as (obstore, store):
            obstore.put(store, name, iter(data), chunk_size=part_bytes, max_concurrency=AT_ONCE)

    def read(self, name: str, size_bytes: int) -> Iterator[bytes]:
        for start in range(0, size_bytes, PART_BYTES):
            end = min(start + PART_BYTES, size_bytes)
            with self._opened() as (obstore, store):
                part = bytes(obstore.get_range(store, name, start=start, end=end))
            yield part

    def delete(self, name: str) -> None:
        with self._opened() as (obstore, store):
            try:
                obstore.delete(store, name)
            except FileNotFoundError as error:
                if any(word in str(error) for word in NO_BUCKET):
                    raise

    def _sentence(self, said: str) -> str:
        """What a provider `said`, in our words."""
        status, code = STATUS.search(said), CODE.search(said)
        answer = " ".join(found[1].strip() for found in (status, code) if found)
        names = {"bucket": f"{self.scheme}://{self.bucket}", "answer": answer}
        if METADATA in said or "Account must be specified" in said:
            return _(
                "No keys were given for %(bucket)s: set the variables of the provider (%(keys)s).",
                keys=KEYS[self.scheme],
                **names,
            )
        if any(word in said for word in NO_BUCKET):
            return _("There is no %(bucket)s: make it, or correct AEGIS_BACKUP_OFF_SITE.", **names)
        if status and status[1][:3] in ("401", "403"):
            return _(
                "%(bucket)s refuses us (%(answer)s): check the variables of the provider "
                "(%(keys)s), and that they may list, read, write and delete there.",
                keys=KEYS[self.scheme],
                **names,
            )
        if status:
            return _(
                "%(bucket)s could not do it (%(answer)s): it is tried again by itself.", **names
            )
        if "HTTP error" in said:
            return _(
                "%(bucket)s cannot be reached: check AEGIS_BACKUP_OFF_SITE and the network; it is "
                "tried again by itself.",
                **names,
            )
        return _(
            "What answers for %(bucket)s does not speak the language of %(scheme)s://: correct "
            "AEGIS_BACKUP_OFF_SITE.",
            scheme=self.scheme,
            **names,
        )
