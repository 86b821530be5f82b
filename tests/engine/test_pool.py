"""Killable processes: what a run may do to its process, and what becomes of it."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from time import monotonic

import pytest

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.output import LIMIT
from aegis_web.engine.pool import crew
from aegis_web.engine.pulse import FENCE_SECONDS
from aegis_web.runs.models import Reason, RunStatus
from tests.engine import hostile
from tests.engine.children import VAULT
from tests.engine.pools import Function, Pool, alive, descendants, log_of, parent_of
from tests.support.clocks import wait_until


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two processes at most."""
    pool = Pool()
    yield pool
    pool.executor.shutdown()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM and SIGKILL come soon after a stop."""
    monkeypatch.setattr(crew, "TERM_SECONDS", 0.1)
    monkeypatch.setattr(crew, "KILL_SECONDS", 0.4)


# --- where it runs ----------------------------------------------------------------------------


def test_a_plain_function_runs_in_another_process_that_is_used_again(pool: Pool) -> None:
    first, second = pool.run(hostile.nap), pool.run(hostile.nap)
    assert first.status is RunStatus.SUCCEEDED
    assert first.result == second.result != str(os.getpid())


def test_it_is_told_of_its_run_and_tells_of_its_progress(pool: Pool) -> None:
    outcome = pool.run(hostile.environment)
    assert outcome.result == '{"job": "job", "attempt": "1", "in": "alice"}'
    assert outcome.attempt.output.progress == (1.0, 2.0, "half")


def test_a_function_that_asks_for_it_gets_a_process_of_its_own_each_time(pool: Pool) -> None:
    used = pool.run(hostile.nap).result
    results = [pool.run(hostile.alone).result for _ in range(2)]
    assert len({used, *results}) == 3


def test_processes_go_when_they_are_idle_and_come_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "CHILD_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(crew, "GUARDIAN_IDLE_SECONDS", 0.1)
    before = descendants(os.getpid())
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED
    pool.wait(lambda: descendants(os.getpid()) == before)
    pool.wait(lambda: pool.executor._thread is None)
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED


def test_attempts_beyond_the_places_wait_and_can_be_withdrawn(pool: Pool) -> None:
    long = [pool.start(hostile.nap, seconds=60.0) for _ in range(2)]
    waiting = pool.start(hostile.nap)
    pool.wait(lambda: all(attempt.begun_at for attempt in long))
    assert pool.executor.room() < 0
    assert pool.executor.withdraw(0.0) == [waiting]
    assert pool.executor.room() == 0


def test_short_runs_queue_in_a_process_and_come_back_when_one_takes_long(
    pool: Pool, tmp_path: Path
) -> None:
    for _ in range(4):  # so that it is known to be short
        pool.run(hostile.wait_for_file, file=str(tmp_path))
    late = tmp_path / "late"
    attempts = [pool.start(hostile.wait_for_file, file=str(late)) for _ in range(8)]
    pool.wait(lambda: sum(a.begun_at is not None for a in attempts) == 2)  # one in each process
    begun = [attempt for attempt in attempts if attempt.begun_at]
    returned: list[Attempt] = []

    def all_back() -> bool:
        returned.extend(pool.executor.withdraw(0.0))
        return len(returned) == 6

    pool.wait(all_back)
    assert not set(returned) & set(begun)
    late.touch()
    for attempt in begun:
        assert pool.outcome(attempt).status is RunStatus.SUCCEEDED


def test_what_waits_for_its_process_to_be_ready_can_be_withdrawn(pool: Pool) -> None:
    attempt = pool.start(hostile.nap)
    wait_until(lambda: pool.executor._busy)
    returned: list[Attempt] = []

    def back() -> bool:
        returned.extend(pool.executor.withdraw(0.0))
        return bool(returned)

    pool.wait(back)
    assert returned == [attempt]
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED
    assert attempt not in [outcome.attempt for outcome in pool.outcomes]


def test_nothing_begins_when_the_node_may_have_been_called_dead(pool: Pool) -> None:
    pool.run(hostile.nap)
    pool.pulse.begin(1, monotonic() - FENCE_SECONDS, utc_now_us())
    attempt = pool.start(hostile.nap)
    assert attempt.begun_at is None
    pool.pulse.begin(2, monotonic(), utc_now_us())  # a new life: the run is another's by now
    wait_until(lambda: not pool.executor._queue)
    assert attempt not in [outcome.attempt for outcome in pool.outcomes]


def test_a_child_refuses_what_reaches_it_after_the_fence(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Attempt] = []
    requeue = pool.executor.requeue

    def note(attempts: Iterable[Attempt]) -> None:
        refused.extend(attempts)
        requeue(refused[-1:])
        monkeypatch.undo()

    monkeypatch.setattr(pool.executor, "requeue", note)
    monkeypatch.setattr(pool.pulse, "fence", lambda: monotonic() - 0.1)
    attempt = pool.start(hostile.nap)
    assert pool.outcome(attempt).status is RunStatus.SUCCEEDED
    assert refused == [attempt]


# --- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (hostile.segfault, -11, "ended by SIGSEGV"),
        (hostile.leave, 3, "exit code 3 before the function had returned"),
        (hostile.kill_itself, -9, "ended by SIGKILL: somebody killed it: the system, when memory"),
    ],
)
def test_a_process_that_dies_fails_its_run_and_harms_no_other(
    pool: Pool, function: Function, code: int, words: str
) -> None:
    other = pool.start(hostile.nap, seconds=0.3)
    outcome = pool.run(function)
    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, code)
    assert words in (outcome.error or "")
    assert (outcome.peak_kb or 0) > 10_000
    assert pool.outcome(other).status is RunStatus.SUCCEEDED
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED


def test_a_crash_leaves_its_last_words(pool: Pool) -> None:
    said = log_of(pool.run(hostile.segfault))
    assert "these are my last words" in said
    assert any("Segmentation fault" in line for line in said)


def test_what_a_copy_of_the_process_prints_is_kept(pool: Pool) -> None:
    assert log_of(pool.run(hostile.speak_in_a_copy)) == ["said by a copy"]


def test_sys_exit_fails_the_run_and_keeps_the_process(pool: Pool) -> None:
    before = pool.run(hostile.nap).result
    outcome = pool.run(hostile.sys_exit)
    assert (outcome.status, outcome.error) == (RunStatus.FAILED, "SystemExit: 4")
    assert pool.run(hostile.nap).result == before


def test_a_stop_ends_a_function_that_listens_at_once(pool: Pool) -> None:
    attempt = pool.start(hostile.polite)
    pool.wait(lambda: attempt.begun_at)
    pool.executor.stop(attempt, Reason.STOPPED)
    outcome = pool.outcome(attempt)
    assert (outcome.status, outcome.reason) == (RunStatus.CANCELLED, Reason.STOPPED)
    assert outcome.exit_code is None


@pytest.mark.usefixtures("hasty")
def test_sigterm_lets_a_function_tidy_up(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "tidy"
    attempt = pool.start(hostile.tidy_at_the_end, file=str(file))
    pool.wait(lambda: file.exists() and file.read_text() == "begun")
    pool.executor.stop(attempt, Reason.STOPPED)
    outcome = pool.outcome(attempt)
    assert (outcome.status, outcome.exit_code) == (RunStatus.CANCELLED, None)
    assert file.read_text() == "tidy"


@pytest.mark.usefixtures("hasty")
def test_who_hears_nothing_is_killed_with_all_that_it_started(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    attempt = pool.start(hostile.deaf_to_everything, file=str(file))
    pool.wait(file.exists)
    attempt.timed_out = True
    pool.executor.stop(attempt, Reason.STOPPED)
    outcome = pool.outcome(attempt)
    assert (outcome.status, outcome.exit_code) == (RunStatus.TIMED_OUT, -SIGKILL)
    pool.wait(lambda: not alive(int(file.read_text())))
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED


def test_a_sigterm_that_nobody_announced_is_ignored(pool: Pool) -> None:
    attempt = pool.start(hostile.nap, seconds=0.5)
    pool.wait(lambda: attempt.begun_at)
    for pid in descendants(os.getpid()):
        if pid in pool.children() or pid == pool.guardian():
            os.kill(pid, SIGTERM)
    assert pool.outcome(attempt).status is RunStatus.SUCCEEDED


def test_a_waiting_attempt_that_is_stopped_never_begins(pool: Pool, tmp_path: Path) -> None:
    for _ in range(3):
        pool.start(hostile.nap, seconds=60.0)
    waiting = pool.start(hostile.tidy_at_the_end, file=str(tmp_path / "never"))
    pool.executor.stop(waiting, Reason.STOPPED)
    assert pool.outcome(waiting).status is RunStatus.CANCELLED
    assert not (tmp_path / "never").exists()


def test_a_stop_is_kept_when_a_child_refuses_the_attempt(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pool.pulse, "fence", lambda: monotonic() - 0.1)
    refused = pool.start(hostile.tidy_at_the_end, file=str(tmp_path / "never"))
    pool.wait(lambda: pool.executor._crew.busy())  # a child is being born, which will refuse it
    pool.executor.stop(refused, Reason.STOPPED)
    assert pool.outcome(refused).status is RunStatus.CANCELLED
    assert not (tmp_path / "never").exists()


# --- what it says -----------------------------------------------------------------------------


def test_all_ways_to_speak_reach_the_log(pool: Pool) -> None:
    said = log_of(pool.run(hostile.speak_all_ways))
    assert sorted(said) == ["fifth", "first", "fourth", "second", "third"]
    assert [line for line in said if line in ("first", "third", "fifth")] == [
        "first",
        "third",
        "fifth",
    ]


@pytest.mark.parametrize("function", [hostile.flood, hostile.print_flood])
def test_a_flood_is_kept_head_and_tail(pool: Pool, function: Function) -> None:
    outcome = pool.run(function)
    lines = log_of(outcome)
    assert outcome.result == '"dry"'
    assert sum(map(len, lines)) < 1.5 * LIMIT
    assert any(line.endswith("lines left out") for line in lines)


def test_a_long_line_is_shortened(pool: Pool) -> None:
    line, _ = log_of(pool.run(hostile.one_long_line, megabytes=20))
    assert line.endswith("19980000 characters left out")


def test_bytes_that_are_no_text_do_no_harm(pool: Pool) -> None:
    outcome = pool.run(hostile.binary)
    assert outcome.status is RunStatus.SUCCEEDED
    assert any("buffered" in line for line in log_of(outcome))


def test_a_secret_is_masked_whoever_says_it(pool: Pool) -> None:
    sealed = pool.registry.add(hostile.say_secret_past_python)
    arguments = sealed.seal({"token": "hush-hush"}, VAULT)
    assert log_of(pool.run(hostile.say_secret_past_python, **arguments)) == ["••••••"]


# --- what it leaves behind --------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [hostile.leave_a_thread, hostile.change_folder, hostile.close_stdout, hostile.fork_and_return],
)
def test_a_process_that_a_function_has_changed_is_not_used_again(
    pool: Pool, function: Function
) -> None:
    before = pool.run(hostile.nap).result
    assert pool.run(function).status is RunStatus.SUCCEEDED
    assert pool.run(hostile.nap).result != before


def test_a_program_left_behind_in_a_session_of_its_own_does_not_outlive_the_run(
    pool: Pool, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    assert pool.run(hostile.leave_a_program, file=str(file)).status is RunStatus.SUCCEEDED
    pool.wait(lambda: not alive(int(file.read_text())))


# --- measures ---------------------------------------------------------------------------------


def test_time_and_memory_of_a_run_are_measured(pool: Pool) -> None:
    small = pool.run(hostile.nap)
    large = pool.run(hostile.fill, megabytes=60)
    again = pool.run(hostile.fill, megabytes=1)
    assert large.cpu_us is not None
    assert small.peak_kb is not None
    assert large.peak_kb is not None
    assert again.peak_kb is not None
    assert large.cpu_us > 1_000
    assert large.peak_kb > small.peak_kb + 50_000
    assert again.peak_kb < large.peak_kb


# --- when its watchers die --------------------------------------------------------------------


def test_the_death_of_the_guardian_fails_its_runs_and_another_one_follows(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = pool.start(hostile.nap, seconds=60.0)
    pool.wait(lambda: attempt.begun_at)
    children, living = pool.children(), []
    report = pool.executor._crew._desk.report

    def note(outcome: Outcome) -> None:
        living.extend(pid for pid in children if alive(pid))
        report(outcome)

    monkeypatch.setattr(pool.executor._crew._desk, "report", note)
    os.kill(pool.guardian() or 0, SIGKILL)
    outcome = pool.outcome(attempt)
    assert outcome.status is RunStatus.FAILED
    assert "lost together with" in (outcome.error or "")
    assert living == []  # when it is called failed, nothing of it goes on
    assert pool.run(hostile.nap).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("stopped", [False, True])
def test_children_die_with_their_node_even_while_they_and_the_guardian_stand_still(
    tmp_path: Path, *, stopped: bool
) -> None:
    file = tmp_path / "pid"
    code = f"from tests.engine.pools import be_a_node; be_a_node({str(file)!r})"
    node = subprocess.Popen([sys.executable, "-c", code])
    try:
        pid = int(wait_until(lambda: file.exists() and file.read_text(), 30))
        guardian = parent_of(pid)
        for each in (pid, guardian) if stopped else ():
            os.kill(each, SIGSTOP)
    finally:
        node.kill()
        node.wait()
    wait_until(lambda: not alive(pid))
    if stopped:
        os.kill(guardian, SIGCONT)
    wait_until(lambda: not alive(guardian))


def test_a_shutdown_ends_every_process_and_gives_back_what_has_not_begun(pool: Pool) -> None:
    attempt = pool.start(hostile.nap, seconds=60.0)
    more = [pool.start(hostile.nap, seconds=60.0) for _ in range(2)]
    pool.wait(lambda: attempt.begun_at and more[0].begun_at)
    children = [*pool.children(), pool.guardian() or 0]
    pool.executor.shutdown()
    assert not any(alive(pid) for pid in children)
    assert pool.executor.withdraw(0.0) == more[1:]
    assert pool.outcomes == []
