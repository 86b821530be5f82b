"""A real SMTP server on loopback, and the mails that it was given."""

import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one mail needs; refuses nobody@…"""

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            self.server.lines.append(line)  # type: ignore[attr-defined]
            if verb == "DATA":
                self.say("354 go on")
                self.server.mails.append(self.body())  # type: ignore[attr-defined]
            elif verb == "QUIT":
                return self.say("221 bye")
            refused = verb == "RCPT" and "nobody@" in line
            self.say("550 unknown" if refused else "250 fine")
        return None

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def body(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        return b"".join(lines)


class Post(socketserver.ThreadingTCPServer):
    """A mail server on loopback, and what it was given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Smtp)
        self.mails: list[bytes] = []
        self.lines: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def mail(self) -> EmailMessage:
        """The one mail that has come."""
        assert len(self.mails) == 1
        return message_from_bytes(self.mails[0], policy=policy.default)  # type: ignore[return-value]


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that waits for mail."""
    with Post() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
