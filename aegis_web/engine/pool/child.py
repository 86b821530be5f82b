"""A child: executes one attempt after another on its main thread, while a second thread listens.

What the node says arrives on the wire: runs in their order, stops, withdrawals. What the function
prints through Python is kept here as a thread of the node would keep it; what is written past
Python goes through two pipes to the node, which so has the last words of a process that crashes.
"""

import ctypes  # noqa: F401  (loaded before the fork, for the guardian's sake)
import faulthandler
import fcntl
import io
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections import deque
from contextlib import suppress
from threading import Condition, Lock, Thread
from time import monotonic
from types import FrameType

from aegis_web.clock import from_us, utc_now_us
from aegis_web.engine import output
from aegis_web.engine.attempt import Attempt, JobFacts, Outcome
from aegis_web.engine.pool.frames import Message, Unpacker, pack
from aegis_web.engine.runner import Runner, Terminated, failed
from aegis_web.errors import AegisError
from aegis_web.runs.models import Lane, Reason

TELL_SECONDS = 0.2  # how long output may wait in a child before the node hears of it
TOLD_AT_ONCE = 100  # lines in that time that do not wait: a crash would lose them
OUT_OF_MEMORY_SCORE = 500  # let the kernel choose a child before the node
WIRE_BROKEN = 71  # exit code: the function closed what is not its own
KEPT_FIELDS = [name for name in Outcome._fields if name != "attempt"]


def serve(runner: Runner, wire: int, out: int, err: int, life: int) -> None:
    """Live as a child with these open files: the node's wire, its two pipes, its sign of life."""
    die_with(life)
    os.dup2(out, 1)
    os.dup2(err, 2)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for file in (out, err):
        os.close(file)
    for file in (wire, life):
        os.set_inheritable(file, False)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(OUT_OF_MEMORY_SCORE))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # what is printed past us should come in time
    faulthandler.enable()
    Child(runner, socket.socket(fileno=wire)).work()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def die_with(life: int) -> None:
    """Have the kernel kill this process group when the other end of the pipe `life` is closed:
    also while this process is stopped or too busy to notice."""
    if not hasattr(fcntl, "F_SETSIG"):
        return  # not Linux: the listening thread sees the end of the wire
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    if select.select([life], [], [], 0)[0]:  # it happened before
        os.killpg(0, signal.SIGKILL)


