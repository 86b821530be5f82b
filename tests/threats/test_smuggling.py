"""Requests that two servers could read in two ways: CVE-2024-1135, CVE-2024-6827 (gunicorn).

A proxy in front and the server behind it must agree where a request ends. Each request here hides
another one in what one of them may take for its body; the hidden one is never answered.
"""

import re
import socket
from urllib.parse import urlsplit

from tests.support.servers import Server, StartServer

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
LENGTH = len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked"


def post(*headers: bytes, body: bytes = HIDDEN, end: bytes = b"\r\n") -> bytes:
    lines = [b"POST /sign-in HTTP/1.1", b"Host: localhost", *headers]
    return end.join([*lines, b"", b""]) + body


AMBIGUOUS = {
    "CL.TE": post(b"Content-Length: %d" % (LENGTH + 5), CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    "TE.CL": post(
        CHUNKED, b"Content-Length: 4", body=b"%x\r\n" % LENGTH + HIDDEN + b"\r\n0\r\n\r\n"
    ),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: %d" % LENGTH),
    "two lengths in one": post(b"Content-Length: 0, %d" % LENGTH),
    "a signed length": post(b"Content-Length: +0"),
    "a negative length": post(b"Content-Length: -1"),
    "a length in hexadecimal": post(b"Content-Length: 0x0"),
    "a length with a space before the colon": post(b"Content-Length : %d" % LENGTH),
    "two codings": post(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + HIDDEN),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunked before another": post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n" + HIDDEN),
    "a coding after a vertical tab": post(
        b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + HIDDEN
    ),
    "a chunk without a size": post(CHUNKED, body=b"\r\n\r\n" + HIDDEN),
    "a chunk of a signed size": post(CHUNKED, body=b"+0\r\n\r\n" + HIDDEN),
    "a chunk of a size with a prefix": post(CHUNKED, body=b"0x0\r\n\r\n" + HIDDEN),
    "a chunk of a size with a line": post(CHUNKED, body=b"0_0\r\n\r\n" + HIDDEN),
    "a chunk longer than it says": post(CHUNKED, body=b"1\r\nxxxx\r\n0\r\n\r\n" + HIDDEN),
    "a chunk with a bare line feed": post(CHUNKED, body=b"0\n\n" + HIDDEN),
    "a folded header": post(b"X-Padding: a\r\n Transfer-Encoding: chunked", b"Content-Length: 0"),
    "a folded length": post(b"Content-Length:\r\n 0"),
    "NUL in a name": post(b"Content-Length\x00: 0"),
    "NUL in a value": post(b"X-Padding: a\x00b", b"Content-Length: 0"),
    "bare line feeds": post(b"Content-Length: 0", end=b"\n"),
    "a bare carriage return": post(b"X-Padding: a\rContent-Length: %d" % LENGTH),
    "a line without a colon": post(b"Content-Length"),
    "two hosts": post(b"Host: elsewhere", b"Content-Length: 0"),
}


def answered(server: Server, sent: bytes) -> list[int]:
    """The status of each answer to these bytes, up to the end of the connection."""
    url = urlsplit(server.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    return [int(status) for status in STATUS.findall(got)]


def test_what_hides_in_a_body_is_never_answered(server: Server) -> None:
    after = answered(server, post(b"Content-Length: 0"))
    assert after == [303, 200], "what follows a whole request is a request"
    assert answered(server, post(b"Content-Length: %d" % LENGTH)) == [303], "and a body is none"
    found = {name: answered(server, sent) for name, sent in AMBIGUOUS.items()}
    refused = {
        name: codes[-1:] in ([400], [501]) and 200 not in codes for name, codes in found.items()
    }
    assert all(refused.values()), found


def test_a_server_that_unfolds_headers_answers_it(start_server: StartServer) -> None:
    weak = start_server(GUNICORN_CMD_ARGS="--permit-obsolete-folding").ready()
    assert answered(weak, AMBIGUOUS["a folded header"]) == [303, 200]


def test_a_name_with_an_underscore_is_another_name(server: Server) -> None:
    sent = post(b"Content_Length: %d" % LENGTH, b"Transfer_Encoding: chunked")
    assert answered(server, sent) == [303, 200], "as any proxy reads it: there is no body"
