"""Plain functions on threads. A thread cannot be killed: Stop and timeout can only ask."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Condition, Lock, Thread
from time import monotonic

from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.pulse import Pulse
from aegis_web.engine.runner import Runner
from aegis_web.runs.models import Lane, Reason

IDLE_SECONDS = 30.0  # after which a thread without work ends

log = logging.getLogger(__name__)


class ThreadExecutor:
    """At most `size` threads, started on demand and gone when idle."""

    lane = Lane.THREAD

    def __init__(
        self, size: int, runner: Runner, pulse: Pulse, report: Callable[[Outcome], None]
    ) -> None:
        self._size, self._runner, self._pulse, self._report = size, runner, pulse, report
        self._changed = Condition(Lock())
        self._queue: deque[tuple[float, Attempt]] = deque()
        self._threads = self._idle = 0
        self._closed = False

    def room(self) -> int:
        with self._changed:
            return self._size - (self._threads - self._idle) - len(self._queue)

    def start(self, attempts: Iterable[Attempt]) -> None:
        now = monotonic()
        with self._changed:
            for attempt in attempts:
                self._queue.append((now, attempt))
            missing = min(len(self._queue) - self._idle, self._size - self._threads)
            for _ in range(missing):
                if not self._add_thread():
                    break  # what nobody begins is withdrawn
            self._changed.notify(len(self._queue))

    def _add_thread(self) -> bool:
        try:
            Thread(target=self._work, name="aegis-run", daemon=True).start()
        except RuntimeError as error:
            log.error("no thread for a run: %s", error)
            return False
        self._threads += 1
        return True

    def withdraw(self, seconds: float) -> list[Attempt]:
        latest = monotonic() - seconds
        waiting: list[Attempt] = []
        with suppress(IndexError):
            while self._queue[0][0] <= latest:
                since, attempt = self._queue.popleft()
                if since > latest:  # a worker took the one looked at
                    with self._changed:
                        self._queue.appendleft((since, attempt))
                        self._changed.notify()
                    break
                waiting.append(attempt)
        return waiting

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        attempt.stop_reason = reason
        attempt.stop.set()

    def shutdown(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Attempt | None:
        while True:
            with suppress(IndexError):
                return self._queue.popleft()[1]  # without the lock: that is atomic
            with self._changed:
                if self._queue:
                    continue
                self._idle += 1
                woken = not self._closed and self._changed.wait(IDLE_SECONDS)
                self._idle -= 1
                if not woken and not self._queue:
                    self._threads -= 1
                    return None

    def _work(self) -> None:
        while (attempt := self._next()) is not None:
            if self._pulse.admits(attempt.node_id):
                attempt.begun_at = monotonic()
                self._report(self._runner.run(attempt))
