"""The end of a process that runs the engine: begun at SIGTERM, done before the process leaves.

The server's own graceful stop waits for open connections first. The engine cannot: its budget
counts from the signal. So it stops in a thread of its own, at once.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any

from flask import Flask

WAKE_SECONDS = 0.5  # the engine may claim for 1 s after the signal


class Shutdown:
    """One process's shutdown, which may be begun many times and happens once."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.bell, self.cord = os.pipe()  # a signal handler may take no lock, but it may write
        self.thread = threading.Thread(target=self.run, name="aegis-shutdown", daemon=True)

    def listen(self) -> None:
        """Begin at SIGTERM and at SIGINT, then do what the process did before at that signal."""
        self.thread.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.chain(number, signal.getsignal(number))

    def chain(self, number: int, before: Any) -> None:
        def handle(received: int, frame: FrameType | None) -> None:
            self.begin()
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)

    def begin(self) -> None:
        """Begin the shutdown, unless it has begun; returns at once."""
        os.write(self.cord, b".")

    def run(self) -> None:
        os.read(self.bell, 1)
        streams = self.app.extensions.get("aegis.streams")
        engine = self.app.extensions.get("aegis.scheduler")
        try:
            if streams is not None:
                streams.close()
        finally:  # the runs are settled whatever happens to a stream
            if engine is not None:
                engine.begin_shutdown()
                engine.shutdown(wait=True)

    def wait(self) -> None:
        """Return when the engine has settled its runs; it keeps its own time budget.

        Wakes now and then: a signal that came to another thread is handled only then.
        """
        while self.thread.is_alive():
            self.thread.join(WAKE_SECONDS)
