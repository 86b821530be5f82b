"""Long work that its page shows while it goes on: the answer grows until the work has ended.

One request without a script, and no proxy on the way gives up for want of news. Whoever leaves the
page ends nothing: the work has a thread of its own.
"""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, NamedTuple, cast

from flask import Flask, Response, current_app, stream_template
from jinja2 import Template

from aegis_web.errors import AegisError
from aegis_web.language import language, speak
from aegis_web.web.errors import Problem, problem_of

PARTS = 10  # how many marks one measure of a step grows by
AT_ONCE_SECONDS = 1.0  # work that ends within it has the answer of any other request
NEWS_SECONDS = 10.0  # at the latest something is sent, so that nobody on the way gives up
BEGUN, GROWN, STILL, ENDED = "begun", "grown", "still", "ended"

log = logging.getLogger(__name__)


class News(NamedTuple):
    """What has happened to a step of the work."""

    kind: str  # begun, grown by one mark, still at it, or ended
    words: str = ""  # of a step that has begun
    seconds: float = 0.0  # of one that has ended


class Work:
    """Work in a thread, and the news of it."""

    def __init__(self, app: Flask, work: Callable[["Work"], Any]) -> None:
        self._work, self._app = work, app
        self._news: SimpleQueue[News | None] = SimpleQueue()
        self._words, self._began = "", 0.0
        self._measure, self._marks = "", 0
        self.result: Any = None
        self.error: BaseException | None = None
        self._first: News | None = None
        self._ended = Event()
        Thread(target=copy_context().run, args=(self._run,), name="work").start()

    def _run(self) -> None:
        try:
            with self._app.app_context():
                self.result = self._work(self)
        except BaseException as error:  # told by the page, or raised by whoever waits for it
            self.error = error
            # In the log as well: whoever began it may have left its page.
            unexpected = not isinstance(error, AegisError)
            log.warning("long work has failed: %s", error, exc_info=unexpected)
        self._end_step()
        self._news.put(None)
        self._ended.set()

    def begin(self, words: str) -> None:
        """Tell of a new step; the same words again are the same step."""
        if words != self._words:
            self._end_step()
            self._words, self._began, self._measure = words, monotonic(), ""
            self._news.put(News(BEGUN, words))

    def grow(self, done: float, total: float | None, measure: str) -> None:
        """Tell how far the step is by one of its measures, such as "bytes packed"."""
        if measure != self._measure:
            self._measure, self._marks = measure, 0
        marks = int(PARTS * min(done / total, 1)) if total else 0
        for _mark in range(self._marks, marks):
            self._news.put(News(GROWN))
        self._marks = max(self._marks, marks)

    def _end_step(self) -> None:
        if self._words:
            self._news.put(News(ENDED, seconds=monotonic() - self._began))
        self._words = ""

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end for a while; whether it has come.

        Raises: what the work raised.
        """
        ended = self._ended.wait(seconds)
        if self.error is not None:
            raise self.error
        return ended

    def wait_for_first(self) -> None:
        """Wait until there is news.

        Raises: what the work raised before there was any.
        """
        self._first = self._news.get()
        if self._first is None and self.error is not None:
            raise self.error

    def news(self) -> Iterator[News]:
        """All of it, as it comes; ends with the work."""
        found = self._first
        while found is not None:
            yield found
            while True:
                try:
                    found = self._news.get(timeout=NEWS_SECONDS)
                    break
                except Empty:
                    yield News(STILL)

    @property
    def problem(self) -> Problem | None:
        """What people are told where it failed."""
        return problem_of(self.error) if self.error is not None else None


def show_work(
    page: str | Template,
    work: Callable[[Work], Any],
    *,
    at_once: Callable[[Any], Response] | None = None,
    **context: Any,
) -> Response:
    """Do `work` and answer with `page`, which grows meanwhile; it has the `work` in its context.

    Work that ends soon is answered by `at_once` with its result, if that is given.
    Raises: what `work` raises before its page is begun, so that this has its usual page.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    shown = Work(app, work)
    if at_once and shown.ends_within(AT_ONCE_SECONDS):
        return at_once(shown.result)
    shown.wait_for_first()
    pieces = cast("Generator[str]", stream_template(page, work=shown, **context))
    response = Response(in_language(language(), pieces), mimetype="text/html")
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold it back until the end
    return response


def in_language(code: str, pieces: Generator[str]) -> Iterator[str]:
    """The pieces of a page, each made while `code` is spoken.

    The server asks for them after the request, whose end has forgotten what its reader speaks.
    """
    with closing(pieces):
        speak(code)
        for piece in pieces:
            yield piece
            speak(code)
