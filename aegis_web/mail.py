"""Plain mail through the server that AEGIS_SMTP_URL names.

smtp://user:password@host:587?from=jobs@example.com     STARTTLS where the server offers it
smtps://user:password@host:465                          TLS from the first byte
"""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

from aegis_web.config import Settings, is_loopback
from aegis_web.errors import AegisError

TIMEOUT_SECONDS = 30
DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    tls: bool  # from the first byte
    user: str | None
    password: str = field(repr=False)
    sender: str


def server_of(settings: Settings) -> MailServer:
    """The mail server that the settings name.

    Raises: AegisError when they name none.
    """
    if not settings.smtp_url:
        raise AegisError(
            "no mail can be sent, because AEGIS_SMTP_URL is not set: write "
            "smtp://user:password@host:587 there and start again, or take the addresses out"
        )
    parts = urlsplit(settings.smtp_url)
    host = parts.hostname or ""
    user = unquote(parts.username) if parts.username else None
    given = parse_qs(parts.query).get("from", [""])[0]
    own = user if user and "@" in user else settings.admin_email
    return MailServer(
        host=host,
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        user=user,
        password=unquote(parts.password or ""),
        sender=given or own or f"aegis@{socket.getfqdn()}",
    )


def send_mail(settings: Settings, to: Sequence[str], subject: str, text: str) -> None:
    """Send one plain message to all of `to`; each of them sees the others.

    Raises: AegisError when there is no server, it cannot be reached, or it refuses anybody.
    """
    server = server_of(settings)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, ", ".join(to), subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="aegis.invalid")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(text)
    try:
        with connected(server) as connection:
            refused = connection.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except (smtplib.SMTPException, OSError) as error:
        raise AegisError(
            f"the mail server {server.host}:{server.port} did not take the mail ({error}): check "
            "AEGIS_SMTP_URL and the server"
        ) from error
    if refused:
        raise AegisError(
            f"the mail server {server.host}:{server.port} refused {', '.join(refused)}: "
            "check these addresses"
        )


def connected(server: MailServer) -> smtplib.SMTP:
    """A connection that is encrypted where it leaves the machine, signed in if there is a user.

    Raises: AegisError where a password would travel unencrypted; SMTPException, OSError.
    """
    context = ssl.create_default_context()
    if server.tls:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.ehlo()
        if not server.tls and connection.has_extn("starttls"):
            connection.starttls(context=context)
        elif not server.tls and server.user and not is_loopback(server.host):
            raise AegisError(
                f"the mail server {server.host}:{server.port} offers no encryption, so the "
                "password was not sent: use smtps:// or a server with STARTTLS"
            )
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection
