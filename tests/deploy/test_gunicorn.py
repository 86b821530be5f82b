"""The server as a platform runs it: gunicorn with our configuration, real signals."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import GUNICORN, Program, Server, StartServer, free_port

pytestmark = pytest.mark.essential
EX_CONFIG = 78
SCHEDULER = (sys.executable, "-m", "aegis_web.cli.scheduler")


def test_a_wrong_setting_stops_the_start_with_one_line(start_server: StartServer) -> None:
    server = start_server(AEGIS_TIMEZONE="Mars/Olympus")
    assert server.ends() == EX_CONFIG
    assert server.output() == (
        "AEGIS_TIMEZONE='Mars/Olympus' cannot be used: "
        "name a zone of the IANA list, such as UTC or Europe/Berlin\n"
    )


def test_scheduler_only_refuses_a_second_worker(start_server: StartServer) -> None:
    server = start_server(AEGIS_COMPONENTS="scheduler", WEB_CONCURRENCY="2")
    assert server.ends() == EX_CONFIG
    assert "set WEB_CONCURRENCY=1, or AEGIS_COMPONENTS=scheduler,database" in server.output()


def test_scheduler_only_refuses_a_second_worker_on_the_command_line(
    data_dir: Path, tmp_path: Path
) -> None:
    env = process_environment(data_dir, AEGIS_COMPONENTS="scheduler", PORT=str(free_port()))
    program = Program((*GUNICORN, "--workers", "2"), env, tmp_path / "log")
    assert program.ends() == EX_CONFIG
    assert "AEGIS_COMPONENTS=scheduler,database" in program.output()


def test_preloading_is_refused(data_dir: Path, tmp_path: Path) -> None:
    env = process_environment(data_dir, PORT=str(free_port()))
    program = Program((*GUNICORN, "--preload"), env, tmp_path / "log")
    assert program.ends() == EX_CONFIG
    assert "--preload cannot be used" in program.output()


def test_a_taken_port_stops_the_start_with_one_line(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = start_server(port)
        assert server.ends() == EX_CONFIG
    assert server.output() == (
        f"PORT={port} cannot be used: Address already in use; "
        "end the program that uses it, or choose another PORT\n"
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that only look at it; somebody tried to switch on a debugger."""
    folder = tmp_path_factory.mktemp("served")
    server = Server(free_port(), folder / "data", folder / "log", FLASK_DEBUG="1")
    try:
        yield server.ready()
    finally:
        server.clear_away()


def test_the_start_prints_one_block_with_address_mode_data_and_set_up_link(served: Server) -> None:
    server, data_dir = served, served.data_dir
    output = server.prints("Set-up")
    assert f"Address  {server.url}\n" in output
    assert "Mode     scheduler + database, jobs run in this process\n" in output
    assert f"Data     {data_dir}/aegis.db\n" in output
    assert f"Set-up   {server.url}/set-up/" in output
    assert len([line for line in output.splitlines() if line]) == 5
    link = next(word for word in output.split() if "/set-up/" in word)
    assert server.get(link.removeprefix(server.url))[0] == 200


def test_several_workers_print_the_block_once(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="2").ready()
    assert server.prints("Set-up").count("Aegis Web is running") == 1


def test_it_listens_on_this_machine_only_and_on_the_given_port(served: Server) -> None:
    port = int(served.url.rpartition(":")[2])
    assert listening_addresses(port) == {"0100007F"}  # 127.0.0.1, as the kernel writes it


def test_a_debugger_cannot_be_switched_on(served: Server) -> None:
    status, body = served.get("/?__debugger__=yes&cmd=resource&f=debugger.js")
    assert status == 200
    assert "debugger" not in body.lower()


