"""Work that its page shows while it goes on: news, results, errors, and readers who leave."""

import logging
import re
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from flask import Flask

from aegis_web.errors import AegisError, Conflict
from aegis_web.web import working
from aegis_web.web.working import Work, show_work
from tests.support.clocks import wait_until

PAGE = """
{% include "_work.html" %}
{% set problem = work.problem %}
{% if problem %}failed: {{ problem.text }} {{ problem.incident }}
{% else %}{{ work.result }}{% endif %}
"""
Answer = Callable[[Callable[[Work], Any]], Iterator[str]]


@pytest.fixture
def answer(app: Flask) -> Iterator[Answer]:
    """Gives what the answer of a page that does some work sends, piece by piece."""
    with app.test_request_context("/backups/1/restore", method="POST"):

        def pieces(work: Callable[[Work], Any]) -> Iterator[str]:
            response = show_work(app.jinja_env.from_string(PAGE), work)
            assert response.is_streamed
            return (str(piece) for piece in response.response)

        yield pieces


def read_until(pieces: Iterator[str], text: str) -> str:
    """What is sent up to and with `text`."""
    found = ""
    while text not in found:
        found += next(pieces)
    return found


def test_the_answer_grows_while_the_work_goes_on(answer: Answer) -> None:
    go_on = [Event(), Event()]

    def work(told: Work) -> str:
        told.begin("It is read")
        go_on[0].wait()
        told.grow(5, 10, "bytes")
        told.begin("It is written")
        go_on[1].wait()
        return "all is well"

    pieces = answer(work)
    assert "It is written" not in read_until(pieces, "It is read")
    go_on[0].set()
    assert read_until(pieces, "It is written").count("<i></i>") == 5
    go_on[1].set()
    assert "all is well" in "".join(pieces)


def test_a_bar_grows_by_tenths_for_each_measure_and_never_back(answer: Answer) -> None:
    def work(told: Work) -> None:
        told.begin("It is read")
        for done in (0, 9, 11, 29, 15, 100, 300):
            told.grow(done, 100, "pages copied")
        told.grow(50, 100, "bytes packed")
        told.grow(50, None, "rows")

    assert "".join(answer(work)).count("<i></i>") == 15


def test_what_is_wrong_at_once_is_an_error_like_any_other(answer: Answer) -> None:
    def work(told: Work) -> None:
        raise Conflict("Somebody else is at it.")

    with pytest.raises(Conflict, match="at it"):
        answer(work)


def test_what_is_wrong_later_is_said_at_the_end(answer: Answer) -> None:
    def work(told: Work) -> None:
        told.begin("It is read")
        raise AegisError("The file <is> damaged.")

    assert "failed: The file &lt;is&gt; damaged." in "".join(answer(work))


def test_a_fault_is_logged_with_the_number_that_the_page_shows(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    def work(told: Work) -> None:
        told.begin("It is read")
        raise ZeroDivisionError("a secret of the product")

    with caplog.at_level(logging.ERROR):
        text = "".join(answer(work))
    number = re.search(r"give the number below .* ([0-9a-f]{8})", text)
    assert number is not None
    assert number[1] in caplog.text
    assert "a secret of the product" in caplog.text
    assert "a secret" not in text


def test_whoever_leaves_ends_nothing(answer: Answer) -> None:
    go_on, ended = Event(), Event()

    def work(told: Work) -> None:
        told.begin("It is read")
        go_on.wait()
        told.begin("It is written")
        ended.set()

    pieces = answer(work)
    read_until(pieces, "It is read")
    pieces.close()  # type: ignore[attr-defined]
    go_on.set()
    wait_until(ended.is_set)


def test_what_goes_wrong_after_everybody_has_left_is_in_the_log(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = Event()

    def work(told: Work) -> None:
        told.begin("It is read")
        go_on.wait()
        raise AegisError("The disk is full.")

    pieces = answer(work)
    read_until(pieces, "It is read")
    pieces.close()  # type: ignore[attr-defined]
    go_on.set()
    wait_until(lambda: "The disk is full." in caplog.text)


def test_something_is_sent_while_there_is_no_news(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "NEWS_SECONDS", 0.01)
    go_on = Event()

    def work(told: Work) -> None:
        told.begin("It is read")
        go_on.wait()

    pieces = answer(work)
    read_until(pieces, 'aria-hidden="true">')
    assert [next(pieces).strip() for _ in range(3)] == ["", "", ""]
    go_on.set()
    assert "</li>" in "".join(pieces)
