"""A file that is handed out whole or in part, piece by piece, whatever its size.

Source: RFC 9110, 13 and 14.
"""

from collections.abc import Iterator
from io import BufferedReader

from flask import Response, abort, request
from werkzeug.datastructures import Range
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from aegis_web.language import _

PIECE = 64 * 1024  # bytes in memory at once


def hand_out(file: BufferedReader, *, name: str, size_bytes: int, sha256: str) -> Response:
    """The file, or the part of it that the request asks for, as a download; it is closed at last.

    Its strong ETag is its SHA-256, so that a download is never resumed with another file.
    Raises: 412 and 416.
    """
    response = Response(mimetype="application/octet-stream")
    response.call_on_close(file.close)
    response.set_etag(sha256)
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.make_conditional(request)
    if response.status_code != 200:
        file.close()
        if response.status_code == 412:
            abort(412, _("The file is another one by now. Fetch it from its beginning."))
        return response
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = size_bytes
    if request.method == "HEAD":
        file.close()
        return response
    first, end = 0, size_bytes
    if asked := asked_range(sha256):
        part = asked.range_for_length(size_bytes)
        if part is None:
            file.close()
            raise RequestedRangeNotSatisfiable(size_bytes)
        first, end = part
        response.status_code = 206
        response.content_range = asked.make_content_range(size_bytes)
    file.seek(first)
    response.response = pieces(file, end - first)
    response.content_length = end - first
    return response


def asked_range(sha256: str) -> Range | None:
    """The one range of bytes that is asked for; None: the whole file.

    A request for several ranges, by another unit, or with an If-Range that is not this file's
    strong ETag, gets the whole file, as it may.
    """
    etag = f'"{sha256}"'
    if request.headers.get("If-Range", etag) != etag:
        return None
    asked = request.range
    return asked if asked and asked.units == "bytes" and len(asked.ranges) == 1 else None


def goes_on() -> bool:
    """Whether the request asks for a part that does not begin at the first byte."""
    asked = request.range
    return asked is not None and asked.ranges[0][0] != 0


def pieces(file: BufferedReader, left: int) -> Iterator[bytes]:
    """The next `left` bytes of a file, which is closed then."""
    with file:
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
