"""What is too large is refused before it is read: CVE-2024-49767 (Werkzeug), OWASP ASVS 5.2.1."""

import tracemalloc

import pytest
from flask import Flask, request

from aegis_web.accounts.rights import RIGHTS, Right
from tests.support.applications import Browser

from .conftest import contents, differences

LARGEST = 2 * 1024 * 1024
PART = '--x\r\nContent-Disposition: form-data; name="a{}"\r\n\r\nb\r\n'
BODIES = {
    "a form": (b"name=" + b"x" * LARGEST, "application/x-www-form-urlencoded"),
    "a file": (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * LARGEST,
        "multipart/form-data; boundary=x",
    ),
    "1100 parts": (
        "".join(map(PART.format, range(1100))).encode() + b"--x--",
        "multipart/form-data; boundary=x",
    ),
    "one part of 600 kB": (
        PART.format(1).replace("b\r\n", "b" * 600_000 + "\r\n").encode() + b"--x--",
        "multipart/form-data; boundary=x",
    ),
}


@pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES)
def test_it_is_413_with_a_plain_page_and_costs_little(
    app: Flask, admin: Browser, body: bytes, kind: str
) -> None:
    before = contents(app)
    tracemalloc.start()
    answer = admin.post("/jobs", data=body, content_type=kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status_code == 413
    assert "Too large" in answer.text
    assert peak < 3 * len(body) + 16 * LARGEST
    assert differences(before, contents(app)) == {}


def test_without_the_limits_it_is_read(app: Flask, admin: Browser) -> None:
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = None
    app.add_url_rule(
        "/weak", "weak", lambda: str(len(request.form.get("name", ""))), methods=["POST"]
    )
    RIGHTS["weak"] = Right.READ
    try:
        body, kind = BODIES["a form"]
        assert admin.post("/weak", data=body, content_type=kind).text == str(LARGEST)
    finally:
        del RIGHTS["weak"]
