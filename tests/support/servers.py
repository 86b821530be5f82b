"""The product as real processes: gunicorn with our configuration, on a free loopback port."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.clocks import wait_until
from tests.support.environment import process_environment

ROOT = Path(__file__).parents[2]
GUNICORN = (sys.executable, "-m", "gunicorn", "app:app")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str) -> tuple[int, str]:
    """Status and body of an answer; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Program:
    """A process of the test's own, its output in a file."""

    def __init__(self, command: tuple[str, ...], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True
            )

    def output(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")

    def prints(self, text: str, seconds: float = 20) -> str:
        """The whole output, once `text` is in it."""
        wait_until(lambda: text in self.output() or self.gone(), seconds)
        assert text in self.output(), self.output()
        return self.output()

    def gone(self) -> bool:
        return self.process.poll() is not None

    def ends(self, seconds: float = 60) -> int:
        """Its exit status, once it has ended by itself."""
        return self.process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 35) -> int:
        """Send it a signal, and wait for its end."""
        if not self.gone():
            self.process.send_signal(number)
        return self.ends(seconds)

    def clear_away(self) -> None:
        """Leave nothing behind, whatever happened and whatever it is still doing."""
        try:
            self.stop(seconds=8)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and its children as a power failure would."""
        if not self.gone():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Server(Program):
    """gunicorn with the product's own configuration."""

    def __init__(self, port: int, data_dir: Path, log: Path, **env: str) -> None:
        self.url, self.data_dir = f"http://127.0.0.1:{port}", data_dir
        env = process_environment(data_dir, PORT=str(port), **env)
        super().__init__(GUNICORN, env, log)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer; status 0 when nobody answers."""
        return fetch(self.url + path)

    def ready(self, seconds: float = 30) -> "Server":
        """Itself, once it answers that it is ready."""
        wait_until(lambda: self.gone() or self.get("/readyz")[0] == 200, seconds)
        assert not self.gone(), self.output()
        return self


StartServer = Callable[..., Server]


@pytest.fixture
def start_server(data_dir: Path, tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers on this test's data folder; further environment variables by keyword."""
    started: list[Server] = []

    def start(port: int | None = None, **env: str) -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        started.append(Server(port or free_port(), data_dir, log, **env))
        return started[-1]

    yield start
    for server in started:
        server.clear_away()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server that is ready, in the default composition."""
    return start_server().ready()
