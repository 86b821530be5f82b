"""A PostgreSQL proxy on loopback that can lose the answer to a COMMIT.

It passes the COMMIT on, waits for the server's answer, and closes the connection instead of
handing that answer over: the client cannot know whether the commit happened. It did.
"""

import socket
import threading
from contextlib import suppress


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to the server's socket file."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.to_lose = self.lost = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, number: int) -> None:
        """Lose the answers to the next `number` commits."""
        with self._lock:
            self.to_lose += number

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            pair = _Pair(self, client, server)
            threading.Thread(target=pair.up, daemon=True).start()
            threading.Thread(target=pair.down, daemon=True).start()

    def take_one(self) -> bool:
        """Whether the answer to this commit shall be lost."""
        with self._lock:
            if not self.to_lose:
                return False
            self.to_lose -= 1
            self.lost += 1
            return True


class _Pair:
    """One client's connection and the server's end of it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.deaf = False

    def up(self) -> None:
        """From the client to the server."""
        with suppress(OSError):
            while piece := self.client.recv(65536):
                if b"COMMIT" in piece and self.proxy.take_one():
                    self.deaf = True
                self.server.sendall(piece)
        self.end()

    def down(self) -> None:
        """From the server to the client."""
        with suppress(OSError):
            while piece := self.server.recv(65536):
                if self.deaf:
                    break
                self.client.sendall(piece)
        self.end()

    def end(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
