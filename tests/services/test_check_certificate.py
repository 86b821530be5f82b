"""check_certificate against a real TLS server on loopback."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aegis_web.clock import utc_now
from aegis_web.errors import AegisError
from aegis_web.services.check_certificate import check_certificate

pytestmark = pytest.mark.usefixtures("loopback_is_allowed")
Serve = Callable[[float], int]


def certificate(folder: Path, days_left: float) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aegis.test")])
    names = [x509.DNSName("aegis.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - dt.timedelta(days=100))
        .not_valid_after(utc_now() + dt.timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a TLS server whose certificate has that many days left; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(days_left: float) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(tmp_path, days_left))

        def answer() -> None:
            while True:
                connection = listener.accept()[0]
                with connection:
                    if connection.recv(1, socket.MSG_PEEK) == b"q":
                        return
                    with (
                        contextlib.suppress(OSError),
                        context.wrap_socket(connection, server_side=True) as secured,
                    ):
                        secured.recv(1)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        with socket.create_connection(listener.getsockname()) as last:
            last.sendall(b"q")
        thread.join()
    listener.close()


def test_it_tells_how_many_days_are_left(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve(90.5)
    result = check_certificate("127.0.0.1", port=port, must_be_trusted=False)
    assert result["days_left"] == 90
    assert result["trusted"] is False
    assert result["subject"] == "CN=aegis.test"
    assert result["names"] == ["aegis.test"]
    assert result["expires_at"].startswith(f"{utc_now() + dt.timedelta(days=90.5):%Y-%m-%d}")
    assert "90 days left" in capsys.readouterr().out


def test_a_trusted_certificate_is_said_to_be_trusted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serve(90.5)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    result = check_certificate("127.0.0.1", port=port, server_name="aegis.test")
    assert result["trusted"] is True
    with pytest.raises(AegisError, match="is not trusted: Hostname mismatch"):
        check_certificate("127.0.0.1", port=port, server_name="other.test")


def test_a_self_signed_certificate_fails_unless_that_is_allowed(serve: Serve) -> None:
    port = serve(90.5)
    with pytest.raises(AegisError, match="is not trusted: self-signed certificate"):
        check_certificate("127.0.0.1", port=port)


def test_it_fails_when_too_few_days_are_left(serve: Serve) -> None:
    port = serve(13.5)
    with pytest.raises(AegisError, match=r"has 13 days left .*: renew it"):
        check_certificate("127.0.0.1", port=port, warn_days=14, must_be_trusted=False)
    result = check_certificate("127.0.0.1", port=port, warn_days=13, must_be_trusted=False)
    assert result["days_left"] == 13


def test_an_expired_certificate_is_read_and_told(serve: Serve) -> None:
    port = serve(-2)
    with pytest.raises(AegisError, match=r"expired on \d{4}-\d\d-\d\d: renew it"):
        check_certificate("127.0.0.1", port=port, warn_days=0, must_be_trusted=False)


def test_a_server_that_is_not_there_or_has_no_tls_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(AegisError, match="does not speak TLS as expected"):
            check_certificate("127.0.0.1", port=port)
        thread.join()
    with pytest.raises(AegisError, match="cannot be reached"):
        check_certificate("127.0.0.1", port=port)


def test_a_server_that_says_nothing_is_left_after_the_time_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(AegisError, match=r"did not answer within 0\.2 s"):
            check_certificate("127.0.0.1", port=port, timeout_seconds=0.2)


@pytest.mark.parametrize("host", ["", "a..b", "x" * 300])
def test_a_name_that_is_none_is_told(host: str) -> None:
    with pytest.raises(AegisError, match="cannot be reached"):
        check_certificate(host, timeout_seconds=2)
