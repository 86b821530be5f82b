"""Static files are addressed by content, compressed, and kept by browsers."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from aegis_web.web.static import version

VENDOR = "/static/vendor/tabler-1.6.1.min.css"
ROOT = Path(__file__).parents[2]


def test_a_changed_file_has_another_address(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("a{}")
    before = version(file)
    file.write_text("a{color:red}")
    assert version(file) != before


def test_a_file_is_kept_for_a_year_at_its_address(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        url = url_for("static", filename="css/tokens.css")
    assert "?v=" in url
    assert "immutable" in client.get(url).headers["Cache-Control"]
    assert "immutable" not in client.get(url.partition("?")[0]).headers["Cache-Control"]


def test_vendored_files_are_kept_by_their_version(client: FlaskClient) -> None:
    headers = client.get(VENDOR).headers
    assert "max-age=31536000" in headers["Cache-Control"]
    assert "no-cache" not in headers["Cache-Control"]


def test_a_file_does_not_depend_on_who_asks(client: FlaskClient) -> None:
    page, file = client.get("/"), client.get(VENDOR)
    assert "Cookie" in page.vary
    assert "Cookie" not in file.vary


def test_text_is_compressed_for_who_can_read_it(client: FlaskClient) -> None:
    plain = client.get(VENDOR)
    packed = client.get(VENDOR, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 5
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Accept-Encoding" in packed.vary
    assert "Accept-Encoding" in plain.vary
    assert packed.content_length == len(packed.data)


def test_an_unchanged_compressed_file_is_not_sent_again(client: FlaskClient) -> None:
    asks = {"Accept-Encoding": "gzip"}
    etag = client.get(VENDOR, headers=asks).headers["ETag"]
    again = client.get(VENDOR, headers={**asks, "If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_fonts_are_not_compressed_again(client: FlaskClient) -> None:
    url = "/static/vendor/inter-5.3.0-western.woff2"
    with client.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers


def test_all_style_sheets_and_all_modules_are_one_file_each(client: FlaskClient) -> None:
    for kind, first in (("css", "Tabler"), ("js", "// What the other modules say")):
        answer = client.get(f"/static/{kind}/all.{kind}")
        assert first in answer.text[:500]
        for path in (ROOT / "static" / kind).glob(f"*.{kind}"):
            assert (path.read_text() in answer.text) == (path.name != "theme.js"), path


def test_a_changed_part_gives_the_whole_another_address(tmp_path: Path) -> None:
    first, second = tmp_path / "a.css", tmp_path / "b.css"
    first.write_text("a{}")
    second.write_text("b{}")
    before = version(first, second)
    second.write_text("b{color:red}")
    assert version(first, second) != before


@pytest.mark.parametrize("name", ["nothing.css", "../app.py", "..%2Fapp.py", "css"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 404


def test_everything_a_page_asks_for_is_there(client: FlaskClient) -> None:
    asked = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', client.get("/").text))
    assert len(asked) > 6
    for url in asked:
        with client.get(url) as answer:
            assert answer.status_code == 200, url


def test_every_vendored_file_has_its_version_and_licence() -> None:
    files = {path.name for path in (ROOT / "static" / "vendor").iterdir()}
    for name in files:
        assert re.search(r"-\d+\.\d+\.\d+[.-]", name), name
    versions = {re.match(r"(.+?-\d+\.\d+\.\d+)", name)[1] for name in files}  # type: ignore[index]
    for stem in versions:
        assert f"{stem}.LICENSE.txt" in files
