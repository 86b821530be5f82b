"""The children of a node and their guardian, as one thread tends them.

It gives out attempts, reads what comes, stops and kills. It never waits for one child, so none
delays another. Services whose runs are short get further runs ahead, so that a child need not wait
for the node between two of them.
"""

import heapq
import itertools
import logging
import selectors
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from signal import SIGKILL, SIGTERM
from time import monotonic
from typing import Any, Protocol

from aegis_web.clock import utc_now_us
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.pool.frames import Message, Recipe
from aegis_web.engine.pool.handles import ChildHandle, GuardianHandle, Place
from aegis_web.engine.pool.words import died, killed
from aegis_web.engine.pulse import Pulse
from aegis_web.engine.runner import stopped
from aegis_web.errors import AegisError
from aegis_web.registry import Registry
from aegis_web.runs.models import Reason, RunStatus
from aegis_web.vault import Vault

TERM_SECONDS = 3.0  # after a stop was asked for, SIGTERM;
KILL_SECONDS = 5.0  # and SIGKILL for the whole process group
CHILD_IDLE_SECONDS = 10.0
GUARDIAN_IDLE_SECONDS = 60.0
QUICK_US = 5_000  # services whose runs usually take less get runs ahead,
AHEAD = 32  # at most so many in one child's line
PIECES = 32  # of raw output read for one event, so that nobody else waits

log = logging.getLogger(__name__)


class Desk(Protocol):
    """Who hands the crew its attempts, and takes back what cannot be executed."""

    def report(self, outcome: Outcome) -> None:
        """An attempt has ended."""

    def requeue(self, attempts: Iterable[Attempt]) -> None:
        """Attempts have not begun; they come before all that wait."""

    def send_back(self, attempts: Iterable[Attempt]) -> None:
        """Attempts have not begun and are not wanted any more."""

    def hold_on(self, problem: str) -> None:
        """No process can be had for the moment."""

    def ready(self) -> None:
        """A process has come to life."""

    def waiting(self) -> bool:
        """Whether attempts wait for a place."""


