"""One node: a process that claims fire times, executes runs and writes down what became of them.

A *turn* is one transaction: store finished runs, beat, judge silent nodes, give back what nobody
has begun, claim due jobs, promote queued runs. Only after its commit is anything handed to an
executor. The scheduler's thread is the only one that turns, so it is the process's only writer of
runs; everything that happened since the last turn goes into the next.
"""

import logging
import os
import platform
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from aegis_web.engine import changes, ledger
from aegis_web.engine.attempt import Attempt, Executor, Outcome
from aegis_web.engine.claim import JobCache, Settled, claim, promote
from aegis_web.engine.ending import finish, lose
from aegis_web.engine.gauge import Gauge
from aegis_web.engine.output import Progress
from aegis_web.engine.pulse import DEAD_SECONDS, Pulse
from aegis_web.registry import Registry
from aegis_web.runs.models import Lane, Reason
from aegis_web.version import VERSION

LOOK_SECONDS = 0.5  # how long another process's change may stay unseen
LOG_SECONDS = 1.0  # at most one piece of log per run in this time
FIRST_BATCH, LARGEST_BATCH = 50, 1000  # due jobs claimed in one turn
LARGEST_WINDOW = 2000  # attempts handed over ahead of free workers, while runs are short
RESUMED = 50  # jobs whose pause has ended that go on in one turn
WAITED_SECONDS = 0.5  # after which an attempt that no worker has begun goes back to the queue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class News:
    """What one turn has committed."""

    outcomes: Sequence[Outcome]
    settled: Sequence[Settled]  # fire times that do not run
    attempts: Sequence[Attempt]  # handed over


Listener = Callable[[News], None]


