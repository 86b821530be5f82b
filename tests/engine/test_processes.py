"""Several real processes on one database, as a platform runs them."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from aegis_web.jobs.models import Job
from aegis_web.runs.models import Reason, Run, RunStatus
from tests.engine.witness import JOBS
from tests.support.clocks import wait_until
from tests.support.environment import process_environment
from tests.support.servers import Program

COMMAND = (sys.executable, "-m", "aegis_web.cli.scheduler")


class Cluster:
    """Scheduler processes on one database, and what their jobs testified."""

    def __init__(self, url: str, data_dir: Path, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.env = process_environment(
            data_dir,
            DATABASE_URL=url,
            AEGIS_SERVICES="tests.engine.witness",
            WITNESS=str(folder / "witness"),
        )
        self.programs: list[Program] = []

    def start(self) -> Program:
        log = self.folder / f"scheduler-{len(self.programs)}.log"
        self.programs.append(Program(COMMAND, self.env, log))
        return self.programs[-1]

    def testimony(self) -> list[tuple[str, str, int]]:
        """(job, fire time, process) of each run that really happened."""
        file = self.folder / "witness"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(job, fire, int(pid)) for job, fire, pid in map(str.split, lines)]

    def witnesses(self) -> set[int]:
        return {pid for _, _, pid in self.testimony()}

    def ledger(self) -> list[tuple[str, Run]]:
        engine = create_engine(self.url)
        with Session(engine) as session:
            query = select(Job.key, Run).join(Job, Job.id == Run.job_id)
            rows = [(key, run) for key, run in session.execute(query) if "each-second" in key]
        engine.dispose()
        return rows


@pytest.fixture
def cluster(database_url: str, data_dir: Path, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(database_url, data_dir, tmp_path)
    yield cluster
    for program in cluster.programs:
        program.kill()


def assert_accounted_for(cluster: Cluster) -> None:
    """Each second of each job from its first row to its last has one row; none ran twice."""
    rows = cluster.ledger()
    per_job: dict[str, list[Run]] = {}
    for key, run in rows:
        per_job.setdefault(key, []).append(run)
    assert len(per_job) == JOBS
    for runs in per_job.values():
        times = sorted(run.fire_at for run in runs if run.fire_at)
        expected = [times[0] + timedelta(seconds=n) for n in range(len(times))]
        assert times == expected
        assert all(run.status >= RunStatus.SUCCEEDED for run in runs)
    doubled = {what for what, n in Counter(t[:2] for t in cluster.testimony()).items() if n > 1}
    assert doubled == set()
    ran = {(key, run.fire_at.isoformat()) for key, run in rows if run.fire_at}
    assert {(job, fire) for job, fire, _ in cluster.testimony()} <= ran


@pytest.mark.essential
def test_two_processes_start_no_fire_time_twice(cluster: Cluster) -> None:
    programs = [cluster.start(), cluster.start()]
    wait_until(lambda: len(cluster.witnesses()) == 2, seconds=60)
    enough = len(cluster.testimony()) + 5 * JOBS
    wait_until(lambda: len(cluster.testimony()) >= enough, seconds=60)
    assert [program.stop() for program in programs] == [0, 0]
    assert_accounted_for(cluster)
    succeeded = [run for _, run in cluster.ledger() if run.status == RunStatus.SUCCEEDED]
    assert len(succeeded) == len(cluster.testimony())


@pytest.mark.essential
def test_a_killed_process_loses_no_fire_time(cluster: Cluster) -> None:
    killed, left = cluster.start(), cluster.start()
    wait_until(lambda: len(cluster.witnesses()) == 2, seconds=60)
    killed.stop(signal.SIGKILL)
    enough = len(cluster.testimony()) + 7 * JOBS
    wait_until(lambda: len(cluster.testimony()) >= enough, seconds=60)
    wait_until(lambda: all(owner_lives(run) for _, run in cluster.ledger()), seconds=20)
    assert left.stop() == 0
    assert_accounted_for(cluster)


def owner_lives(run: Run) -> bool:
    """Whether a run has ended, as it must soon whoever died."""
    return run.status >= RunStatus.SUCCEEDED or run.status == RunStatus.QUEUED or run.node_id != 1


def test_a_run_whose_process_was_killed_says_so(cluster: Cluster) -> None:
    cluster.env["AEGIS_SERVICES"] = "tests.engine.sleeper"
    killed = cluster.start()
    wait_until(lambda: cluster.testimony(), seconds=60)
    killed.stop(signal.SIGKILL)
    cluster.start()

    def lost() -> list[Run]:
        engine = create_engine(cluster.url)
        with Session(engine) as session:
            found = list(session.scalars(select(Run).where(Run.status == RunStatus.LOST)))
        engine.dispose()
        return found

    assert wait_until(lost, seconds=60)[0].reason == Reason.PROCESS_DIED
