"""Pages travel compressed, and how long an answer is does not tell exactly what is in it."""

import gzip

import pytest
from flask.testing import FlaskClient

PACKED = {"Accept-Encoding": "gzip, br"}


@pytest.mark.parametrize("path", ["/", "/abort/404"])
def test_a_page_is_compressed_for_who_can_read_it(client: FlaskClient, path: str) -> None:
    plain, packed = client.get(path), client.get(path, headers=PACKED)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(packed.data)
    assert len(packed.data) < len(plain.data) / 2
    assert packed.content_length == len(packed.data)
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in packed.vary
    assert "Accept-Encoding" in plain.vary


def test_a_fragment_is_compressed_too(client: FlaskClient) -> None:
    asks = {**PACKED, "HX-Request": "true", "HX-Request-Type": "partial"}
    answer = client.get("/", headers=asks)
    assert b"<html" not in gzip.decompress(answer.data)
    assert {"Accept-Encoding", "HX-Request"} <= set(answer.vary)


def test_the_length_of_an_answer_varies(client: FlaskClient) -> None:
    answers = [client.get("/abort/404", headers=PACKED) for _ in range(20)]
    assert len({answer.content_length for answer in answers}) > 5


@pytest.mark.parametrize(
    "path", ["/own-cache", "/stream", "/static/vendor/inter-5.3.0-western.woff2"]
)
def test_what_is_short_streamed_or_a_file_stays(client: FlaskClient, path: str) -> None:
    with client.get(path, headers=PACKED) as answer:
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers
