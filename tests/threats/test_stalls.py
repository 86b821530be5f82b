"""Requests that stop in the middle: known as Slowloris. Each would hold a thread for ever."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.support.clocks import wait_until
from tests.support.servers import StartServer

BODY = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\na"
HEAD = b"GET / HTTP/1.1\r\nHost: local"
THREADS = 4


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("sent", [HEAD, BODY], ids=["head", "body"])
def test_requests_that_stall_hold_up_nobody_for_long(
    start_server: StartServer, sockets: ExitStack, sent: bytes
) -> None:
    server = start_server(AEGIS_WEB_THREADS=str(THREADS)).ready()
    port = urlsplit(server.url).port
    for _ in range(2 * THREADS):
        stalled = sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
        stalled.sendall(sent)
    wait_until(lambda: server.get("/healthz")[0] == 200, seconds=60)
    assert "Traceback" not in server.output()
