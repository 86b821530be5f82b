"""SIGTERM while runs of all lengths are under way, and to whichever thread it comes."""

import ctypes
import os
import signal
import time

import pytest

from tests.faults import checker
from tests.faults.conftest import Cluster, Judgement, Note
from tests.faults.long_runs import SECONDS
from tests.support.clocks import wait_until

BUDGET_SECONDS = 25  # until every row is settled
TGKILL = 234 if os.uname().machine == "x86_64" else 131  # the system call's number


@pytest.mark.long
def test_sigterm_with_runs_of_1_20_and_40_seconds(cluster: Cluster, note: Note) -> None:
    cluster.env["AEGIS_SERVICES"] = "tests.faults.long_runs"
    node = cluster.start()
    wait_until(lambda: {f"for-{n}" for n in SECONDS} <= said(cluster, "begin"), 60)
    asked = time.time_ns() // 1000
    node.send(signal.SIGTERM)
    assert node.ends(BUDGET_SECONDS + 3) == 0
    seconds = (time.time_ns() // 1000 - asked) / 1e6
    ends = {row.key: row for row in cluster.read(ENDS)}
    assert ends["for-1"].status == 2  # succeeded
    assert "for-20" in said(cluster, "end")  # it was asked to stop, and let end by itself
    assert ends["for-20"].reason in (None, "shutdown")
    assert ends["for-40"].reason == "shutdown"
    assert cluster.read(OPEN + " AND status = 1")[0][0] == 0
    assert max(row.finished_at for row in ends.values()) <= asked + BUDGET_SECONDS * 1_000_000
    late = cluster.read("SELECT count(*) FROM runs WHERE queued_at > :at", at=asked + 1_000_000)
    assert late[0][0] == 0
    assert 20 < seconds < BUDGET_SECONDS + 1  # TERM at 21 s, KILL at 23 s
    note(Judgement(fire_times=len(ends)), 1)


def said(cluster: Cluster, word: str) -> set[str]:
    """The jobs whose runs have said that they began, or ended."""
    return {one.job for one in checker.testimony(cluster.witness) if one.word == word}


OPEN = "SELECT count(*) FROM runs r JOIN jobs j ON j.id = r.job_id WHERE j.key LIKE 'for-%'"
ENDS = (
    "SELECT j.key, r.status, r.reason, r.finished_at FROM runs r JOIN jobs j ON j.id = r.job_id"
    " WHERE j.key LIKE 'for-%'"
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sigterm_to_any_thread_ends_the_process(cluster: Cluster) -> None:
    """The kernel may deliver a process's signal to any of its threads."""
    node = cluster.start()
    cluster.goes_on()
    threads = [int(tid) for tid in os.listdir(f"/proc/{node.pid}/task")]
    other = next(tid for tid in threads if tid != node.pid)
    assert ctypes.CDLL(None).syscall(TGKILL, node.pid, other, signal.SIGTERM) == 0
    assert node.ends(30) == 0
