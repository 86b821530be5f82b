"""Attempts under kill -9: each is begun once and kept, and no run is given up too early."""

from collections import defaultdict

import pytest

from tests.faults import checker, stubborn
from tests.faults.checker import FAILED, SUCCEEDED, Judgement
from tests.faults.conftest import Cluster, Note
from tests.faults.test_kills import KILLS, aftermath, storm

LOST = 6
RUNS = (
    "SELECT r.id, j.key, r.fire_at, r.status, r.attempt, r.error"
    " FROM runs r JOIN jobs j ON j.id = r.job_id WHERE j.key LIKE 'stubborn-%' AND r.status >= 2"
)
FORMER = "SELECT run_id, number, status, error FROM attempts ORDER BY run_id, number"


def judge_attempts(cluster: Cluster, found: Judgement) -> None:
    """Every run that ran succeeded, after all its former attempts, each of which is kept."""
    former = defaultdict(list)
    for row in cluster.read(FORMER):
        former[row.run_id].append(row)
    begun = {
        (s.job, s.fire, s.attempt) for s in checker.testimony(cluster.witness) if s.word == "begin"
    }
    for run in cluster.read(RUNS):
        name = f"{run.key} of {run.fire_at}"
        if (run.key, run.fire_at, 1) not in begun:
            continue
        if run.status != SUCCEEDED:
            found.against(f"{name} ended in attempt {run.attempt}: {run.status} {run.error}")
        if [row.number for row in former[run.id]] != list(range(1, run.attempt)):
            found.against(f"{name} has attempt {run.attempt} and {len(former[run.id])} former ones")
        for row in former[run.id]:
            if row.status not in (FAILED, LOST):
                found.against(f"{name}: attempt {row.number} has status {row.status}")
            raised = row.status == FAILED and "ConnectionError" in row.error
            if raised and (run.key, run.fire_at, row.number) not in begun:
                found.against(f"{name}: attempt {row.number} raised and had never begun")


def attempts_under_kills(cluster: Cluster, note: Note, kills: int) -> None:
    cluster.env["AEGIS_SERVICES"] = "tests.faults.stubborn"
    cluster.times = stubborn.TIMES
    faults = storm(cluster, kills, seed=3)
    aftermath(cluster)
    found = cluster.judge()
    judge_attempts(cluster, found)
    note(found, faults)


@pytest.mark.long
def test_random_kills_of_runs_that_are_tried_again(cluster: Cluster, note: Note) -> None:
    attempts_under_kills(cluster, note, 6)


@pytest.mark.long
def test_very_many_random_kills_of_runs_that_are_tried_again(cluster: Cluster, note: Note) -> None:
    attempts_under_kills(cluster, note, KILLS)
    assert cluster.read(f"SELECT count(*) FROM attempts WHERE status = {LOST}")[0][0]
