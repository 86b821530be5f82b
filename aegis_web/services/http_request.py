"""One HTTP request: to wake another system, or to see that it is well."""

import http.client
import re
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, NoReturn
from urllib import error as url_error
from urllib import request as url_request
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from aegis_web import outgoing
from aegis_web.errors import AegisError
from aegis_web.language import _
from aegis_web.parameters import MultiLine
from aegis_web.registry import service

MOST_BYTES = 1024 * 1024  # read of the answer
MOST_SHOWN = 2048  # characters of the answer that are kept
MOST_REDIRECTS = 5
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")
Connect = Callable[..., socket.socket]
STATUSES = re.compile(r"(\d{3})(?:\s*-\s*(\d{3}))?")


def _checked_url(url: str) -> str:
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(
            _("has spaces or letters that an address cannot have: percent-encode them")
        )
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.scheme not in ("http", "https"):
        raise ValueError(_("is not a web address: write it like https://example.com/path"))
    if "@" in parts.netloc:
        raise ValueError(_("has a user name in it: take it out and use a header or the token"))
    return url


def _checked_statuses(text: str) -> str:
    _statuses(text)
    return text


def _checked_headers(lines: list[str]) -> list[str]:
    _headers(lines)
    return lines


@service(category="Network", timeout_seconds=600, runs_in="thread")
def http_request(
    url: Annotated[str, Field(min_length=1, max_length=4_000), AfterValidator(_checked_url)],
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET",
    headers: Annotated[list[str], AfterValidator(_checked_headers)] = [],  # noqa: B006 - read only
    body: Annotated[str, Field(max_length=100_000), MultiLine] = "",
    expected_status: Annotated[str, AfterValidator(_checked_statuses)] = "200-299",
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30,
    token: SecretStr | None = None,
    follow_redirects: bool = True,
) -> dict[str, Any]:
    """Send an HTTP request.

    Fails when the answer does not come in time or has another status than expected. Keeps the
    status, the time it took and the first 2 kB of the answer.

    Args:
        url: The address, with http:// or https://.
        headers: Each as "Name: value".
        body: What is sent; empty for nothing.
        expected_status: Which answers are good, such as 200-299 or 200, 204.
        timeout_seconds: How long to wait for the answer.
        token: Sent as "Authorization: Bearer ...".
        follow_redirects: Go where the answer points, at most 5 times; to another server without
            the headers and the token.
    """
    good = _statuses(expected_status)
    request = url_request.Request(  # noqa: S310 - the scheme is checked
        _checked_url(url), data=body.encode() or None, method=method, headers=_headers(headers)
    )
    if token is not None:
        request.add_header("Authorization", f"Bearer {_checked_token(token)}")
    if not request.has_header("User-agent"):
        request.add_header("User-Agent", "aegis-web")
    started = time.monotonic()
    status, reason, answer, charset = _send(request, timeout_seconds, follow=follow_redirects)
    seconds = round(time.monotonic() - started, 3)
    print(f"{method} {url}: {status} {reason}, {len(answer)} bytes in {seconds} s")
    text = answer[: MOST_SHOWN * 4].decode(charset, errors="replace")[:MOST_SHOWN]
    if not any(low <= status <= high for low, high in good):
        print(text)
        raise AegisError(f"{url} answered {status} {reason}; expected {expected_status}".strip())
    return {
        "status": status,
        "seconds": seconds,
        "bytes": len(answer),
        "body": text.replace("\0", "�"),
    }


