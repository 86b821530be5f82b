"""How a backup lies in its file: compressed by zstd, and encrypted by age where keys are given.

Both directions stream. What comes back is written up to a limit and no further, so that a small
file that claims to be huge fills no disk.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import Any, NamedTuple, Protocol, cast

import pyrage
import zstandard

from aegis_web.backups.copies import Unusable, Watch
from aegis_web.errors import AegisError
from aegis_web.keys import key_id
from aegis_web.language import N_, _, grouped

SUFFIX = ".zst"
LEVEL = 3
LARGEST_WINDOW = 2**27  # bytes; zstd's own limit for files that are no special case
READ_BYTES = 1 << 18
MOST_TIMES = 200  # how much larger a backup from elsewhere may become: usual are 3 to 60 times,
SMALL_BYTES = 2**26  # and nothing is asked of what fits in here
SLICE_BYTES = 1024  # packed bytes at a time: 4 of them can stand for 128 kB
AGE = b"age-encryption.org/v1\n"
HEADER_END = b"\n--- "
LONGEST_HEADER = 2**13  # bytes; ours has 200, and the time to read one grows with their square
ZSTD = b"\x28\xb5\x2f\xfd"
CUT = "it ends too early: it was cut short"
NO_KEYS = N_(
    "It is encrypted, and AEGIS_BACKUP_KEYS is not set: set it to the key it was made with."
)


class Reads(Protocol):
    """Anything that gives at most `size` bytes, and none at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writes(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


class Watched:
    """A reader that says how far it is; what it raises outlives libraries that swallow it."""

    def __init__(self, source: Reads, watch: Watch, total: int | None, words: str) -> None:
        self._source, self._watch, self._total, self._words = source, watch, total, words
        self._done, self._hash = 0, hashlib.sha256()
        self.error: BaseException | None = None

    @property
    def sha256(self) -> str:
        """Of what was read so far, hexadecimal."""
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        try:
            self._watch.step(self._done, self._total, self._words)
            data = self._source.read(READ_BYTES if size < 0 else size)
        except BaseException as error:
            self.error = error
            raise
        self._done += len(data)
        self._hash.update(data)
        return data


def pack(
    source: Reads, target: Writes, keys: Sequence[str], watch: Watch, total: int | None
) -> None:
    """Write what `source` gives to `target`, compressed, and sealed for the first of `keys`.

    Raises: what `source` and `target` raise; Stopped.
    """
    watched = Watched(source, watch, total, "bytes packed")
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    small = compressor.stream_reader(cast(Any, watched))
    if not keys:
        while data := small.read(READ_BYTES):
            target.write(data)
        return
    writing = Kept(target.write)
    recipient = pyrage.x25519.Identity.from_str(keys[0]).to_public()
    try:
        pyrage.encrypt_io(small, writing, [recipient])
    except (pyrage.EncryptError, OSError) as error:
        raise (watched.error or writing.error or error) from None


def seal(plain: bytes, keys: Sequence[str]) -> bytes:
    """A small text for the first of `keys`; as it is without keys."""
    if not keys:
        return plain
    sealed: bytes = pyrage.encrypt(plain, [pyrage.x25519.Identity.from_str(keys[0]).to_public()])
    return sealed


def unseal(stored: bytes, keys: Sequence[str]) -> bytes:
    """A small text as it was before `seal`.

    Raises: Unusable when none of the keys fits.
    """
    if not stored.startswith(AGE):
        return stored
    if not keys:
        raise Unusable(_(NO_KEYS))
    require_short_header(stored[:LONGEST_HEADER])
    try:
        plain: bytes = pyrage.decrypt(
            stored, [pyrage.x25519.Identity.from_str(key) for key in keys]
        )
    except pyrage.DecryptError as error:
        raise other_key(keys) from error
    return plain


class Kept:
    """A writer that keeps what it raised."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Pass `data` on."""
        try:
            return self._write(bytes(data))
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Nothing is held back."""


class Limit(NamedTuple):
    """How many bytes may come out of a file, and what is said of more."""

    size_bytes: int
    refusal: AegisError


def room(free_bytes: int) -> Limit:
    """As much as there is room for."""
    text = _(
        "Unpacked it would have more than %(limit)s bytes, and there is no room for that: "
        "make room on the disk with the backups.",
        limit=grouped(free_bytes),
    )
    return Limit(free_bytes, AegisError(text))


def sense(packed_bytes: int) -> Limit:
    """As much as a backup of that size can hold, be it ever so empty."""
    limit = SMALL_BYTES + MOST_TIMES * packed_bytes
    text = _(
        "Unpacked it would have more than %(limit)s bytes, and no backup shrinks that far: it was "
        "not made by this product. Take a backup that Aegis Web has made.",
        limit=grouped(limit),
    )
    return Limit(limit, Unusable(text))


class Unpacked:
    """Takes packed bytes and writes them out plainly, as far as the limit."""

    def __init__(self, target: Writes, limit: Limit) -> None:
        self._target, self._limit = target, limit
        self._written = 0
        self._zstd: Any = None
        self._begun = False

    def write(self, data: bytes) -> int:
        """Take the next packed bytes."""
        if not self._begun:
            self._begun = True
            if data.startswith(ZSTD):
                tool = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
                self._zstd = tool.decompressobj(write_size=READ_BYTES)
        if self._zstd is None:
            self._pass_on(data)
            return len(data)
        for start in range(0, len(data), SLICE_BYTES):
            if self._zstd.eof:
                raise damaged("something follows its end")
            try:
                self._pass_on(self._zstd.decompress(data[start : start + SLICE_BYTES]))
            except zstandard.ZstdError as error:
                raise damaged(str(error)) from error
        return len(data)

    def _pass_on(self, plain: bytes) -> None:
        self._written += len(plain)
        if self._written > self._limit.size_bytes:
            raise self._limit.refusal
        self._target.write(plain)

    def close(self) -> None:
        """Refuse what is not whole."""
        if not self._begun:
            raise damaged("it is empty")
        if self._zstd is not None:
            if not self._zstd.eof:
                raise damaged(CUT)
            if self._zstd.unused_data:
                raise damaged("something follows its end")


def unpack(
    source: BufferedReader, target: Writes, keys: Sequence[str], limit: Limit, watch: Watch
) -> str:
    """Write what `source` holds to `target`, plainly, in whatever way it is packed; its SHA-256.

    Raises: Unusable with what is wrong with it: no key fits, or damaged; the refusal of `limit`;
    Stopped.
    """
    sealed = source.peek(len(AGE)).startswith(AGE)
    total = os.fstat(source.fileno()).st_size
    watched = Watched(source, watch, total, "bytes unpacked")
    plain = Unpacked(target, limit)
    if not sealed:
        while data := watched.read(READ_BYTES):
            plain.write(data)
        plain.close()
        return watched.sha256
    if not keys:
        raise Unusable(_(NO_KEYS))
    require_short_header(source.read(LONGEST_HEADER))
    source.seek(0)
    writing = Kept(plain.write)
    try:
        pyrage.decrypt_io(watched, writing, [pyrage.x25519.Identity.from_str(key) for key in keys])
    except pyrage.DecryptError as error:
        if raised := watched.error or writing.error:
            raise raised from None
        if "key" not in str(error):
            raise damaged(str(error)) from error
        raise other_key(keys) from error
    except OSError as error:
        raise (watched.error or writing.error or damaged(str(error))) from error
    plain.close()
    return watched.sha256


def require_short_header(begin: bytes) -> None:
    """Raises: Unusable where the header of age does not end in the first bytes of a file."""
    if HEADER_END not in begin:
        raise damaged(CUT if len(begin) < LONGEST_HEADER else "its header is too long")


def other_key(keys: Sequence[str]) -> Unusable:
    """What is said of a file that none of `keys` opens."""
    text = _(
        "It is encrypted with another key than those in AEGIS_BACKUP_KEYS (%(ids)s): add the "
        "key it was made with at the end of that setting.",
        ids=", ".join(map(key_id, keys)),
    )
    return Unusable(text)


def damaged(problem: str) -> Unusable:
    """What is said of a file that cannot be read to its end."""
    text = _(
        "It is damaged (%(problem)s) and holds nothing that can be relied on: take another backup.",
        problem=problem,
    )
    return Unusable(text)