def listening_addresses(port: int) -> set[str]:
    """The local IPv4 addresses, in the kernel's hexadecimal, on which `port` is open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        row[1].split(":")[0]
        for row in rows
        if row[3] == "0A" and int(row[1].split(":")[1], 16) == port
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server().ready()
    assert server.stop(number, seconds=8) == 0
    assert "Traceback" not in server.output()


def test_it_writes_nothing_outside_the_data_folder(
    start_server: StartServer, tmp_path: Path
) -> None:
    home, runtime = tmp_path / "home", tmp_path / "runtime"
    home.mkdir()
    runtime.mkdir()
    server = start_server(HOME=str(home), XDG_RUNTIME_DIR=str(runtime)).ready()
    assert server.stop() == 0
    assert list(home.iterdir()) == []
    assert list(runtime.iterdir()) == []


def test_scheduler_only_leaves_nothing_on_disk(start_server: StartServer, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server = start_server(AEGIS_COMPONENTS="scheduler", TMPDIR=str(temporary)).ready()
    assert "gone when this process ends" in server.prints("Set-up")
    assert list(temporary.iterdir()) != []
    assert server.stop() == 0
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_after_a_kill_the_next_start_cleans_up(start_server: StartServer, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {"AEGIS_COMPONENTS": "scheduler", "TMPDIR": str(temporary)}
    first = start_server(**env).ready()
    left = set(temporary.iterdir())
    os.killpg(first.process.pid, signal.SIGKILL)
    first.ends()
    second = start_server(**env).ready()
    assert left.isdisjoint(temporary.iterdir())
    assert second.stop() == 0


def test_a_second_start_prints_no_link_once_there_is_an_administrator(
    start_server: StartServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse battery staple\n")
    env = {"AEGIS_ADMIN_EMAIL": "a@example.org", "AEGIS_ADMIN_PASSWORD_FILE": str(password)}
    first = start_server(**env).ready()
    assert "Set-up" not in first.prints("Data")
    assert first.stop() == 0
    second = start_server().ready()
    assert "Set-up" not in second.prints("Data")


def test_a_postgresql_without_tables_stops_the_start_with_the_cure(
    start_server: StartServer, empty_pg_url: str
) -> None:
    server = start_server(DATABASE_URL=empty_pg_url)
    assert server.ends() == EX_CONFIG
    assert "run `.venv/bin/flask --app app db upgrade`, then this again." in server.output()
    assert "Traceback" not in server.output()


def test_a_postgresql_that_is_not_there_stops_each_start_with_one_line(
    start_server: StartServer, data_dir: Path, tmp_path: Path
) -> None:
    url = f"postgresql://ada:hidden-word@127.0.0.1:{free_port()}/jobs"
    server = start_server(DATABASE_URL=url)
    assert server.ends() == EX_CONFIG
    env = process_environment(data_dir, DATABASE_URL=url)
    commands = (sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"), SCHEDULER
    programs = [Program(command, env, tmp_path / command[-1]) for command in commands]
    assert [program.ends() for program in programs] == [1, EX_CONFIG]
    for program in (server, *programs):
        line = program.output().splitlines()[0]
        assert line.startswith("DATABASE_URL='postgresql+psycopg://ada:***@127.0.0.1:")
        assert "Connection refused; start that server, or correct host" in line
        assert "Traceback" not in program.output()


def test_a_file_that_is_no_database_stops_the_start_with_one_line(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look like one" * 30)
    server = start_server(DATABASE_URL=f"sqlite:///{tmp_path}/notes.txt")
    assert server.ends() == EX_CONFIG
    assert server.output().splitlines()[0] == (
        f"DATABASE_URL='sqlite:///{tmp_path}/notes.txt' cannot be used: file is not a database; "
        "name a SQLite file that this process may read and write"
    )
    assert "Traceback" not in server.output()


def test_it_serves_on_postgresql(start_server: StartServer, pg_url: str) -> None:
    server = start_server(DATABASE_URL=pg_url).ready()
    assert "PostgreSQL" in server.prints("Data")
    assert server.stop() == 0


def test_a_killed_worker_is_replaced(start_server: StartServer) -> None:
    server = start_server().ready()
    worker = children(server.process.pid)[0]
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: [pid for pid in children(server.process.pid) if pid != worker], 20)
    server.ready()
    assert server.stop() == 0


def children(pid: int) -> list[int]:
    """The process ids of the children of `pid`."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