class Crew:
    """At most `size` children. Used by one thread only, which waits on `selector`."""

    def __init__(
        self,
        size: int,
        recipe: Recipe,
        registry: Registry,
        vault: Vault,
        pulse: Pulse,
        desk: Desk,
    ) -> None:
        self._size, self._recipe, self._registry, self._vault = size, recipe, registry, vault
        self._pulse, self._desk = pulse, desk
        self.selector: selectors.BaseSelector  # whoever tends this crew brings it
        self.guardian: GuardianHandle | None = None
        self._children: dict[int, ChildHandle] = {}
        self._numbers = itertools.count(1)
        self._timers: list[tuple[float, int, int, int]] = []  # when, signal, child, ticket
        self._usual_us: dict[str, float] = {}

    def busy(self) -> int:
        """How many children have something to do, or are about to leave."""
        return sum(bool(child.line) or child.leaving for child in self._children.values())

    def ahead(self) -> bool:
        """Whether an attempt waits behind another one in a child."""
        return any(len(child.line) > 1 for child in self._children.values())

    def patience(self) -> float | None:
        """When (monotonic seconds) there is something to do even if nothing happens."""
        times = [timer[0] for timer in self._timers[:1]]
        times += [c.idle_since + CHILD_IDLE_SECONDS for c in self._children.values() if not c.line]
        if self.guardian is not None and not self._children:
            times.append(self.guardian.idle_since + GUARDIAN_IDLE_SECONDS)
        return min(times, default=None)

    # --- giving out -----------------------------------------------------------------------------

    def place_for(self, attempt: Attempt) -> ChildHandle | None:
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

    def give(self, child: ChildHandle, attempt: Attempt) -> None:
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
            if self.guardian is None:
                self.guardian = GuardianHandle(self._recipe)
                self.selector.register(
                    self.guardian.control, selectors.EVENT_READ, self._hear_guardian
                )
            child = ChildHandle(next(self._numbers), self.guardian)
        except OSError as error:
            self._desk.hold_on(str(error))
            return None
        self._children[child.number] = child
        self.selector.register(child.wire, selectors.EVENT_READ, lambda: self._hear(child))
        for stream, pipe in enumerate(child.pipes):
            reader = self._reader(child, stream)
            self.selector.register(pipe, selectors.EVENT_READ, reader)
        return child

    def flush(self, child: ChildHandle) -> None:
        if child.number not in self._children:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.flush() else 0)
        with suppress(KeyError):  # it has said that it will say nothing more
            key = self.selector.get_key(child.wire)
            if key.events != events:
                self.selector.modify(child.wire, events, key.data)

    # --- what children say ----------------------------------------------------------------------

    def _hear(self, child: ChildHandle) -> None:
        messages = child.hear()
        if messages is None:
            self._unregister(child.wire)  # the guardian will say how it ended
            return
        for message in messages:
            self._take(child, message)
        self.flush(child)

    def _take(self, child: ChildHandle, message: Message) -> None:
        if "hello" in message:
            child.up = True
            self._desk.ready()
            if child.line:
                child.line[0].attempt.begun_at = monotonic()
        elif "news" in message:
            hear_news(child.line[0].attempt, message)
        elif "late" in message:
            self._desk.requeue([child.pop().attempt])
        elif "withdrawn" in message:
            gone = [place for place in child.line if place.ticket in message["withdrawn"]]
            child.line = deque(place for place in child.line if place not in gone)
            self._desk.send_back(place.attempt for place in gone)
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
            self._desk.requeue(place.attempt for place in child.line)
            child.line.clear()
        self._desk.report(outcome)

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

    def stop(self, attempt: Attempt) -> None:
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
        self.flush(child)
        now = monotonic()
        heapq.heappush(self._timers, (now + TERM_SECONDS, SIGTERM, child.number, place.ticket))
        heapq.heappush(self._timers, (now + KILL_SECONDS, SIGKILL, child.number, place.ticket))

    def signal_due(self) -> None:
        """Send the signals whose time has come, to children that still execute that attempt."""
        while self._timers and self._timers[0][0] <= monotonic():
            _, number, child_number, ticket = heapq.heappop(self._timers)
            child = self._children.get(child_number)
            if child is None or not child.line or child.line[0].ticket != ticket:
                continue
            if self.guardian is not None:
                self.guardian.send({"kill": child_number, "signal": number})

    def withdraw(self, latest: float, *, everything: bool) -> None:
        """Ask children for attempts that wait behind one which began before `latest`; with
        `everything` also for those that wait until their process is ready."""
        for child in self._children.values():
            began = child.line[0].attempt.begun_at if child.line else None
            waiting = list(child.line)[0 if everything and began is None else 1 :]
            if waiting and (everything or (began is not None and began <= latest)):
                child.say({"withdraw": [place.ticket for place in waiting]})
                self.flush(child)

    # --- the end of children --------------------------------------------------------------------

    def let_go(self) -> None:
        """Send away who has nothing to do."""
        now = monotonic()
        for child in list(self._children.values()):
            if (
                not child.line
                and not child.leaving
                and now - child.idle_since >= CHILD_IDLE_SECONDS
            ):
                self._send_away(child)
        if self.guardian is None or self._children or self._desk.waiting():
            return
        if now - self.guardian.idle_since >= GUARDIAN_IDLE_SECONDS:
            self.lose_guardian()

    def _send_away(self, child: ChildHandle) -> None:
        child.leaving = True
        child.say({"leave": True})
        self.flush(child)

    def _hear_guardian(self) -> None:
        assert self.guardian is not None
        message = self.guardian.receive()
        if message is None:
            log.error("the guardian of the pool has died; what it watched over is lost")
            self._desk.hold_on("their guardian died")
            self.lose_guardian()
        elif "exited" in message:
            self.guardian.idle_since = monotonic()
            child = self._children[message["exited"]]
            if "problem" in message:
                self._desk.hold_on(message["problem"])
            self._bury(child, message)

    def _bury(self, child: ChildHandle, message: Message, *, reporting: bool = True) -> None:
        """Settle what a dead child had in its line."""
        for said in child.last_words():
            self._take(child, said)
        for stream in range(len(child.pipes)):
            self._read(child, stream)
        del self._children[child.number]
        for file in (child.wire, *child.pipes):
            self._unregister(file)
        if child.line and child.up:
            place = child.pop()
            if reporting:
                self._desk.report(self._died(child, place, message))
        elif child.line and "code" in message:
            self._desk.hold_on("it ended before it could begin")
        self._desk.requeue(place.attempt for place in child.line)
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
        return outcome._replace(exit_code=code, cpu_us=spent, peak_kb=message["peak_kb"])

    def lose_guardian(self, *, reporting: bool = True) -> None:
        """End the guardian and with it every child."""
        guardian, self.guardian = self.guardian, None
        if guardian is None:
            return
        self._unregister(guardian.control)
        guardian.end()
        for child in self._children.values():
            child.kill()
        for child in list(self._children.values()):
            self._bury(child, {}, reporting=reporting)
        self._timers.clear()

    def _unregister(self, file: Any) -> None:
        with suppress(KeyError, ValueError):  # it is not watched any more
            self.selector.unregister(file)


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
