"""http_request against a real server on loopback."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aegis_web.errors import AegisError, Invalid
from aegis_web.registry import ServiceFunction
from aegis_web.services.http_request import http_request
from aegis_web.vault import Vault

pytestmark = pytest.mark.usefixtures("loopback_is_allowed")
FUNCTION = ServiceFunction(http_request)
VAULT = Vault(["a key of the tests, long enough to be one"])


class Handler(BaseHTTPRequestHandler):
    """/echo tells what it got; /status/N answers N; /to?URL redirects there; /loop to itself."""

    hold = threading.Event()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        name, _, rest = self.path[1:].partition("?")
        if name == "to":
            return self.send(302, b"", Location=rest)
        if name == "loop":
            return self.send(302, b"", Location="/loop")
        if name == "big":
            return self.send(200, b"x" * (3 * 1024 * 1024))
        if name == "slow":
            self.hold.wait(30)
        status = int(name.removeprefix("status/")) if name.startswith("status/") else 200
        seen = {"method": self.command, "headers": dict(self.headers), "body": body}
        return self.send(status, json.dumps(seen).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = answer

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what it would print is not the run's log."""


def serve() -> Iterator[str]:
    Handler.hold.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


server = pytest.fixture(serve, name="server")
other_server = pytest.fixture(serve, name="other_server")


def test_it_sends_what_it_was_given_and_keeps_the_answer(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {
        "url": f"{server}/echo",
        "method": "POST",
        "headers": ["X-Team: ops", "Content-Type:text/plain"],
        "body": "Grüße",
        "token": "hush-hush",
    }
    opened = FUNCTION.open(FUNCTION.seal(FUNCTION.check(arguments), VAULT), VAULT)
    result = http_request(**opened.kwargs)
    seen = json.loads(result["body"])
    assert result["status"] == 200
    assert result["bytes"] == len(result["body"])
    assert (seen["method"], seen["body"]) == ("POST", "Grüße")
    assert seen["headers"]["X-Team"] == "ops"
    assert seen["headers"]["Authorization"] == "Bearer hush-hush"
    assert seen["headers"]["User-Agent"] == "aegis-web"
    assert opened.secrets == ("hush-hush",)
    assert f"POST {server}/echo: 200 OK" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_is_sent(server: str, method: str) -> None:
    result = http_request(f"{server}/echo", method=method)  # type: ignore[arg-type]
    assert result["status"] == 200
    assert method == "HEAD" or json.loads(result["body"])["method"] == method


@pytest.mark.parametrize(
    ("status", "expected", "fits"),
    [
        (204, "200-299", True),
        (404, "200, 404", True),
        (503, "500-599,404", True),
        (404, "200-299", False),
        (500, "200-299", False),
        (200, "201", False),
    ],
)
def test_the_status_must_be_an_expected_one(
    server: str, status: int, expected: str, fits: bool
) -> None:
    url = f"{server}/status/{status}"
    if fits:
        assert http_request(url, expected_status=expected)["status"] == status
        return
    with pytest.raises(AegisError, match=f"answered {status} .*; expected {expected}"):
        http_request(url, expected_status=expected)


def test_a_redirect_is_followed_or_not(server: str) -> None:
    assert http_request(f"{server}/to?/status/200")["status"] == 200
    left = http_request(f"{server}/to?/echo", follow_redirects=False, expected_status="302")
    assert left["status"] == 302


def test_a_redirect_to_another_server_takes_no_header_along(server: str, other_server: str) -> None:
    arguments = {"headers": ["X-Api-Key: hush"], "token": "hush-hush"}
    near = FUNCTION.open(FUNCTION.check({"url": f"{server}/to?/echo", **arguments}), VAULT)
    far = FUNCTION.open(
        FUNCTION.check({"url": f"{server}/to?{other_server}/echo", **arguments}), VAULT
    )
    assert "hush" in http_request(**near.kwargs)["body"]
    assert "hush" not in http_request(**far.kwargs)["body"]


def test_redirects_without_an_end_are_left(server: str) -> None:
    with pytest.raises(AegisError, match="answered 302"):
        http_request(f"{server}/loop")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_may_not_leave_the_web(server: str, target: str) -> None:
    with pytest.raises(AegisError, match=r"redirects to|Redirection to url .* is not allowed"):
        http_request(f"{server}/to?{target}")


def test_only_the_beginning_of_a_big_answer_is_read_and_kept(server: str) -> None:
    result = http_request(f"{server}/big")
    assert result["bytes"] == 1024 * 1024
    assert result["body"] == "x" * 2048


def test_a_server_that_does_not_answer_in_time_is_told(server: str) -> None:
    with pytest.raises(AegisError, match=r"did not answer within 0\.2 s"):
        http_request(f"{server}/slow", timeout_seconds=0.2)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(AegisError, match="cannot be reached"):
        http_request(f"http://127.0.0.1:{port}/")


def test_an_answer_that_is_not_http_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-hello\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(AegisError, match="cannot be reached"):
            http_request(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({"url": "file:///etc/passwd"}, "url", "is not a web address"),
        ({"url": "example.com"}, "url", "is not a web address"),
        ({"url": "http://"}, "url", "is not a web address"),
        ({"url": "http://[::1"}, "url", "is not a web address"),
        ({"url": "http://a:99999/"}, "url", "is not a web address"),
        ({"url": "http://user:pass@example.com/"}, "url", "has a user name in it"),
        ({"url": "http://exämple.com/"}, "url", "percent-encode"),
        ({"url": "http://a/b c"}, "url", "percent-encode"),
        ({"headers": ["no colon"]}, "headers", "is not of the form Name: value"),
        ({"headers": ["A: 1", "a: 2"]}, "headers", "is given twice"),
        ({"headers": ["A: 1\r\nB: 2"]}, "headers", "has a line break"),
        ({"headers": ["A: \u20ac"]}, "headers", "is not of the form"),
        ({"expected_status": "fine"}, "expected_status", "is not a list of statuses"),
        ({"method": "BREW"}, "method", "is not one of the choices"),
        ({"timeout_seconds": 0}, "timeout_seconds", "must be more than 0"),
    ],
)
def test_wrong_arguments_are_refused_before_the_job_is_saved(
    arguments: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(Invalid) as raised:
        FUNCTION.check({"url": "http://example.com/", **arguments})
    assert message in raised.value.errors[field]


def test_a_token_that_no_header_can_carry_is_not_repeated(server: str) -> None:
    opened = FUNCTION.open(FUNCTION.check({"url": server, "token": "hush\r\nX: y"}), VAULT)
    with pytest.raises(AegisError) as raised:
        http_request(**opened.kwargs)
    assert "hush" not in str(raised.value)
