"""Plain functions in killable processes; see `engine/pool`.

What the node calls, the queue of attempts that wait for a place, and the thread whose crew
executes them.
"""

import logging
import os
import selectors
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.pool.crew import Crew
from aegis_web.engine.pool.frames import Recipe
from aegis_web.engine.pool.handles import ChildHandle
from aegis_web.engine.pulse import Pulse
from aegis_web.engine.runner import stopped
from aegis_web.registry import Registry
from aegis_web.runs.models import Lane, Reason
from aegis_web.vault import Vault

HOLD_SECONDS = (1.0, 30.0)  # before another child is tried after one could not begin to live
LOOK_SECONDS = 0.1  # while attempts wait for a place or for the node's next beat
JOIN_SECONDS = 6.0

log = logging.getLogger(__name__)


class ProcessExecutor:
    """At most `size` children, started on demand and gone when idle; so is the thread."""

    lane = Lane.PROCESS

    def __init__(
        self,
        size: int,
        recipe: Recipe,
        registry: Registry,
        vault: Vault,
        pulse: Pulse,
        report: Callable[[Outcome], None],
    ) -> None:
        self._size, self._pulse, self.report = size, pulse, report
        self._lock = Lock()
        self._queue: deque[tuple[float, Attempt]] = deque()
        self._orders: deque[Callable[[], None]] = deque()
        self._withdrawn: list[Attempt] = []
        self._busy = 0
        self._ahead = False  # whether an attempt waits behind another one in a child
        self._thread: Thread | None = None
        self._closed = False
        self._held_until, self._hold = 0.0, HOLD_SECONDS[0]
        self._bell = self._cord = -1
        self._crew = Crew(size, recipe, registry, vault, pulse, self)

    # --- what the node calls --------------------------------------------------------------------

    def room(self) -> int:
        with self._lock:
            if monotonic() < self._held_until:
                return 0
            return self._size - self._busy - len(self._queue)

    def start(self, attempts: Iterable[Attempt]) -> None:
        now = monotonic()
        with self._lock:
            self._queue.extend((now, attempt) for attempt in attempts)
        self._wake()

    def withdraw(self, seconds: float) -> list[Attempt]:
        latest = monotonic() - seconds
        with self._lock:
            waiting = [attempt for since, attempt in self._queue if since <= latest]
            self._queue = deque(item for item in self._queue if item[0] > latest)
            waiting += self._withdrawn
            self._withdrawn = []
            ahead = (self._ahead or (not seconds and self._busy > 0)) and not self._closed
        if ahead:
            self._order(lambda: self._crew.withdraw(latest, everything=not seconds))
        return waiting

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        attempt.stop_reason = reason
        attempt.stop.set()
        self._order(lambda: self._stop(attempt))

    def shutdown(self) -> None:
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._wake()
            thread.join(JOIN_SECONDS)

    def _order(self, order: Callable[[], None]) -> None:
        with self._lock:
            self._orders.append(order)
        self._wake()

    def _wake(self) -> None:
        """Have the thread look, and have a thread."""
        with self._lock:
            if self._thread is None:
                if self._closed:
                    return
                self._bell, self._cord = os.pipe()
                os.set_blocking(self._cord, False)
                os.set_blocking(self._bell, False)
                self._thread = Thread(target=self._serve, name="aegis-pool", daemon=True)
                self._thread.start()
            with suppress(BlockingIOError):  # it is full: the thread will look
                os.write(self._cord, b".")

    # --- the thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._crew.selector = selectors.DefaultSelector()
            self._crew.selector.register(self._bell, selectors.EVENT_READ, self._rung)
            while not self._closed:
                try:
                    self._tend()
                except Exception:
                    log.exception("the pool of processes was interrupted; it is made anew")
                    self.hold_on("the pool was interrupted")
                    self._crew.lose_guardian()
                if self._crew.guardian is None and self._leave():
                    return
            self._crew.lose_guardian(reporting=False)
            with self._lock:
                self._forget_thread()
        except BaseException:
            log.critical("the pool of processes cannot go on; the process ends", exc_info=True)
            os._exit(70)

    def _tend(self) -> None:
        """Wait until something happens, and see to it."""
        for key, _ in self._crew.selector.select(self._patience()):
            key.data()
        self._obey()
        if not self._closed:
            self._give_out()
            self._crew.signal_due()
            self._crew.let_go()
        self._count()

    def _leave(self) -> bool:
        """End this thread unless there is something to do."""
        with self._lock:
            if self._queue or self._orders or self._closed:
                return False
            self._forget_thread()
            return True

    def _forget_thread(self) -> None:
        self._thread = None
        self._crew.selector.close()
        os.close(self._bell)
        os.close(self._cord)

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._bell, 4096)

    def _obey(self) -> None:
        while True:
            with self._lock:
                if not self._orders:
                    return
                order = self._orders.popleft()
            order()

    def _patience(self) -> float:
        """How many seconds the thread may sleep if nothing happens."""
        now = monotonic()
        until = self._crew.patience() or now + 60.0
        if self.waiting():
            until = min(until, max(self._held_until, now + LOOK_SECONDS))
        return max(0.0, until - now)

    def _give_out(self) -> None:
        """Give waiting attempts to children, in their order, as far as there are places."""
        touched: dict[int, ChildHandle] = {}
        while True:
            with self._lock:
                if not self._queue or monotonic() < self._held_until:
                    break
                attempt = self._queue[0][1]
            if not self._pulse.fresh():
                break
            child = None
            mine = attempt.node_id == self._pulse.node_id  # else another life of this node's
            if mine and (child := self._crew.place_for(attempt)) is None:
                break
            with self._lock:
                if not self._queue or self._queue[0][1] is not attempt:
                    continue  # it was withdrawn meanwhile
                self._queue.popleft()
            if child is not None:
                self._crew.give(child, attempt)
                touched[child.number] = child
        for child in touched.values():
            self._crew.flush(child)

    def _stop(self, attempt: Attempt) -> None:
        with self._lock:
            kept = deque(item for item in self._queue if item[1] is not attempt)
            waited = len(kept) < len(self._queue)
            self._queue = kept
        if waited:
            self.report(stopped(attempt, utc_now_us()))
        else:
            self._crew.stop(attempt)

    def _count(self) -> None:
        busy, ahead = self._crew.busy(), self._crew.ahead()
        with self._lock:
            self._busy, self._ahead = busy, ahead

    # --- what the crew calls --------------------------------------------------------------------

    def requeue(self, attempts: Iterable[Attempt]) -> None:
        now = monotonic()
        asked = []
        with self._lock:
            for attempt in reversed(list(attempts)):
                attempt.begun_at = None
                if attempt.stop.is_set():  # the child that was told so will not execute it
                    asked.append(attempt)
                else:
                    self._queue.appendleft((now, attempt))
        for attempt in asked:
            self.report(stopped(attempt, utc_now_us()))

    def send_back(self, attempts: Iterable[Attempt]) -> None:
        with self._lock:
            self._withdrawn += attempts

    def hold_on(self, problem: str) -> None:
        log.error("no process for a run: %s; tried again in %.0f s", problem, self._hold)
        with self._lock:
            self._held_until = monotonic() + self._hold
        self._hold = min(self._hold * 2, HOLD_SECONDS[1])

    def ready(self) -> None:
        self._hold = HOLD_SECONDS[0]

    def waiting(self) -> bool:
        with self._lock:
            return bool(self._queue)
