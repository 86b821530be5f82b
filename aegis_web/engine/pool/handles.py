"""The node's side of the pool: its guardian and its children. Used by one thread only."""

import json
import os
import select
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from signal import SIGKILL
from time import monotonic

from aegis_web.clock import to_us
from aegis_web.engine.attempt import Attempt
from aegis_web.engine.pool.frames import Message, Recipe, Unpacker, pack
from aegis_web.engine.pool.guardian import LARGEST_ORDER, command
from aegis_web.engine.pool.raw import PIECE, RawStream

TOLD_OF_JOB = ("id", "revision", "key", "name", "service", "timeout_seconds")
GONE_SECONDS = 5.0  # how long a guardian may take to end with its children
DYING_SECONDS = 1.0  # how long a child may, once the kernel has been told to kill it


class GuardianHandle:
    """A guardian that has been started; it prepares itself while orders wait for it."""

    def __init__(self, recipe: Recipe) -> None:
        """Raises: OSError when the process cannot be started."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                command(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.idle_since = monotonic()
        self.send(asdict(recipe))

    def send(self, order: Message, files: list[int] | None = None) -> None:
        """Raises: OSError when it is gone."""
        socket.send_fds(self.control, [json.dumps(order).encode()], files or [])

    def receive(self) -> Message | None:
        """What it says next; None when it is gone."""
        try:
            data = self.control.recv(LARGEST_ORDER)
        except ConnectionError:
            return None
        return json.loads(data) if data else None

    def end(self) -> None:
        """Let it end with all its children, and wait for that."""
        self.control.close()
        try:
            self._process.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:  # it hangs in the system; its children died with us
            self._process.send_signal(SIGKILL)
            self._process.wait()


@dataclass
class Place:
    """An attempt in a child's line."""

    ticket: int
    attempt: Attempt
    quick: bool
    streams: tuple[RawStream, RawStream] | None = None


class ChildHandle:
    """One child, from the order to fork it until the guardian has buried it."""

    def __init__(self, number: int, guardian: GuardianHandle) -> None:
        """Raises: OSError when the guardian is gone or no file can be opened."""
        self.number = number
        self.line: deque[Place] = deque()  # the first one executes, the others wait
        self.unpacker = Unpacker()
        self.up = False  # whether it has said that it lives
        self.leaving = False  # nothing more may be given to it
        self.fresh = True  # whether it has never had an attempt
        self.idle_since = monotonic()
        self.spent_us = 0  # processor time of the attempts that it has finished
        self._unsent = bytearray()
        self.wire, theirs = socket.socketpair()
        self.pipes: list[int] = []
        given = [theirs.fileno()]
        for _ in range(2):
            mine, its = os.pipe()
            os.set_blocking(mine, False)
            self.pipes.append(mine)
            given.append(its)
        its, self._life = os.pipe()
        given.append(its)
        try:
            self.wire.setblocking(False)
            guardian.send({"spawn": number}, given)
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            for file in given[1:]:
                os.close(file)

    def give(self, place: Place, begin_by: float, **order: object) -> None:
        """Put an attempt at the end of the line."""
        attempt = place.attempt
        facts = {name: getattr(attempt.job, name) for name in TOLD_OF_JOB}
        fire_us = None if attempt.fire_at is None else to_us(attempt.fire_at)
        self.line.append(place)
        if len(self.line) == 1 and self.up:
            attempt.begun_at = monotonic()
        self.say(
            {
                "run": place.ticket,
                "run_id": attempt.run_id,
                "number": attempt.number,
                "node_id": attempt.node_id,
                "job": facts,
                "fire_us": fire_us,
                "requested_by": attempt.requested_by,
                "arguments": attempt.arguments,
                "begin_by": begin_by,
                **order,
            }
        )
        self.fresh = False

    def say(self, message: Message) -> None:
        """Have a message sent with the next `flush`."""
        self._unsent += pack(message)

    def flush(self) -> bool:
        """Send what fits; whether something is left."""
        while self._unsent:
            try:
                sent = self.wire.send(self._unsent)
            except BlockingIOError:
                return True
            except OSError:  # it is dead; the guardian will say how
                self._unsent.clear()
                return False
            del self._unsent[:sent]
        return False

    def hear(self) -> list[Message] | None:
        """What it has said; None when it will say nothing more."""
        try:
            data = self.wire.recv(262_144)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return list(self.unpacker.feed(data)) if data else None

    def kill(self) -> None:
        """Have the kernel kill the child, if it lives: its sign of life is gone."""
        with suppress(OSError):
            os.close(self._life)
        with suppress(OSError):
            self.wire.shutdown(socket.SHUT_WR)
        self._life = -1

    def last_words(self) -> Iterator[Message]:
        """What it had said until it was dead, and waits for that: nothing begins afterwards."""
        self.kill()
        deadline = monotonic() + DYING_SECONDS
        poll = select.poll()  # select() knows no file beyond the 1024th
        poll.register(self.wire, select.POLLIN)
        while (messages := self.hear()) is not None:
            yield from messages
            patience = max(0.0, deadline - monotonic())
            if not messages and not poll.poll(patience * 1000):
                return  # a program that it started holds the wire

    def read_pipe(self, stream: int, secrets: Callable[[Attempt], None]) -> bool | None:
        """Take what was written past Python for the attempt that executes; whether there may be
        more now, None for nothing ever. `secrets` is called before the first bytes are kept."""
        try:
            data = os.read(self.pipes[stream], PIECE)
        except BlockingIOError:
            return False
        if not data:
            return None
        if self.line:
            place = self.line[0]
            if place.streams is None:
                secrets(place.attempt)
                output = place.attempt.output
                place.streams = RawStream(output, "out"), RawStream(output, "err")
            place.streams[stream].feed(data)
        return True

    def pop(self) -> Place:
        """Take the first attempt out of the line; the next one begins now."""
        place = self.line.popleft()
        for stream in place.streams or ():
            stream.finish()
        self.idle_since = monotonic()
        if self.line:
            self.line[0].attempt.begun_at = self.idle_since
        return place

    def close(self) -> None:
        """Close the files; a child that lives is killed by that."""
        self.kill()
        self.wire.close()
        for file in self.pipes:
            with suppress(OSError):
                os.close(file)
        self.pipes = []