class Child:
    """The state of a child between the node's messages."""

    def __init__(self, runner: Runner, wire: socket.socket) -> None:
        self._runner, self._wire = runner, wire
        self._pid = os.getpid()
        self._sending = Lock()
        self._changed = Condition()
        self._waiting: deque[tuple[Message, Attempt]] = deque()
        self._current: tuple[int, Attempt] | None = None
        self._leaving = False
        self._at_once = TOLD_AT_ONCE
        self._telling = self._terminated = False  # a message may not be torn
        self._surroundings: object = None
        self._threads = 0

    def work(self) -> None:
        """Execute what comes, until the node says that nothing more will, or this process is not
        fit for another run."""
        signal.signal(signal.SIGTERM, self._terminate)
        os.register_at_fork(
            after_in_child=lambda: output.current.set(None)
        )  # a copy has the pipes only
        Thread(target=self._listen, name="aegis-ear", daemon=True).start()
        self._send({"hello": self._pid})
        self._surroundings, self._threads = surroundings(), threading.active_count()
        while (order := self._next()) is not None:
            if monotonic() >= order[0]["begin_by"]:
                self._current = None
                self._send({"late": order[0]["run"]})
            elif self._execute(*order):
                return

    def _next(self) -> tuple[Message, Attempt] | None:
        with self._changed:
            while not self._waiting:
                if self._leaving:
                    return None
                self._changed.wait()
            order, attempt = self._waiting.popleft()
            self._current = order["run"], attempt
            return order, attempt

    def _execute(self, order: Message, attempt: Attempt) -> bool:
        """Execute one attempt and tell how it ended. Returns: whether this was the last one."""
        reset = order["measure"] and reset_peak()
        before = resource.getrusage(resource.RUSAGE_SELF)
        begun_us = utc_now_us()
        try:
            self._runner.know(attempt.job.service, order["found_at"])
            attempt.output.heard, self._at_once = self._said, TOLD_AT_ONCE
            outcome = self._runner.run(attempt)
        except (AegisError, Terminated) as error:  # it was stopped just before or after its body
            outcome = failed(attempt, begun_us, error)
        finally:
            self._current = None
            attempt.output.heard = None
        if os.getpid() != self._pid:  # the function forked, and the copy came back too
            os._exit(0)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        last = self._soiled() or order["fresh"]
        ended: Message = {name: getattr(outcome, name) for name in KEPT_FIELDS}
        spent = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
        ended["cpu_us"] = round(spent * 1e6)
        known = reset or usage.ru_maxrss > before.ru_maxrss  # else an earlier run's
        ended["peak_kb"] = usage.ru_maxrss if known else None
        with self._sending:
            news = self._news(attempt, everything=True)
            told = {"ended": order["run"], "outcome": ended, "last": last, **news}
            self._wire.sendall(pack(told))
        return last

    def _soiled(self) -> bool:
        """Whether the function left something behind that the next run could meet."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return True
        signal.alarm(0)
        if signal.getsignal(signal.SIGTERM) != self._terminate:
            signal.signal(signal.SIGTERM, self._terminate)
        if threading.active_count() > self._threads or surroundings() != self._surroundings:
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True  # it has children, dead or alive

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """At SIGTERM: end the function if it was asked to stop before. Any other SIGTERM is not
        meant for it: platforms send one to every process, and the node decides what that means."""
        current = self._current
        if current is not None and current[1].stop.is_set() and os.getpid() == self._pid:
            if self._telling:
                self._terminated = True
            else:
                raise Terminated

    def _said(self) -> None:
        """After each line of the current attempt: pass it on, unless there are very many."""
        if self._at_once <= 0 or threading.current_thread() is not threading.main_thread():
            return
        self._at_once -= 1
        self._telling = True
        try:
            self._tell()
        finally:
            self._telling = False
        if self._terminated:
            self._terminated = False
            raise Terminated

    # --- the second thread ----------------------------------------------------------------------

    def _listen(self) -> None:
        unpacker = Unpacker()
        poll = select.poll()
        try:
            poll.register(self._wire, select.POLLIN)
            while True:
                busy = self._current is not None or self._waiting
                if not poll.poll(TELL_SECONDS * 1000 if busy else None):
                    self._at_once = TOLD_AT_ONCE
                    self._tell()
                    continue
                data = self._wire.recv(262_144)
                if not data:
                    os.killpg(0, signal.SIGKILL)
                for message in unpacker.feed(data):
                    self._hear(message)
        except (OSError, ValueError):
            os._exit(WIRE_BROKEN)

    def _hear(self, message: Message) -> None:
        if "run" in message:
            order = message, attempt_from(message)
            with self._changed:
                self._waiting.append(order)
                self._changed.notify()
        elif "stop" in message:
            with self._changed:
                known = [(order["run"], attempt) for order, attempt in self._waiting]
                current = self._current
            for ticket, attempt in known if current is None else [*known, current]:
                if ticket == message["stop"]:
                    attempt.stop_reason = Reason(message["reason"])
                    attempt.timed_out = message["timed_out"]
                    attempt.stop.set()
        elif "withdraw" in message:
            with self._changed:
                taken = [o["run"] for o, _ in self._waiting if o["run"] in message["withdraw"]]
                kept = [item for item in self._waiting if item[0]["run"] not in taken]
                self._waiting = deque(kept)
            self._send({"withdrawn": taken})
        elif "leave" in message:
            with self._changed:
                self._leaving = True
                self._changed.notify()

    def _tell(self) -> None:
        """Pass on what the current attempt has said meanwhile."""
        with self._sending:  # nothing of an attempt may follow its end
            current = self._current
            if current is not None and (news := self._news(current[1])):
                self._wire.sendall(pack({"news": current[0], **news}))

    def _news(self, attempt: Attempt, *, everything: bool = False) -> Message:
        progress = attempt.output.progress
        said = attempt.output.pass_on(everything=everything)
        if attempt.output.progress is progress:
            attempt.output.progress = None
        news: Message = {"said": said} if said else {}
        return news if progress is None else {**news, "progress": progress}

    def _send(self, message: Message) -> None:
        data = pack(message)
        with self._sending:
            self._wire.sendall(data)


def attempt_from(order: Message) -> Attempt:
    """The attempt that an order of the node describes."""
    fire_us = order["fire_us"]
    return Attempt(
        run_id=order["run_id"],
        number=order["number"],
        node_id=order["node_id"],
        job=JobFacts(**order["job"], arguments={}),
        fire_at=None if fire_us is None else from_us(fire_us),
        requested_by=order["requested_by"],
        lane=Lane.PROCESS,
        arguments=order["arguments"],
    )


def reset_peak() -> bool:
    """Let the peak of resident memory count from now on; whether that is possible here."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def surroundings() -> object:
    """What a function should leave as it was: the folder, the mask, and where its output goes."""
    try:
        files = tuple((os.fstat(file).st_dev, os.fstat(file).st_ino) for file in (1, 2))
        os.umask(mask := os.umask(0o077))
        return os.getcwd(), mask, files
    except OSError:
        return None
