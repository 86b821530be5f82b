"""The place off-site, in both its kinds: a folder, and a bucket of a server that speaks S3."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aegis_web.backups.copies import UNWATCHED, Stopped, Unusable, Watch
from aegis_web.backups.off_site import Place
from aegis_web.backups.off_site_stores import PART_BYTES, Directory
from aegis_web.errors import AegisError, Conflict, NotFound
from tests.support.buckets import BUCKET, Bucket

ROOT = Path(__file__).parents[2]
NAME = "aegis-20260310T020000.000000Z-0123456789ab.sqlite3.zst"
CONTENT = os.urandom(2 * PART_BYTES + 4711)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "bucket":
        return Place(request.getfixturevalue("bucket").url)
    (tmp_path / "there").mkdir()
    return Place(f"file://{tmp_path}/there")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command).returncode:
        pytest.skip("a file system of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def manifest_of(content: bytes | Path, name: str = NAME) -> dict[str, Any]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size
    else:
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
    return {"file": name, "size_bytes": size, "sha256": sha256}


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Copies `content` to a place as a backup; its manifest."""

    def put(
        place: Place, content: bytes = CONTENT, name: str = NAME, watch: Watch = UNWATCHED
    ) -> dict[str, Any]:
        manifest = manifest_of(content, name)
        (tmp_path / name).write_bytes(content)
        with (tmp_path / name).open("rb") as file:
            place.put(file, manifest, watch)
        return manifest

    return put


Put = Callable[..., dict[str, Any]]


def fetched(place: Place, name: str = NAME) -> bytes:
    got = bytearray()

    class Target:
        def write(self, data: bytes) -> int:
            got.extend(data)
            return len(data)

    place.fetch(place.manifest(name), Target(), UNWATCHED)
    return bytes(got)


def test_what_is_put_there_is_listed_and_comes_back(place: Place, put: Put) -> None:
    assert place.copies() == {}
    manifest = put(place)
    names = [NAME.replace("0310", f"031{day}") for day in range(1, 5)]
    for name in names:
        put(place, b"small", name)
    assert set(place.copies()) == {NAME, *names}
    assert place.copies()[NAME].size_bytes == len(CONTENT)
    assert place.manifest(NAME) == manifest
    assert fetched(place) == CONTENT
    place.remove(names[0])
    place.remove(names[0])  # gone already
    assert set(place.copies()) == {NAME, *names[1:]}
    with pytest.raises(NotFound, match="flask backups list"):
        place.manifest(names[0])


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    store = Directory(tmp_path)
    store.write("object", [b"abcdef"], 6)
    assert b"".join(store.read("object", 4)) == b"abcd"


def test_the_checksum_is_as_sha256sum_writes_it_and_files_are_for_their_owner(
    tmp_path: Path, put: Put
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    put(Place(f"file://{there}"))
    assert sorted(os.listdir(there)) == [NAME, f"{NAME}.json", f"{NAME}.sha256"]
    line = (there / f"{NAME}.sha256").read_text()
    assert line == f"{hashlib.sha256(CONTENT).hexdigest()}  {NAME}\n"
    assert {file.stat().st_mode & 0o777 for file in there.iterdir()} == {0o600}


def test_what_is_not_whole_or_not_ours_is_not_listed(tmp_path: Path, put: Put) -> None:
    place = Place(f"file://{tmp_path}/there")
    (tmp_path / "there").mkdir()
    put(place)
    (tmp_path / "there" / "holiday.jpg").touch()
    for part in (NAME, f"{NAME}.json", f"{NAME}.sha256"):
        kept = (tmp_path / "there" / part).read_bytes()
        (tmp_path / "there" / part).unlink()
        assert place.copies() == {}
        (tmp_path / "there" / part).write_bytes(kept)
    assert set(place.copies()) == {NAME}


def test_one_wrong_bit_on_the_way_is_found_and_nothing_is_listed(bucket: Bucket, put: Put) -> None:
    place = Place(bucket.url)
    bucket.spoils = ".zst"
    with pytest.raises(AegisError, match="not what was sent"):
        put(place)
    assert bucket.objects == {}
    bucket.spoils = ""
    put(place)
    assert fetched(place) == CONTENT


def test_one_wrong_bit_there_is_found_when_it_is_fetched(bucket: Bucket, put: Put) -> None:
    place = Place(bucket.url)
    put(place)
    for spoiled, said in ((NAME, "another SHA-256"), (f"{NAME}.sha256", "do not fit together")):
        key = f"nightly/shop/{spoiled}"
        kept = bucket.objects[key]
        bucket.objects[key] = bytes([kept[0] ^ 1]) + kept[1:]
        with pytest.raises(Unusable, match=said):
            fetched(place)
        bucket.objects[key] = kept
    bucket.objects[f"nightly/shop/{NAME}"] = CONTENT[:-1]
    with pytest.raises(Unusable, match="do not fit together"):
        fetched(place)


def test_a_server_that_dies_midway_leaves_no_copy(bucket: Bucket, put: Put) -> None:
    place = Place(bucket.url)
    bucket.dies_at = 2
    with pytest.raises(AegisError, match=r"cannot be reached.*tried again"):
        put(place)
    bucket.dies_at = None
    assert place.copies() == {}
    assert bucket.uploads == {}
    put(place)
    assert fetched(place) == CONTENT


def test_a_stop_ends_it_between_two_parts(place: Place, put: Put) -> None:
    seen: list[float] = []
    watch = Watch(lambda done, total, message: seen.append(done), lambda: len(seen) == 2)
    with pytest.raises(Stopped):
        put(place, watch=watch)
    assert place.copies() == {}
    assert seen == [0, PART_BYTES]


def test_a_backup_that_has_changed_is_not_copied(place: Place, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"other")
    with (tmp_path / NAME).open("rb") as file, pytest.raises(Conflict, match="has changed"):
        place.put(file, manifest_of(b"bytes"), UNWATCHED)
    assert place.copies() == {}


WRONG: dict[str, Callable[[Bucket, pytest.MonkeyPatch], None]] = {
    r"refuses us .403 Forbidden InvalidAccessKeyId..*AWS_ACCESS_KEY_ID": (
        lambda bucket, env: env.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    ),
    "refuses us .403 Forbidden SignatureDoesNotMatch": (
        lambda bucket, env: env.setenv("AWS_SECRET_ACCESS_KEY", "guessed")
    ),
    f"There is no s3://{BUCKET}: make it": lambda bucket, env: setattr(bucket, "exists", False),
    "cannot be reached": lambda bucket, env: (bucket.shutdown(), bucket.server_close())[0],
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_with_a_bucket_is_said_without_a_secret(
    bucket: Bucket, put: Put, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    WRONG[said](bucket, monkeypatch)
    place = Place(bucket.url)
    for ask in (place.copies, lambda: put(place, b"small"), lambda: place.remove(NAME)):
        with pytest.raises(AegisError, match=said) as caught:
            ask()
        text = "".join(map(str, (caught.value, caught.value.__cause__)))
        assert not any(word in text for word in ("Signature=", "AKIAOTHER", "guessed", "xml"))


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, put: Put) -> None:
    place = Place(f"file://{tmp_path}/not-mounted")
    with pytest.raises(AegisError, match=r"No such file or directory.*mount its disk"):
        put(place)
    assert not (tmp_path / "not-mounted").exists()


def test_a_full_disk_is_said_and_leaves_nothing(put: Put, small_disk: Path) -> None:
    place = Place(f"file://{small_disk}")
    with pytest.raises(AegisError, match=r"No space left on device.*make room"):
        put(place)
    assert os.listdir(small_disk) == []


GROWTH = """
import resource, sys
from pathlib import Path
from tests.backups.test_off_site_place import NAME, manifest_of
from aegis_web.backups.copies import UNWATCHED
from aegis_web.backups.off_site import Place

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

class Nowhere:
    def write(self, data):
        return len(data)

def there_and_back(place, path):
    with path.open("rb") as file:
        place.put(file, manifest_of(path, NAME), UNWATCHED)
    place.fetch(place.manifest(NAME), Nowhere(), UNWATCHED)

place, folder = Place(sys.argv[1]), Path(sys.argv[2])
there_and_back(place, folder / "small")
before = peak()
there_and_back(place, folder / "large")
print(peak() - before)
"""


def test_a_large_file_takes_no_more_memory_than_a_small_one(bucket: Bucket, tmp_path: Path) -> None:
    for name, megabytes in (("small", 32), ("large", 128)):
        with (tmp_path / name).open("wb") as file:
            for _number in range(megabytes):
                file.write(os.urandom(2**20))
    program = subprocess.run(
        [sys.executable, "-c", GROWTH, bucket.url, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(program.stdout) < 24 * 1024  # kB; the file is 96 MB larger
