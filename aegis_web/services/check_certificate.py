"""How many days a server's TLS certificate still has."""

import math
import ssl
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from aegis_web import outgoing
from aegis_web.clock import utc_now
from aegis_web.errors import AegisError
from aegis_web.registry import service

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

DAY_SECONDS = 86_400


@service(category="Network", timeout_seconds=120, runs_in="thread")
def check_certificate(
    host: Annotated[str, Field(min_length=1, max_length=253)],
    port: Annotated[int, Field(ge=1, le=65535)] = 443,
    warn_days: Annotated[int, Field(ge=0, le=3650)] = 14,
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10,
    server_name: Annotated[str, Field(max_length=253)] | None = None,
    must_be_trusted: bool = True,
) -> dict[str, Any]:
    """Check a TLS certificate.

    Connects to a server, reads its certificate and fails when it has expired or will within the
    days given. Expired and self-signed certificates are read too.

    Args:
        host: The server's name or address, without https://.
        warn_days: Fail when fewer days than this are left.
        timeout_seconds: How long to wait for the server.
        server_name: The name to ask the server for, where it differs from the host.
        must_be_trusted: Also fail when browsers would not trust the certificate.
    """
    from cryptography import x509

    name = server_name or host
    distrust = _distrust(host, port, timeout_seconds, name)
    certificate = x509.load_der_x509_certificate(_fetch(host, port, timeout_seconds, name))
    expires_at = certificate.not_valid_after_utc
    days_left = math.floor((expires_at - utc_now()).total_seconds() / DAY_SECONDS)
    print(f"{name}: certificate valid until {expires_at:%Y-%m-%d %H:%M} UTC, {days_left} days left")
    _refuse_short(name, days_left, warn_days, expires_at)
    if distrust and must_be_trusted:
        raise AegisError(f"the certificate of {name} is not trusted: {distrust}")
    return {
        "days_left": days_left,
        "expires_at": expires_at.isoformat(),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": _names(certificate),
        "trusted": distrust is None,
    }


def _refuse_short(name: str, days_left: int, warn_days: int, expires_at: datetime) -> None:
    day = f"{expires_at:%Y-%m-%d}"
    if expires_at <= utc_now():
        raise AegisError(f"the certificate of {name} expired on {day}: renew it")
    if days_left < warn_days:
        left = f"{days_left} day{'' if days_left == 1 else 's'}"
        raise AegisError(f"the certificate of {name} has {left} left (until {day}): renew it")


def _distrust(host: str, port: int, timeout_seconds: float, name: str) -> str | None:
    """Why the certificate is not trusted, in OpenSSL's words; None when it is."""
    try:
        _fetch(host, port, timeout_seconds, name, verify=True)
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    return None


def _fetch(
    host: str, port: int, timeout_seconds: float, name: str, *, verify: bool = False
) -> bytes:
    """The certificate that the server shows, in DER.

    Raises: AegisError when there is no server, or it does not speak TLS.
    """
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        with (
            outgoing.connect((host, port), timeout_seconds) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            found = secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError:
        raise AegisError(f"{host}:{port} did not answer within {timeout_seconds:g} s") from None
    except ssl.SSLError as error:
        raise AegisError(f"{host}:{port} does not speak TLS as expected ({error.reason})") from None
    except (OSError, ValueError) as error:
        raise AegisError(f"{host}:{port} cannot be reached: {error}") from None
    if not found:
        raise AegisError(f"{host}:{port} showed no certificate")
    return found


def _names(certificate: "Certificate") -> list[str]:
    """The host names that the certificate is for."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
