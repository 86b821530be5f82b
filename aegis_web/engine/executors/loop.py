"""`async def` functions on one event-loop thread, where Stop and timeout cancel them."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.pulse import Pulse
from aegis_web.engine.runner import Runner, stopped
from aegis_web.runs.models import Lane, Reason

JOIN_SECONDS = 2.0  # how long a shutdown waits for tasks to take their cancelling

log = logging.getLogger(__name__)


class LoopExecutor:
    """At most `size` tasks at once on a loop whose thread starts with the first of them."""

    lane = Lane.LOOP

    def __init__(
        self, size: int, runner: Runner, pulse: Pulse, report: Callable[[Outcome], None]
    ) -> None:
        self._size, self._runner, self._pulse, self._report = size, runner, pulse, report
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._end = asyncio.Event()
        self._tasks: dict[Attempt, asyncio.Task[None] | None] = {}

    def room(self) -> int:
        with self._lock:
            return self._size - len(self._tasks)

    def start(self, attempts: Iterable[Attempt]) -> None:
        loop = self._running_loop()
        for attempt in attempts:
            with self._lock:
                self._tasks[attempt] = None
            loop.call_soon_threadsafe(self._begin, attempt)

    def withdraw(self, seconds: float) -> list[Attempt]:
        return []  # a task begins at once, so none ever waits here

    def stop(self, attempt: Attempt, reason: Reason) -> None:
        attempt.stop_reason = reason
        attempt.stop.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, attempt)

    def shutdown(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(JOIN_SECONDS)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            begun = Event()
            self._thread = Thread(target=self._serve, args=[begun], name="aegis-loop", daemon=True)
            self._thread.start()
            begun.wait()
        assert self._loop is not None
        return self._loop

    def _serve(self, begun: Event) -> None:
        with asyncio.Runner() as runner:  # at its end it cancels what is left, and closes
            self._loop = runner.get_loop()
            begun.set()
            while not self._end.is_set():
                try:
                    runner.run(self._end.wait())
                except (KeyboardInterrupt, SystemExit) as error:  # a task that a function began
                    log.warning("a task wanted to end the program (%r); the loop goes on", error)

    def _begin(self, attempt: Attempt) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._execute(attempt))
        with self._lock:
            self._tasks[attempt] = task
        task.add_done_callback(lambda task: self._done(attempt, task))

    def _cancel(self, attempt: Attempt) -> None:
        with self._lock:
            task = self._tasks.get(attempt)
        if task is not None:
            task.cancel()

    async def _execute(self, attempt: Attempt) -> None:
        at_once = self._pulse.fresh() and self._pulse.node_id == attempt.node_id
        if not at_once and not await asyncio.to_thread(self._pulse.admits, attempt.node_id):
            return
        self._report(await self._runner.run_async(attempt))

    def _done(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        with self._lock:
            self._tasks.pop(attempt, None)
        if task.cancelled():  # before its body began
            self._report(stopped(attempt, utc_now_us()))
