"""Every answer of every route is closed to frames, scripts, caches and other origins.

CVE-2024-8183 (Prefect's open CORS), CVE-2023-30861 (Flask's sessions in caches), CVE-2024-34069
(Werkzeug's debugger).
"""

from collections.abc import Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.accounts.test_guard import requests_of
from tests.support.applications import Browser, MakeApp, signed_in

ORIGINS = ("null", "https://evil.example", "http://localhost.evil.example", "http://xlocalhost")
DEBUG = "?__debugger__=yes&cmd=resource&f=debugger.js"


def failings(answer: TestResponse) -> Iterator[str]:
    """What of the promised headers an answer lacks."""
    headers = answer.headers
    policy = headers.get("Content-Security-Policy", "")
    if "frame-ancestors 'none'" not in policy or headers.get("X-Frame-Options") != "DENY":
        yield "may be framed"
    if "default-src 'none'" not in policy or "unsafe" in policy or "*" in policy:
        yield "policy"
    if headers.get("X-Content-Type-Options") != "nosniff":
        yield "sniffed"
    if any(name.lower().startswith("access-control") for name in dict(headers)):
        yield "open to another origin"
    public = answer.request.path.startswith("/static/")
    if not public and "no-store" not in headers.get("Cache-Control", ""):
        yield "kept"


def answers(app: Flask, client: FlaskClient) -> Iterator[tuple[str, TestResponse]]:
    """What every route answers, with every method, and what no route answers."""
    for number, (_rule, method, path) in enumerate(requests_of(app)):
        if "/live/" in path or method in ("HEAD", "OPTIONS"):
            continue
        origin = {"Origin": ORIGINS[number % len(ORIGINS)]}
        if method != "GET":
            origin["HX-Request"] = "true"  # a message is rendered faster than a page
        yield f"{method} {path}", client.open(path, method=method, headers=origin)
    for path in ("/nowhere", "/jobs/x", "/static/nowhere.css", "/%00", "/jobs/999999"):
        yield path, client.get(path, headers={"Origin": "null"})


def test_every_answer_of_every_route_has_them(filled: Flask, admin: Browser) -> None:
    admin.csrf_token = None  # nothing is written, so that nobody is signed out on the way
    stranger = filled.test_client()
    for client in (admin, stranger):
        found = {name: list(failings(answer)) for name, answer in answers(filled, client)}
        assert {name: lacks for name, lacks in found.items() if lacks} == {}
        assert len(found) > 90


def test_trace_is_not_answered(admin: Browser) -> None:
    answer = admin.open("/jobs", method="TRACE", headers={"X-Secret": "hunter2"})
    assert answer.status_code == 405
    assert "hunter2" not in answer.text


def test_an_answer_without_them_is_found(filled: Flask, admin: Browser) -> None:
    def weaken(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Content-Security-Policy"] = "default-src 'unsafe-inline' *"
        response.headers["Cache-Control"] = "max-age=60"
        response.headers.pop("X-Content-Type-Options")
        return response

    filled.after_request_funcs[None].insert(0, weaken)  # the last word
    assert len(list(failings(admin.get("/jobs")))) == 5


def test_behind_https_every_answer_insists_on_it(make_app: MakeApp, sqlite_database: str) -> None:
    app = make_app(DATABASE_URL=sqlite_database, AEGIS_PUBLIC_URL="https://jobs.example.org")
    client = app.test_client()
    for path in ("/sign-in", "/nowhere", "/set-up", "/static/js/theme.js", "/jobs"):
        answer = client.get(path, base_url="https://jobs.example.org")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000", path


def test_no_debugger_and_no_traceback_even_when_it_is_asked_for(
    make_app: MakeApp, sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FLASK_DEBUG", "WERKZEUG_DEBUG_PIN"):
        monkeypatch.setenv(name, "1" if name == "FLASK_DEBUG" else "off")
    app = make_app(DATABASE_URL=sqlite_database)
    app.config["TESTING"] = False
    client = signed_in(app)

    def fail() -> str:
        secret = "hunter2 of a variable"
        raise RuntimeError(secret)

    app.view_functions["overview.index"] = fail
    for path in ("/", "/" + DEBUG, "/console", "/jobs" + DEBUG, "/" + DEBUG + "&s=1"):
        answer = client.get(path)
        assert answer.status_code in (200, 404, 500)
        for word in ("Traceback", "hunter2", "Werkzeug", "RuntimeError", "debugger.js", "EVALEX"):
            assert word not in answer.text, (path, word)
    assert client.get("/").status_code == 500


def test_a_debugger_would_show_all_that() -> None:
    from werkzeug.debug import DebuggedApplication

    app = Flask("weak")
    app.debug = True

    @app.get("/")
    def fail() -> str:
        secret = "hunter2 of a variable"
        raise RuntimeError(secret)

    app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)  # type: ignore[method-assign]
    answer = app.test_client().get("/")
    assert "Traceback" in answer.text
    assert "hunter2" in answer.text
