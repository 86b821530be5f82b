"""Jobs ask no server that only this machine can reach: CVE-2022-43183 (XXL-JOB).

A canary listens on loopback. The weakened request reaches it by every spelling; ours by none.
"""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib import request as url_request

import pytest
from flask import Flask

from aegis_web import outgoing
from aegis_web.errors import AegisError
from aegis_web.services.check_certificate import check_certificate
from aegis_web.services.http_request import http_request

LOOPBACK = (
    "127.0.0.1", "localhost", "LOCALHOST.", "127.1", "127.0.1", "2130706433", "0x7f000001",
    "017700000001", "0177.0.0.1", "0x7f.0.0.1", "0", "0.0.0.0", "127.255.255.254",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
)  # fmt: skip
INSIDE = (
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.8",
    "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fc00::1]",
    "[fd12:3456::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]",
    "[64:ff9b:1::7f00:1]", "[::7f00:1]",
    "[2001:db8::1]", "[2001::1]",
)  # fmt: skip
LINK_LOCAL = (
    "169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]", "[fe80::1]", "[64:ff9b::a9fe:a9fe]",
)  # fmt: skip


REFUSED = r"AEGIS_PRIVATE_TARGETS|cannot be reached"  # no resolver knows every spelling


class Canary(BaseHTTPRequestHandler):
    """Counts who comes; /to?URL sends them on."""

    def do_GET(self) -> None:
        self.server.visits.append(self.path)  # type: ignore[attr-defined]
        away = self.path.partition("?")[2]
        self.send_response(302 if away else 200)
        if away:
            self.send_header("Location", away)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


class Server(ThreadingHTTPServer):
    visits: list[str]


@pytest.fixture
def canary() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Canary) as server:
        server.visits = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def targets() -> Iterator[SimpleNamespace]:
    """The settings; `private_targets` may be given."""
    bare = Flask("services")
    bare.extensions["aegis.settings"] = SimpleNamespace(private_targets=())
    with bare.app_context():
        yield bare.extensions["aegis.settings"]


@pytest.mark.usefixtures("targets")
def test_every_spelling_of_this_machine_is_refused(canary: Server) -> None:
    reached = 0
    for host in LOOPBACK:
        url = f"http://{host}:{canary.server_port}/"
        try:  # what a request without any care does
            with url_request.urlopen(url, timeout=5):
                reached += 1
        except OSError:
            pass
    assert reached >= 8
    canary.visits.clear()
    for host in LOOPBACK:
        with pytest.raises(AegisError, match=REFUSED):
            http_request(f"http://{host}:{canary.server_port}/", timeout_seconds=5)
    assert canary.visits == []


@pytest.mark.usefixtures("targets")
def test_nor_is_anything_else_inside_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *args: asked.append(args))
    for host in INSIDE:
        with pytest.raises(AegisError, match=REFUSED):
            http_request(f"http://{host}/", timeout_seconds=5)
        with pytest.raises(AegisError, match=REFUSED):
            check_certificate(host.strip("[]"), timeout_seconds=5)
    assert asked == []


def test_metadata_of_clouds_is_never_asked(
    targets: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets.private_targets = ("0.0.0.0/0", "::/0", "169.254.169.254")
    asked: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *args: asked.append(args))
    for host in LINK_LOCAL:
        for scheme in ("http", "https"):
            with pytest.raises(AegisError, match=r"never asked|cannot be reached"):
                http_request(f"{scheme}://{host}/latest/meta-data/", timeout_seconds=5)
    assert asked == []


def test_a_name_that_changes_its_address_is_asked_where_it_was_judged(
    canary: Server, targets: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is harmless, the second is this machine."""
    answers = iter(["203.0.114.7", "127.0.0.1", "127.0.0.1"])
    real = socket.getaddrinfo

    def rebinding(host: str, *args: object, **kwargs: object) -> object:
        address = next(answers) if host == "rebind.test" else host
        return real(address, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    connected: list[str] = []

    def connect(target: tuple[str, int], *_: object) -> socket.socket:
        connected.append(target[0])
        raise OSError("nobody there")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(AegisError, match="nobody there"):
        http_request(f"http://rebind.test:{canary.server_port}/")
    assert connected == ["203.0.114.7"]


def test_a_redirect_leads_nowhere_else(canary: Server, targets: SimpleNamespace) -> None:
    here = f"127.0.0.1:{canary.server_port}"
    targets.private_targets = ("127.0.0.1",)
    with pytest.raises(AegisError, match="AEGIS_PRIVATE_TARGETS"):
        http_request(f"http://{here}/to?http://127.0.0.2:{canary.server_port}/second")
    with pytest.raises(AegisError, match="never asked"):
        http_request(f"http://{here}/to?http://169.254.169.254/")
    for scheme in ("gopher", "file", "ftp"):
        with pytest.raises(AegisError, match=r"is not a web address|is not allowed"):
            http_request(f"http://{here}/to?{scheme}://{here}/second")
    assert not any("second" in path and path.startswith("/second") for path in canary.visits)


@pytest.mark.parametrize(
    "allowed", ["127.0.0.0/8", "127.0.0.1", "127.0.0.1/32"], ids=["network", "address", "one"]
)
def test_what_the_settings_name_is_asked(
    canary: Server, targets: SimpleNamespace, allowed: str
) -> None:
    targets.private_targets = (allowed,)
    assert http_request(f"http://127.0.0.1:{canary.server_port}/")["status"] == 200


def test_a_host_is_named_whatever_its_address(canary: Server, targets: SimpleNamespace) -> None:
    targets.private_targets = ("localhost",)
    assert http_request(f"http://LocalHost:{canary.server_port}/")["status"] == 200
    with pytest.raises(AegisError, match="AEGIS_PRIVATE_TARGETS"):
        http_request(f"http://127.0.0.1:{canary.server_port}/")


@pytest.mark.usefixtures("targets")
def test_a_proxy_is_not_asked_for_what_we_may_not_ask(
    canary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{canary.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(AegisError, match="AEGIS_PRIVATE_TARGETS"):
        http_request("http://10.1.2.3/")
    assert canary.visits == []
    assert http_request("http://198.51.101.7/page")["status"] == 200
    assert canary.visits == ["http://198.51.101.7/page"]


@pytest.mark.usefixtures("targets")
def test_the_public_internet_is_open() -> None:
    outgoing.require_allowed(
        "example.org", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
    )
    with pytest.raises(AegisError):
        outgoing.require_allowed("mixed.example", ["93.184.215.14", "10.0.0.1"])