def _headers(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        header = HEADER.fullmatch(line.strip())
        if not header or not _sendable(header[2]):
            text = _("line %(line)s is not of the form Name: value", line=repr(line[:60]))
            raise ValueError(text)
        if header[1].lower() in (name.lower() for name in found):
            text = _("%(name)s is given twice: keep one of the lines", name=header[1])
            raise ValueError(text)
        found[header[1]] = header[2]
    return found


def _statuses(text: str) -> list[tuple[int, int]]:
    """The ranges that `text` names, both ends included."""
    ranges = []
    for part in text.split(","):
        found = STATUSES.fullmatch(part.strip())
        if not found:
            text = _("is not a list of statuses: write it like 200-299 or 200, 204")
            raise ValueError(text)
        ranges.append((int(found[1]), int(found[2] or found[1])))
    return ranges


def _checked_token(token: SecretStr) -> str:
    plain = token.get_secret_value()
    if not _sendable(plain):
        raise AegisError("the token has a line break or a letter that no header can carry")
    return plain


def _sendable(text: str) -> bool:
    """Whether a header can carry `text`."""
    return all(" " <= character <= "\xff" and character != "\x7f" for character in text)


def _send(
    request: url_request.Request, timeout_seconds: float, *, follow: bool
) -> tuple[int, str, bytes, str]:
    """Status, reason, at most 1 MB of the answer, and its character set.

    Raises: AegisError when no answer came.
    """
    deadline = time.monotonic() + timeout_seconds
    try:
        with _open(request, timeout_seconds, follow=follow) as response:
            return _read(response, deadline)
    except url_error.URLError as error:
        _fail(request, error.reason, timeout_seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        _fail(request, error, timeout_seconds)


def _open(request: url_request.Request, timeout_seconds: float, *, follow: bool) -> Any:
    """The answer, whatever its status."""
    _judge(request)
    try:
        return _opener(follow=follow).open(request, timeout=timeout_seconds)
    except url_error.HTTPError as response:
        return response


def _fail(request: url_request.Request, reason: object, timeout_seconds: float) -> NoReturn:
    if isinstance(reason, TimeoutError):
        raise AegisError(f"{request.full_url} did not answer within {timeout_seconds:g} s")
    raise AegisError(f"{request.full_url} cannot be reached: {reason or type(reason).__name__}")


def _read(response: Any, deadline: float) -> tuple[int, str, bytes, str]:
    pieces = bytearray()
    while len(pieces) < MOST_BYTES and (piece := response.read1(MOST_BYTES - len(pieces))):
        pieces += piece
        if time.monotonic() > deadline:
            raise TimeoutError
    charset = response.headers.get_content_charset("utf-8")
    try:
        b"".decode(charset)
    except LookupError:
        charset = "utf-8"
    return response.status, " ".join(str(response.reason).split()), bytes(pieces), charset


def _opener(*, follow: bool) -> url_request.OpenerDirector:
    opener = url_request.OpenerDirector()
    handlers: list[url_request.BaseHandler] = [
        url_request.ProxyHandler(),
        url_request.HTTPErrorProcessor(),
        url_request.HTTPDefaultErrorHandler(),
        _Http(),
        _Https(),
    ]
    for handler in [*handlers, *([_Redirects()] if follow else [])]:
        opener.add_handler(handler)
    return opener


def _judge(request: url_request.Request) -> None:
    """Raises: AegisError where a proxy would be asked for what we may not ask ourselves."""
    host = urlsplit(request.full_url).hostname or ""
    if request.type in url_request.getproxies() and not url_request.proxy_bypass(host):
        with suppress(OSError):  # a name that only the proxy can resolve
            outgoing.require_allowed(host, outgoing.resolved(host, 0))


class _Redirects(url_request.HTTPRedirectHandler):
    """Follows few redirects, and takes nothing that is meant for one server to another."""

    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self, req: url_request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> url_request.Request | None:
        try:
            _checked_url(newurl)
        except ValueError as error:
            raise AegisError(f"{req.full_url} redirects to {newurl[:200]}, which {error}") from None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following:
            _judge(following)
        if following and _origin(newurl) != _origin(req.full_url):
            following.headers = {"User-agent": "aegis-web"}
        return following


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


class _Http(url_request.HTTPHandler):
    def http_open(self, req: url_request.Request) -> Any:
        return self.do_open(_HttpConnection, req)


class _Https(url_request.HTTPSHandler):
    def https_open(self, req: url_request.Request) -> Any:
        return self.do_open(_HttpsConnection, req)


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self._create_connection = _way_to(self)
        super().connect()


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        self._create_connection = _way_to(self)
        super().connect()


def _way_to(connection: http.client.HTTPConnection) -> Connect:
    """What connects: with care, except to the proxy that the environment names.

    Which addresses a proxy goes to is the proxy's to judge; ours are judged before it is asked.
    """
    proxies = {urlsplit(proxy).hostname for proxy in url_request.getproxies().values()}
    return socket.create_connection if connection.host in proxies else outgoing.connect
