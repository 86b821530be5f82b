"""A database that goes away, hangs up, swallows answers, fills up or refuses to write."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from aegis_web.config_values import sqlite_url
from aegis_web.database import engine_options
from tests.faults.conftest import Cluster, Note, Nursery
from tests.faults.proxy import Proxy
from tests.faults.test_kills import aftermath
from tests.faults.test_stalls import DIED, LOST
from tests.support.clocks import wait_until
from tests.support.databases import Postgres, migrate

ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'aegis-web' AND datname = current_database()"
)


@ON_POSTGRES
@pytest.mark.parametrize("how", ["immediate", pytest.param("fast", marks=pytest.mark.long)])
def test_postgres_restarted(how: str, cluster: Cluster, postgres: Postgres, note: Note) -> None:
    """Every connection breaks in the same moment, in whatever they were doing."""
    both(cluster)
    for _ in range(2):
        postgres.restart(how)
        cluster.goes_on(seconds=60)
    aftermath(cluster)
    found = cluster.judge()
    assert cluster.read(DIED)[0][0] == 0
    assert not found.rows["lost"], cluster.read(LOST)
    note(found, 2)


@pytest.mark.long
@ON_POSTGRES
def test_connections_terminated(cluster: Cluster, note: Note) -> None:
    both(cluster)
    for _ in range(5):
        cluster.read(HANG_UP)
        cluster.goes_on(3, seconds=60)
    aftermath(cluster)
    found = cluster.judge()
    assert not found.rows["lost"], cluster.read(LOST)
    note(found, 5)


@ON_POSTGRES
def test_answers_to_commits_lost(
    database_url: str, postgres: Postgres, cluster: Cluster, note: Note
) -> None:
    """The commits happened; nobody was told."""
    proxy = Proxy(postgres.socket)
    name = database_url.partition("?")[0].rpartition("/")[2]
    cluster.env["DATABASE_URL"] = (
        f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}?sslmode=disable&gssencmode=disable"
    )
    both(cluster)
    for number in range(1, 6):
        proxy.lose(4)
        wait_until(lambda number=number: proxy.lost == 4 * number, 60)
        cluster.goes_on(3, seconds=60)
    aftermath(cluster)
    proxy.close()
    found = cluster.judge()
    assert not found.rows["lost"], cluster.read(LOST)
    note(found, proxy.lost)


@pytest.mark.long
@ON_POSTGRES
def test_database_read_only(cluster: Cluster, database_url: str, note: Note) -> None:
    """As after a failover to a server that is not yet the first one."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    both(cluster)
    for setting in ("on", "off"):
        change = f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'
        cluster.write("SET TRANSACTION READ WRITE", change)
        cluster.read(HANG_UP)
        if setting == "on":
            wait_until(lambda: all("read-only" in node.output() for node in cluster.nodes), 30)
    aftermath(cluster)
    note(cluster.judge(), 1)


@ON_POSTGRES
def test_a_vanished_peer_is_noticed_from_both_ends(database_url: str) -> None:
    """The server ends what a stopped node leaves open; TCP's own questions find the rest."""
    engine = create_engine(database_url, **engine_options(database_url))
    with engine.connect() as connection:
        shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one()
        said = connection.connection.driver_connection.info.get_parameters()
    engine.dispose()
    assert shown == "5s"
    assert (said["keepalives_idle"], said["tcp_user_timeout"]) == ("5", "10000")
    assert "tcp_keepalives_idle=5" in said["options"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 4 MB large; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk_cluster(nursery: Nursery, small_disk: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose SQLite file lies on the small disk."""
    url = sqlite_url(small_disk / "data" / "aegis.db")
    migrate(small_disk / "data", url)
    cluster = Cluster(nursery, url, small_disk / "data", tmp_path)
    yield cluster
    cluster.kill()


def test_disk_full(disk_cluster: Cluster, small_disk: Path, note: Note) -> None:
    cluster = disk_cluster
    both(cluster)
    fill(small_disk / "rubbish")
    wait_until(lambda: any("disk is full" in node.output() for node in cluster.nodes), 60)
    cluster.passes(2)
    (small_disk / "rubbish").unlink()
    aftermath(cluster)
    note(cluster.judge(), 1)


@pytest.mark.long
def test_disk_read_only(disk_cluster: Cluster, small_disk: Path, note: Note) -> None:
    """A node that cannot write ends with words and a status; it does not stand there."""
    cluster = disk_cluster
    remount(small_disk, "ro")
    refused = cluster.start()
    assert refused.ends() != 0
    assert "may not write there" in refused.output()
    remount(small_disk, "rw")
    both(cluster)
    aftermath(cluster)
    note(cluster.judge(), 1)


def both(cluster: Cluster) -> None:
    """Two nodes that work."""
    nodes = [cluster.start(), cluster.start()]
    cluster.goes_on()
    wait_until(lambda: all(node.running() for node in nodes), 30)


def fill(file: Path) -> None:
    """Write until nothing fits any more."""
    with file.open("wb", buffering=0) as rubbish:
        for size in (65536, 4096):
            try:
                while True:
                    rubbish.write(b"x" * size)
            except OSError:
                continue


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
