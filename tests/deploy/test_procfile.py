"""The Procfile, started for real by honcho as a platform would."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from aegis_web.config import check_settings
from aegis_web.runs.models import RunStatus
from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import ROOT, Program, fetch, free_port

pytestmark = pytest.mark.essential
SCHEDULER = (sys.executable, "-m", "aegis_web.cli.scheduler")
StartProgram = Callable[..., Program]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def environment(request: pytest.FixtureRequest, data_dir: Path) -> dict[str, str]:
    """A platform's environment: an empty database, a port, our commands on the PATH."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PORT": str(free_port()),
        "AEGIS_ENGINE": "off",
        "AEGIS_SERVICES": "tests.deploy.declared",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("empty_pg_url")
    return process_environment(data_dir, **env)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartProgram]:
    """Starts programs that end with the test."""
    started: list[Program] = []

    def start_one(command: tuple[str, ...], env: dict[str, str]) -> Program:
        started.append(Program(command, env, tmp_path / f"{len(started)}.log"))
        return started[-1]

    yield start_one
    for program in started:
        program.clear_away()


def honcho(*names: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "honcho", "--env", "/dev/null", "start", *names)


def succeeded(env: dict[str, str]) -> int:
    """How many runs of the declared job have succeeded."""
    engine = create_engine(check_settings(env).database_url)
    query = text(
        "SELECT count(*) FROM runs JOIN jobs ON jobs.id = runs.job_id "
        "WHERE jobs.key = 'tick' AND runs.status = :status"
    )
    with engine.connect() as connection:
        count: int = connection.execute(query, {"status": RunStatus.SUCCEEDED}).scalar_one()
    engine.dispose()
    return count


def test_each_line_replaces_its_shell() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["release", "web", "scheduler"]
    assert all("exec " in line for line in lines)


def test_release_then_web_and_scheduler_run_a_job_and_stop(
    environment: dict[str, str], start: StartProgram
) -> None:
    release = start(honcho("release"), environment)
    release.ends(60)
    assert "none refused" in release.output(), release.output()

    both = start(honcho("web", "scheduler"), environment)
    both.prints("The scheduler is running", 30)
    assert "jobs run in another process" in both.prints("Aegis Web is running", 30)
    address = f"http://127.0.0.1:{environment['PORT']}"
    wait_until(lambda: fetch(f"{address}/readyz")[0] == 200, 20)
    wait_until(lambda: succeeded(environment) >= 2, 20)

    both.stop(signal.SIGTERM, seconds=8)
    assert "Traceback" not in both.output()
    assert fetch(f"{address}/healthz")[0] == 0


def test_the_scheduler_refuses_to_run_alone_without_a_database(
    data_dir: Path, start: StartProgram
) -> None:
    program = start(SCHEDULER, process_environment(data_dir, AEGIS_COMPONENTS="scheduler"))
    assert program.ends() == 78
    assert "AEGIS_COMPONENTS=scheduler,database" in program.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_scheduler_alone_stops_at_once_when_idle(
    data_dir: Path, start: StartProgram, number: signal.Signals
) -> None:
    program = start(SCHEDULER, process_environment(data_dir))
    program.prints("The scheduler is running", 30)
    assert program.stop(number, seconds=8) == 0
    assert "Traceback" not in program.output()
