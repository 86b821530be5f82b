"""Errors come in plain words, as a page or as a message for htmx, and never with a traceback."""

import logging
import re
import sqlite3

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from aegis_web.web.errors import PROBLEMS

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.mark.parametrize("status", sorted(PROBLEMS))
def test_each_error_has_a_page_in_plain_words(client: FlaskClient, status: int) -> None:
    answer = client.get(f"/abort/{status}")
    assert answer.status_code == status
    assert PROBLEMS[status].title in answer.text
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("status", sorted(PROBLEMS))
def test_htmx_gets_a_message_and_keeps_its_target(client: FlaskClient, status: int) -> None:
    answer = client.get(f"/abort/{status}", headers=PART)
    assert answer.status_code == status
    assert answer.headers["HX-Reswap"] == "none"
    assert 'hx-swap-oob="beforeend:#flash"' in answer.text
    assert PROBLEMS[status].title in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("not-found", 404, "This job was deleted."),
        ("conflict", 409, "The job is paused already."),
        ("invalid", 422, "Five fields are needed, six are given."),
    ],
)
def test_errors_of_the_domain_say_what_they_mean(
    client: FlaskClient, name: str, status: int, words: str
) -> None:
    for headers in ({}, PART):
        answer = client.get(f"/raise/{name}", headers=headers)
        assert answer.status_code == status
        assert words in answer.text


def test_refused_input_names_the_field(client: FlaskClient) -> None:
    assert '<strong translate="no">cron</strong>' in client.get("/raise/invalid").text


def test_words_given_to_abort_are_shown(client: FlaskClient) -> None:
    assert "The engine is off." in client.get("/abort/503?say=The+engine+is+off.").text


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    answer = client.get("/row")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_what_is_no_form_is_said_not_to_have_arrived_whole(client: FlaskClient) -> None:
    answer = client.post("/form", data=b"--", content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert "did not arrive whole" in answer.text


def test_a_form_whose_token_is_too_old_is_told_to_reload(client: FlaskClient) -> None:
    answer = client.post("/form", data={"name": "42", "csrf_token": "old"})
    assert answer.status_code == 400
    assert "open for too long" in answer.text
    assert "Reload" in answer.text


def test_the_signed_in_keep_the_side_bar(client: FlaskClient, stranger: FlaskClient) -> None:
    assert "alice@example.org" in client.get("/abort/404").text
    assert 'id="nav"' not in stranger.get("/abort/404").text


def test_a_surprise_shows_a_number_that_the_log_has_too(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get("/raise/surprise")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = caplog.records
    incident = record.getMessage().split()[1].rstrip(":")
    assert f"<code>{incident}</code>" in answer.text
    assert record.exc_info
    assert record.exc_info[0] is RuntimeError


@pytest.mark.parametrize(
    ("path", "status"),
    [("/abort/403?say=x", 403), ("/raise/invalid", 422), ("/nowhere\n\x1b", 404)],
)
@pytest.mark.parametrize("headers", [{}, PART])
def test_a_refusal_is_one_line_in_the_log_with_the_number_that_the_page_shows(
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    path: str,
    status: int,
    headers: dict[str, str],
) -> None:
    answer = client.get(path, headers=headers)
    (line,) = caplog.messages
    number = answer.headers["X-Incident"]
    who = r"(account 1|127\.0\.0\.1)"
    assert re.fullmatch(rf"incident {number}: GET \S+ by {who} was refused with {status}", line)
    assert f"<code>{number}</code>" in answer.text
    assert "say=" not in line


def test_a_form_that_comes_back_is_noted_without_what_was_typed(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    answer = client.post("/form", data={"name": "hunter2"})
    assert answer.status_code == 422
    assert caplog.messages == [
        f"incident {answer.headers['X-Incident']}: POST /form by account 1 was refused with 422"
    ]


def test_an_address_that_is_a_secret_stays_out_of_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def view(token: str, number: int) -> str:
        raise LookupError(token)

    app.add_url_rule("/links/<token>/<int(max=9):number>", view_func=view)
    app.test_client().get("/links/hunter2/7")
    assert "GET /links/<token>/7 failed" in caplog.messages[0]
    assert "hunter2" not in caplog.messages[0]


@pytest.mark.parametrize("path", ["/password/hunter2/", "/set-up/hunter2/x", "/Feeds/hunter2.ics"])
def test_a_secret_in_a_mistyped_address_stays_out_too(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    assert client.get(path).status_code == 404
    assert "was refused with 404" in caplog.messages[0]
    assert "hunter2" not in caplog.messages[0]


def test_a_debugger_sees_the_surprise_itself(app: Flask) -> None:
    app.debug = True
    with pytest.raises(RuntimeError):
        app.test_client().get("/raise/surprise")


@pytest.mark.parametrize("message", ["database is locked", "unable to open database file"])
def test_a_database_that_is_busy_or_gone_is_503(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    fail_with(app, sqlite_error(message))
    answer = client.get("/failing")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "The database does not answer" in answer.text
    assert 'id="nav"' not in answer.text  # the side bar might ask the database again
    assert caplog.records[0].levelname == "WARNING"


def test_an_exhausted_pool_is_503(app: Flask, client: FlaskClient) -> None:
    fail_with(app, PoolTimeout("QueuePool limit reached"))
    assert client.get("/failing").status_code == 503


def test_a_wrong_question_to_the_database_is_a_fault_of_ours(
    app: Flask, client: FlaskClient
) -> None:
    fail_with(app, sqlite_error("no such table: jobs"))
    answer = client.get("/failing")
    assert answer.status_code == 500
    assert "no such table" not in answer.text


def test_a_database_that_fails_under_the_error_page_still_gives_a_page(
    app: Flask, client: FlaskClient
) -> None:
    locked = sqlite_error("database is locked")

    def load(_: object) -> None:
        raise locked

    app.login_manager.request_loader(load)  # type: ignore[attr-defined]
    answer = client.get("/abort/404")
    assert answer.status_code == 503
    assert answer.text.startswith("<!doctype html>")


def fail_with(app: Flask, error: Exception) -> None:
    def view() -> str:
        raise error

    app.add_url_rule("/failing", view_func=view)


def sqlite_error(message: str) -> OperationalError:
    """The error as SQLite itself raises it, with its code."""
    try:
        if "no such table" in message:
            sqlite3.connect(":memory:").execute("SELECT * FROM jobs")
        if "unable" in message:
            sqlite3.connect("/nowhere/at/all.db")
        with sqlite3.connect("file:locked?mode=memory&cache=shared", uri=True) as one:
            one.execute("BEGIN IMMEDIATE")
            other = sqlite3.connect("file:locked?mode=memory&cache=shared", uri=True, timeout=0)
            try:
                other.execute("BEGIN IMMEDIATE")
            finally:
                other.close()
    except sqlite3.OperationalError as error:
        return OperationalError("SELECT 1", {}, error)
    raise AssertionError("SQLite did not fail")
