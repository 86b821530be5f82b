"""Pages travel compressed; files of `static` see to that themselves.

Who makes a viewer open addresses of ours and sees how long the answers are might guess, letter by
letter, at what stands in a page beside a text of the address. Requests that other sites make do not
carry the session (SameSite), the CSRF token is signed anew each second, and each answer is longer
by a random number of bytes.

Source: BREACH (2013); Palacios and others, "Heal the Breach" (2022), as in Django.
"""

import gzip
import io
import secrets

from flask import Flask, Response, request

KINDS = {"text/html", "text/plain"}
LEAST_BYTES = 1000  # below this it does not pay
PADDING_BYTES = 100
LEVEL = 6  # 3 ms for the 200 kB of a long list


def init_app(app: Flask) -> None:
    """Compress the answers of `app` for browsers that can read that."""
    app.after_request(compress)


def compress(response: Response) -> Response:
    """`response`, compressed where it is a text that is complete and long enough to pay."""
    if (
        response.is_streamed
        or response.direct_passthrough
        or response.mimetype not in KINDS
        or "Content-Encoding" in response.headers
    ):
        return response
    response.vary.add("Accept-Encoding")
    text = response.get_data()
    if len(text) < LEAST_BYTES or not request.accept_encodings["gzip"]:
        return response
    response.set_data(packed(text))
    response.headers["Content-Encoding"] = "gzip"
    return response


def packed(text: bytes) -> bytes:
    """The text in gzip's format, with a file name of random length in its head."""
    body = io.BytesIO()
    name = "x" * (1 + secrets.randbelow(PADDING_BYTES))
    with gzip.GzipFile(name, "wb", LEVEL, body, mtime=0) as file:
        file.write(text)
    return body.getvalue()
