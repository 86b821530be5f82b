"""APScheduler's events, for the listeners that users bring.

They are told of what has been committed, in its order, on a thread of their own: a listener that
raises or takes its time holds up nothing, and may use the scheduler as it likes.
"""

import json
import logging
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobExecutionEvent,
    JobSubmissionEvent,
)

from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.claim import Settled
from aegis_web.engine.node import News
from aegis_web.runs.models import REASON_SENTENCES, Reason, RunStatus

STORE = "default"  # the alias of our job store
FLUSH_SECONDS = 2.0  # how long a shutdown waits for listeners

log = logging.getLogger(__name__)


class Teller:
    """Passes news on to APScheduler's listeners; its thread starts with the first of them."""

    def __init__(self, dispatch: Callable[[JobEvent], None]) -> None:
        self._dispatch = dispatch
        self._news: SimpleQueue[News | None] = SimpleQueue()
        self._thread: Thread | None = None

    def tell(self, news: News) -> None:
        """Pass on what one turn has committed."""
        self._news.put(news)
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="aegis-events", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Let listeners hear what they have not heard yet, for a while; then tell nothing more."""
        if self._thread is None:
            return
        self._news.put(None)
        if self._thread is not current_thread():
            self._thread.join(FLUSH_SECONDS)

    def _serve(self) -> None:
        while (news := self._news.get()) is not None:
            for event in events_of(news):
                try:
                    self._dispatch(event)
                except Exception:
                    log.exception("a listener could not be told of %r", event)


def events_of(news: News) -> Iterator[JobEvent]:
    """What APScheduler would say of a turn: how runs ended, what did not run, what begins."""
    yield from map(ended_event, news.outcomes)
    yield from map(settled_event, news.settled)
    yield from map(submitted_event, news.attempts)


def ended_event(outcome: Outcome) -> JobEvent:
    """The event for an attempt that has ended."""
    succeeded = outcome.status is RunStatus.SUCCEEDED
    return JobExecutionEvent(
        EVENT_JOB_EXECUTED if succeeded else EVENT_JOB_ERROR,
        outcome.attempt.job.key,
        STORE,
        outcome.attempt.fire_at,
        retval=returned(outcome.result),
        exception=None if succeeded else failure(outcome),
        traceback=outcome.traceback,
    )


def returned(result: str | None) -> Any:
    """What a run returned, as far as JSON can say it."""
    if result is None:
        return None
    try:
        return json.loads(result)
    except ValueError:  # a masked secret has broken it
        return result


def failure(outcome: Outcome) -> str:
    """Why an attempt did not succeed, in words."""
    if outcome.error is not None:
        return outcome.error
    if outcome.reason is not None:
        return REASON_SENTENCES[outcome.reason]
    return outcome.status.name.lower()


def settled_event(settled: Settled) -> JobEvent:
    """The event for a fire time that does not run."""
    key, fire_at = settled.job.key, settled.verdict.fire_at
    if settled.verdict.reason is Reason.OVERLAP:
        return JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, key, STORE, [fire_at])
    return JobExecutionEvent(EVENT_JOB_MISSED, key, STORE, fire_at)


def submitted_event(attempt: Attempt) -> JobEvent:
    """The event for an attempt that was handed to its executor."""
    return JobSubmissionEvent(EVENT_JOB_SUBMITTED, attempt.job.key, STORE, [attempt.fire_at])
