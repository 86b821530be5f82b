"""Plain functions in killable processes; see `engine/pool`.

One thread of the node tends guardian and children: it gives out attempts, reads what comes, stops
and kills. It never waits for one child, so none delays another. Services whose runs are short get
further runs ahead, so that a child need not wait for the node between two of them.
"""

import heapq
import itertools
import logging
import os
import selectors
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from signal import SIGKILL, SIGTERM
from threading import Lock, Thread
from time import monotonic
from typing import Any

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.pool.frames import Message, Recipe
from aegis_web.engine.pool.handles import ChildHandle, GuardianHandle, Place
from aegis_web.engine.pool.words import died, killed
from aegis_web.engine.pulse import Pulse
from aegis_web.engine.runner import stopped
from aegis_web.errors import AegisError
from aegis_web.registry import Registry
from aegis_web.runs.models import Lane, Reason, RunStatus
from aegis_web.vault import Vault

TERM_SECONDS = 3.0  # after a stop was asked for, SIGTERM;
KILL_SECONDS = 5.0  # and SIGKILL for the whole process group
CHILD_IDLE_SECONDS = 10.0
GUARDIAN_IDLE_SECONDS = 60.0
QUICK_US = 5_000  # services whose runs usually take less get runs ahead,
AHEAD = 32  # at most so many in one child's line
HOLD_SECONDS = (1.0, 30.0)  # before another child is tried after one could not begin to live
PIECES = 32  # of raw output read for one event, so that nobody else waits
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
        self._size, self._recipe, self._registry, self._vault = size, recipe, registry, vault
        self._pulse, self._report = pulse, report
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
        # what follows belongs to the thread alone
        self._guardian: GuardianHandle | None = None
        self._children: dict[int, ChildHandle] = {}
        self._selector = selectors.DefaultSelector()
        self._numbers = itertools.count(1)
        self._timers: list[tuple[float, int, int, int]] = []  # when, signal, child, ticket
        self._usual_us: dict[str, float] = {}

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
            self._order(lambda: self._withdraw_ahead(latest, everything=not seconds))
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
                self._selector = selectors.DefaultSelector()
                self._thread = Thread(target=self._serve, name="aegis-pool", daemon=True)
                self._thread.start()
            with suppress(BlockingIOError):  # it is full: the thread will look
                os.write(self._cord, b".")

    # --- the thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._selector.register(self._bell, selectors.EVENT_READ, self._rung)
            while not self._closed:
                try:
                    self._tend()
                except Exception:
                    log.exception("the pool of processes was interrupted; it is made anew")
                    self._hold_on("the pool was interrupted")
                    self._lose_guardian()
                if self._guardian is None and self._leave():
                    return
            self._lose_guardian(reporting=False)
            with self._lock:
                self._forget_thread()
        except BaseException:
            log.critical("the pool of processes cannot go on; the process ends", exc_info=True)
            os._exit(70)

    def _tend(self) -> None:
        """Wait until something happens, and see to it."""
        for key, _ in self._selector.select(self._patience()):
            key.data()
        self._obey()
        if not self._closed:
            self._give_out()
            self._signal_due()
            self._let_go()

    def _leave(self) -> bool:
        """End this thread unless there is something to do."""
        with self._lock:
            if self._queue or self._orders or self._closed:
                return False
            self._forget_thread()
            return True

    def _forget_thread(self) -> None:
        self._thread = None
        self._selector.close()
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

    def _patience(self) -> float | None:
        """How many seconds the thread may sleep if nothing happens."""
        now = monotonic()
        times = [timer[0] for timer in self._timers[:1]]
        with self._lock:
            waiting = bool(self._queue)
        if waiting:
            times.append(max(self._held_until, now + 0.1))
        times += [c.idle_since + CHILD_IDLE_SECONDS for c in self._children.values() if not c.line]
        if self._guardian is not None and not self._children:
            times.append(self._guardian.idle_since + GUARDIAN_IDLE_SECONDS)
        return max(0.0, min(times) - now) if times else 60.0

    # --- giving out -----------------------------------------------------------------------------

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
            if attempt.node_id != self._pulse.node_id or attempt.stop.is_set():
                child = None
            elif (child := self._place_for(attempt)) is None:
                break
            with self._lock:
                if not self._queue or self._queue[0][1] is not attempt:
                    continue  # it was withdrawn meanwhile
                self._queue.popleft()
            if child is not None:
                self._give(child, attempt)
                touched[child.number] = child
            elif attempt.stop.is_set():
                self._report(stopped(attempt, utc_now_us()))
        for child in touched.values():
            self._flush(child)
        self._count()

    def _count(self) -> None:
        busy = sum(bool(child.line) or child.leaving for child in self._children.values())
        ahead = any(len(child.line) > 1 for child in self._children.values())
        with self._lock:
            self._busy, self._ahead = busy, ahead

    def _place_for(self, attempt: Attempt) -> ChildHandle | None:
        """The child whose line the attempt joins; None: it waits."""
        service = self._registry.find(attempt.job.service)
        idle = [child for child in self._children.values() if not child.line and not child.leaving]
        if service is not None and service.fresh:
            new = next((child for child in idle if child.fresh), None)
            if new is not None or len(self._children) < self._size:
                return new or self._spawn()
            for child in idle[:1]:
                self._send_away(child)
            return None
        if idle:
            return max(idle, key=lambda child: child.idle_since)
        if len(self._children) < self._size:
            return self._spawn()
        if not self._quick(attempt):
            return None
        lines = [child for child in self._children.values() if takes_more(child)]
        return min(lines, key=lambda child: len(child.line), default=None)

    def _quick(self, attempt: Attempt) -> bool:
        return self._usual_us.get(attempt.job.service, QUICK_US) < QUICK_US

    def _give(self, child: ChildHandle, attempt: Attempt) -> None:
        service = self._registry.find(attempt.job.service)
        quick = self._quick(attempt)
        function = None if service is None else service.function
        child.give(
            Place(next(self._numbers), attempt, quick),
            self._pulse.fence(),
            found_at=function and f"{function.__module__}:{function.__name__}",
            fresh=service is not None and service.fresh,
            measure=not quick,
        )
        if service is not None and service.fresh:
            child.leaving = True

    def _spawn(self) -> ChildHandle | None:
        """A new child; None when the system gives none, for now."""
        try:
            if self._guardian is None:
                self._guardian = GuardianHandle(self._recipe)
                self._selector.register(
                    self._guardian.control, selectors.EVENT_READ, self._hear_guardian
                )
            child = ChildHandle(next(self._numbers), self._guardian)
        except OSError as error:
            self._hold_on(str(error))
            return None
        self._children[child.number] = child
        self._selector.register(child.wire, selectors.EVENT_READ, lambda: self._hear(child))
        for stream, pipe in enumerate(child.pipes):
            reader = self._reader(child, stream)
            self._selector.register(pipe, selectors.EVENT_READ, reader)
        return child

    def _hold_on(self, problem: str) -> None:
        """Begin nothing for a while, because no process can be had."""
        log.error("no process for a run: %s; tried again in %.0f s", problem, self._hold)
        with self._lock:
            self._held_until = monotonic() + self._hold
        self._hold = min(self._hold * 2, HOLD_SECONDS[1])

    def _flush(self, child: ChildHandle) -> None:
        if child.number not in self._children:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.flush() else 0)
        with suppress(KeyError):  # it has said that it will say nothing more
            key = self._selector.get_key(child.wire)
            if key.events != events:
                self._selector.modify(child.wire, events, key.data)

    def _requeue(self, places: Iterable[Place]) -> None:
        """Put attempts that have not begun before all others again."""
        now = monotonic()
        with self._lock:
            for place in reversed(list(places)):
                place.attempt.begun_at = None
                self._queue.appendleft((now, place.attempt))

    # --- what children say ----------------------------------------------------------------------

    def _hear(self, child: ChildHandle) -> None:
        messages = child.hear()
        if messages is None:
            self._unregister(child.wire)  # the guardian will say how it ended
            return
        for message in messages:
            self._take(child, message)
        self._flush(child)

    def _take(self, child: ChildHandle, message: Message) -> None:
        if "hello" in message:
            child.up, self._hold = True, HOLD_SECONDS[0]
            if child.line:
                child.line[0].attempt.begun_at = monotonic()
        elif "news" in message:
            hear_news(child.line[0].attempt, message)
        elif "late" in message:
            self._requeue([child.pop()])
        elif "withdrawn" in message:
            gone = [place for place in child.line if place.ticket in message["withdrawn"]]
            child.line = deque(place for place in child.line if place not in gone)
            with self._lock:
                self._withdrawn += [place.attempt for place in gone]
        elif "ended" in message:
            self._end(child, message)

    def _end(self, child: ChildHandle, message: Message) -> None:
        for stream in range(len(child.pipes)):
            self._read(child, stream)
        place = child.pop()
        hear_news(place.attempt, message)
        outcome = outcome_from(place.attempt, message["outcome"])
        child.spent_us += outcome.cpu_us or 0
        took = outcome.finished_us - outcome.started_us
        usual = self._usual_us.get(place.attempt.job.service, took)
        self._usual_us[place.attempt.job.service] = usual + (took - usual) / 4
        if message["last"]:
            child.leaving = True
            self._requeue(child.line)
            child.line.clear()
        self._report(outcome)

    def _reader(self, child: ChildHandle, stream: int) -> Callable[[], None]:
        return lambda: self._read(child, stream)

    def _read(self, child: ChildHandle, stream: int) -> None:
        for _ in range(PIECES):
            more = child.read_pipe(stream, self._mask)
            if more is None:
                self._unregister(child.pipes[stream])
            if not more:
                return

    def _mask(self, attempt: Attempt) -> None:
        """Let the output know the attempt's secrets."""
        service = self._registry.find(attempt.job.service)
        if service is not None:
            with suppress(AegisError):  # then the function got no arguments that it could say
                attempt.output.mask(service.open(attempt.arguments, self._vault).secrets)

    # --- stop and kill --------------------------------------------------------------------------

    def _stop(self, attempt: Attempt) -> None:
        for child in self._children.values():
            for place in child.line:
                if place.attempt is attempt:
                    self._ask_to_stop(child, place)

    def _ask_to_stop(self, child: ChildHandle, place: Place) -> None:
        attempt = place.attempt
        child.say(
            {
                "stop": place.ticket,
                "reason": attempt.stop_reason,
                "timed_out": attempt.timed_out,
            }
        )
        self._flush(child)
        now = monotonic()
        heapq.heappush(self._timers, (now + TERM_SECONDS, SIGTERM, child.number, place.ticket))
        heapq.heappush(self._timers, (now + KILL_SECONDS, SIGKILL, child.number, place.ticket))

    def _signal_due(self) -> None:
        """Send the signals whose time has come, to children that still execute that attempt."""
        while self._timers and self._timers[0][0] <= monotonic():
            _, number, child_number, ticket = heapq.heappop(self._timers)
            child = self._children.get(child_number)
            if child is None or not child.line or child.line[0].ticket != ticket:
                continue
            if self._guardian is not None:
                self._guardian.send({"kill": child_number, "signal": number})

    def _withdraw_ahead(self, latest: float, *, everything: bool) -> None:
        """Ask children for attempts that wait behind one which began before `latest`; with
        `everything` also for those that wait until their process is ready."""
        for child in self._children.values():
            began = child.line[0].attempt.begun_at if child.line else None
            waiting = list(child.line)[0 if everything and began is None else 1 :]
            if waiting and (everything or (began is not None and began <= latest)):
                child.say({"withdraw": [place.ticket for place in waiting]})
                self._flush(child)

    # --- the end of children --------------------------------------------------------------------

    def _let_go(self) -> None:
        """Send away who has nothing to do."""
        now = monotonic()
        for child in list(self._children.values()):
            if (
                not child.line
                and not child.leaving
                and now - child.idle_since >= CHILD_IDLE_SECONDS
            ):
                self._send_away(child)
        guardian = self._guardian
        if guardian is not None and not self._children:
            with self._lock:
                waiting = bool(self._queue)
            if not waiting and now - guardian.idle_since >= GUARDIAN_IDLE_SECONDS:
                self._lose_guardian()

    def _send_away(self, child: ChildHandle) -> None:
        child.leaving = True
        child.say({"leave": True})
        self._flush(child)

    def _hear_guardian(self) -> None:
        assert self._guardian is not None
        message = self._guardian.receive()
        if message is None:
            log.error("the guardian of the pool has died; what it watched over is lost")
            self._hold_on("their guardian died")
            self._lose_guardian()
        elif "exited" in message:
            self._guardian.idle_since = monotonic()
            child = self._children[message["exited"]]
            if "problem" in message:
                self._hold_on(message["problem"])
            self._bury(child, message)
            self._count()

    def _bury(self, child: ChildHandle, message: Message, *, reporting: bool = True) -> None:
        """Settle what a dead child had in its line."""
        while messages := child.hear():
            for said in messages:
                self._take(child, said)
        for stream in range(len(child.pipes)):
            self._read(child, stream)
        del self._children[child.number]
        for file in (child.wire, *child.pipes):
            self._unregister(file)
        if child.line and child.up:
            place = child.pop()
            if reporting:
                self._report(self._died(child, place, message))
        elif child.line and "code" in message:
            self._hold_on("it ended before it could begin")
        self._requeue(child.line)
        child.close()

    def _died(self, child: ChildHandle, place: Place, message: Message) -> Outcome:
        """What became of an attempt whose process ended before it did."""
        attempt, code = place.attempt, message.get("code")
        now = utc_now_us()
        began = now
        if attempt.begun_at is not None:
            began -= round((monotonic() - attempt.begun_at) * 1e6)
        if attempt.stop.is_set():
            outcome = stopped(attempt, began, killed(code))
        else:
            outcome = Outcome(attempt, RunStatus.FAILED, began, now, error=died(code))
        if code is None:
            return outcome
        spent = max(0, message["cpu_us"] - child.spent_us)
        return replace(outcome, exit_code=code, cpu_us=spent, peak_kb=message["peak_kb"])

    def _lose_guardian(self, *, reporting: bool = True) -> None:
        """End the guardian and with it every child."""
        guardian, self._guardian = self._guardian, None
        if guardian is None:
            return
        self._unregister(guardian.control)
        guardian.end()
        for child in list(self._children.values()):
            self._bury(child, {}, reporting=reporting)
        self._timers.clear()
        self._count()

    def _unregister(self, file: Any) -> None:
        with suppress(KeyError, ValueError):  # it is not watched any more
            self._selector.unregister(file)


def takes_more(child: ChildHandle) -> bool:
    """Whether a short run may wait in this child's line."""
    return not child.leaving and len(child.line) < AHEAD and all(p.quick for p in child.line)


def hear_news(attempt: Attempt, message: Message) -> None:
    """Take over what an attempt has said in its process."""
    if said := message.get("said"):
        attempt.output.receive(said)
    if progress := message.get("progress"):
        attempt.output.progress = progress[0], progress[1], progress[2]


def outcome_from(attempt: Attempt, told: Message) -> Outcome:
    """The outcome as a child told it."""
    attempt.timed_out = told["status"] == RunStatus.TIMED_OUT
    told["status"] = RunStatus(told["status"])
    told["reason"] = None if told["reason"] is None else Reason(told["reason"])
    told["error_types"] = tuple(told["error_types"])
    return Outcome(attempt, **told)