class Node:
    """The state of one process between its turns. Not for two threads at once, but for `report`."""

    def __init__(
        self,
        engine: Engine,
        reader: Engine,
        registry: Registry,
        wake: Callable[[], None],
        queue_limit: int,
    ) -> None:
        """`wake` is called, from any thread, when there is something to write down."""
        self._engine, self._reader, self._wake = engine, reader, wake
        self._registry, self._cache = registry, JobCache(registry)
        self._gauge = Gauge(queue_limit)
        self.pulse = Pulse()
        self.executors: Mapping[Lane, Executor] = {}
        self.draining = self.paused = False  # either way nothing is claimed or promoted
        self._finished: deque[Outcome] = deque()
        self._running: dict[int, Attempt] = {}
        self._said: dict[Attempt, Progress | None] = {}  # output in the open transaction
        self._returned: list[Attempt] = []  # withdrawn, not yet queued again in the ledger
        self._in_doubt = False  # whether the last commit may have happened after all
        self._batch = FIRST_BATCH
        self._window = 0

    def register(self) -> None:
        """Write this process down as a new node."""
        began = monotonic()
        with self._engine.begin() as connection:
            node_id = ledger.register_node(connection, node_name(), VERSION)
            now = ledger.now_us(connection)
        self.pulse.begin(node_id, began, now)

    def report(self, outcome: Outcome) -> None:
        """What an executor calls, on a thread of its own, when an attempt has ended."""
        self._finished.append(outcome)
        self._wake()

    def busy(self) -> bool:
        """Whether anything runs here or waits to be written down."""
        return bool(self._running or self._finished)

    def step(self, listener: Listener) -> float:
        """Look, and turn if there is anything to do; seconds until the next look.

        `listener` is told of each turn that did something, after its commit.
        """
        with self._reader.connect() as connection:
            look = ledger.look(connection, self.pulse.node_id)
        for run_id, reason in look.stops:
            self._stop(run_id, reason)
        self._check_timeouts()
        more = self._turn(look, listener) if self._has_work(look) else False
        return 0.0 if more or self._finished else seconds_until_next(look)

    def failed(self) -> None:
        """Note that a step raised: its commit may have happened or not."""
        self.pulse.miss()
        self._in_doubt = True

    def stop_all(self) -> None:
        """Ask every running attempt to end, because the process must."""
        for run_id in list(self._running):
            self._stop(run_id, Reason.SHUTDOWN)

    def close(self, listener: Listener) -> None:
        """Settle what this node owns: finished runs as they ended, unbegun ones queued again,
        the rest lost; and end the node."""
        self.pulse.close()
        for executor in self.executors.values():
            executor.shutdown()
        self._withdraw(0.0)  # before the instant at which what has begun is called lost
        with self._engine.begin() as connection:
            now = ledger.now_us(connection)
            done = self._store_finished(connection, now)
            self._give_back(connection, now)
            lose(connection, self._cache, self.pulse.node_id, now, Reason.SHUTDOWN)
            ledger.end_node(connection, self.pulse.node_id, now, "stopped")
        log.info("node %s has stopped", self.pulse.node_id)
        if done:
            listener(News(done, [], []))

    # --- one turn -----------------------------------------------------------------------------

    def _has_work(self, look: ledger.Look) -> bool:
        if self._finished or self.pulse.due():
            return True
        if any(speaks(attempt) for attempt in self._running.values()):
            return True
        if self.draining:
            return any(waits(attempt) for attempt in self._running.values())
        if self.paused:
            return False
        if look.paused_until is not None and look.paused_until > look.now:
            return False
        if has_come(look.next_due, look.now) or has_come(look.next_resume, look.now):
            return True
        return has_come(look.next_queued, look.now) and any(
            room > 0 for room in self._room().values()
        )

    def _turn(self, look: ledger.Look, listener: Listener) -> bool:
        """One transaction, then the hand-over. Returns: whether more is due than fitted in."""
        began = monotonic()
        attempts: list[Attempt] = []
        settled: list[Settled] = []
        due = resumed = 0
        self._said.clear()
        with self._engine.begin() as connection:
            now = ledger.now_us(connection)
            alive = ledger.beat(connection, self.pulse.node_id, now)
            done = self._store_finished(connection, now)
            self._store_output(connection, now)
            self._withdraw(0.0 if self.draining else WAITED_SECONDS)
            self._give_back(connection, now)
            if self._in_doubt:
                ended = {outcome.attempt.run_id for outcome in done}
                known = [run_id for run_id in self._running if run_id not in ended]
                ledger.reclaim_strays(connection, self.pulse.node_id, known, now)
            if alive and self.pulse.may_judge(now):
                self._bury(connection, now)
            room = self._room()  # before asking for the stop: what it ends makes room
            if alive and not (self.draining or self.paused) and not nothing_begins(connection, now):
                if has_come(look.next_resume, now):
                    resumed = self._resume_ended(connection)
                due = claim(connection, self._cache, self._gauge, now, self._batch, settled)
                attempts = promote(connection, self._cache, now, room, self.pulse.node_id)
        self._committed(done)
        if done or settled or attempts:
            listener(News(done, settled, attempts))
        if not alive:
            self._rise_again()
            return True
        self.pulse.beat(began, now)
        self._hand_over(attempts)
        full = due >= self._batch
        self._batch = min(self._batch * 4, LARGEST_BATCH) if full else FIRST_BATCH
        self._window = min(4 * len(done), LARGEST_WINDOW)
        return full or resumed == RESUMED

    def _resume_ended(self, connection: Connection) -> int:
        """Let jobs go on whose pause has ended; how many."""
        with Session(connection) as session:
            resumed = changes.resume_ended(session, self._registry, RESUMED)
            session.flush()
        return resumed

    def _bury(self, connection: Connection, now: int) -> None:
        silence = int(DEAD_SECONDS * 1e6)
        dead = ledger.bury_dead_nodes(connection, self.pulse.node_id, now, silence)
        for node_id in dead:
            lose(connection, self._cache, node_id, now, Reason.PROCESS_DIED)
        if dead:
            log.warning("nodes %s have died; what they ran is lost or tried again", dead)

    def _room(self) -> dict[Lane, int]:
        """How many attempts each executor takes now: its free places, and while runs are short
        four times as many again as have just ended."""
        if not self.pulse.fresh():
            return {}
        return {lane: executor.room() + self._window for lane, executor in self.executors.items()}

    def _hand_over(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._running[attempt.run_id] = attempt
        for lane, executor in self.executors.items():
            mine = [attempt for attempt in attempts if attempt.lane is lane]
            if not mine:
                continue
            try:
                executor.start(mine)
            except Exception:
                log.exception("%s runs could not be handed over; they are queued again", len(mine))
                self._forget(mine)
                self._in_doubt = True

    def _store_finished(self, connection: Connection, now: int) -> list[Outcome]:
        """Write how attempts ended; they leave the list only after the commit."""
        outcomes = list(self._finished)
        if not outcomes:
            return []
        kept = finish(connection, outcomes, now)
        for outcome in outcomes:
            attempt = outcome.attempt
            if attempt.output.spoke():
                self._said[attempt] = ledger.store_output(connection, attempt, now, everything=True)
            if attempt.run_id not in kept:
                log.warning("run %s ended after it had been settled", attempt.run_id)
        return outcomes

    def _store_output(self, connection: Connection, now: int) -> None:
        for attempt in self._running.values():
            if attempt not in self._said and speaks(attempt):
                self._said[attempt] = ledger.store_output(connection, attempt, now)

    def _withdraw(self, seconds: float) -> None:
        """Take from the executors what has waited there for so long."""
        for executor in self.executors.values():
            self._returned.extend(executor.withdraw(seconds))

    def _give_back(self, connection: Connection, now: int) -> None:
        if self._returned:
            ledger.give_back(connection, self._returned, now)

    def _committed(self, done: Sequence[Outcome]) -> None:
        """Forget what the transaction that has just been committed took over."""
        self._in_doubt = False
        for attempt, progress in self._said.items():
            attempt.output.stored(progress)
            attempt.output.written_at = monotonic()
        self._said.clear()
        self._forget((*(outcome.attempt for outcome in done), *self._returned))
        self._returned.clear()
        for _ in done:
            self._finished.popleft()

    def _forget(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._running.pop(attempt.run_id, None)

    def _rise_again(self) -> None:
        """Others have called this node dead: what it ran is theirs to judge; start a new life."""
        log.warning("node %s was declared dead while it could not beat", self.pulse.node_id)
        self._running.clear()
        self.register()

    # --- stop and timeout ---------------------------------------------------------------------

    def _stop(self, run_id: int, reason: Reason) -> None:
        attempt = self._running.get(run_id)
        if attempt is not None and not attempt.stop.is_set():
            self.executors[attempt.lane].stop(attempt, reason)

    def _check_timeouts(self) -> None:
        """Ask attempts that have used up their time to end. The event loop sees to its own."""
        now = monotonic()
        for run_id, attempt in self._running.items():
            limit, began = attempt.job.timeout_seconds, attempt.begun_at
            if limit is None or began is None or attempt.stop.is_set():
                continue
            if now - began >= limit:
                attempt.timed_out = True
                self._stop(run_id, Reason.STOPPED)


def waits(attempt: Attempt) -> bool:
    """Whether an attempt that was handed over has yet to begin."""
    return attempt.begun_at is None and attempt.lane is not Lane.LOOP


def speaks(attempt: Attempt) -> bool:
    """Whether an attempt has said something that is due to be stored."""
    return attempt.output.dirty() and monotonic() - attempt.output.written_at >= LOG_SECONDS


def nothing_begins(connection: Connection, now: int) -> bool:
    """Whether everything is paused."""
    until = ledger.paused_until(connection)
    return until is not None and until > now


def has_come(time: int | None, now: int) -> bool:
    """Whether there is such a time, and it is not after `now`."""
    return time is not None and time <= now


def seconds_until_next(look: ledger.Look) -> float:
    """How long the loop may sleep after `look`."""
    known = (look.next_due, look.next_queued, look.next_resume, look.paused_until)
    times = [time for time in known if time and time > look.now]
    soonest = min(((time - look.now) / 1e6 for time in times), default=LOOK_SECONDS)
    return min(LOOK_SECONDS, soonest)


def node_name() -> str:
    """`host:pid` of this process."""
    return f"{platform.node()}:{os.getpid()}"
