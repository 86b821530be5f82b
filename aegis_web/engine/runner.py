"""One attempt: open the arguments, call the function, catch what it says, judge how it ended."""

import asyncio
import inspect
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from aegis_web.clock import utc_now_us
from aegis_web.context import RunContext, running
from aegis_web.engine import output
from aegis_web.engine.attempt import Attempt, Outcome
from aegis_web.engine.retries import names_of
from aegis_web.errors import AegisError
from aegis_web.registry import Registry, ServiceFunction
from aegis_web.runs.models import RunStatus
from aegis_web.vault import Vault

RESULT_LIMIT = 64 * 1024  # bytes of JSON
ERROR_LIMIT = 500  # characters

Scope = Callable[[], AbstractContextManager[Any]]


class Terminated(BaseException):
    """Raised inside a function by the signal that follows a stop it did not answer."""


class Runner:
    """Executes attempts; where and on which thread is the executor's business."""

    def __init__(self, registry: Registry, vault: Vault, scope: Scope) -> None:
        self._registry, self._vault, self._scope = registry, vault, scope

    def run(self, attempt: Attempt) -> Outcome:
        """Execute a plain function on this thread. Never raises."""
        started = utc_now_us()
        if attempt.stop.is_set():  # before it began
            return stopped(attempt, started)
        try:
            with inside(attempt), self._scope():
                function, arguments = self._open(attempt)
                value = function.function(**arguments)
                if inspect.iscoroutine(value):  # a decorated `async def` looks like a plain one
                    value = asyncio.run(value)
            return ended(attempt, started, value)
        except BaseException as error:
            return failed(attempt, started, error)

    async def run_async(self, attempt: Attempt) -> Outcome:
        """Execute an `async def` function on this loop; a cancelled task ends as asked."""
        started = utc_now_us()
        try:
            with inside(attempt), self._scope():
                function, arguments = self._open(attempt)
                async with asyncio.timeout(attempt.job.timeout_seconds):
                    if function.is_async:
                        value = await function.function(**arguments)
                    else:  # it became a plain one after this run was queued
                        value = await asyncio.to_thread(function.function, **arguments)
            return ended(attempt, started, value)
        except BaseException as error:
            return failed(attempt, started, error)

    def know(self, service: str, found_at: str | None) -> None:
        """Find a service function that a declaration has registered in another process.

        Raises: Invalid when there is nothing to register at `found_at`, "package.module:function".
        """
        if found_at is not None and self._registry.find(service) is None:
            self._registry.add(found_at)

    def _open(self, attempt: Attempt) -> tuple[ServiceFunction, dict[str, Any]]:
        function = self._registry.find(attempt.job.service)
        if function is None:
            raise AegisError(f"the service function {attempt.job.service} is not there any more")
        opened = function.open(attempt.arguments, self._vault)
        attempt.output.mask(opened.secrets)
        return function, opened.kwargs


@contextmanager
def inside(attempt: Attempt) -> Iterator[None]:
    """Keep what this thread or task logs and prints meanwhile, and let `current_run()` answer."""
    output.install()  # again, in case somebody has replaced the streams meanwhile
    kept = output.current.set(attempt.output)
    told = running.set(context_of(attempt))
    try:
        yield
    finally:
        running.reset(told)
        output.current.reset(kept)


def context_of(attempt: Attempt) -> RunContext:
    """What the function of an attempt may know."""
    return RunContext(
        run_id=attempt.run_id,
        job_id=attempt.job.id,
        job_name=attempt.job.name,
        fire_time=attempt.fire_at,
        attempt=attempt.number,
        requested_by=attempt.requested_by,
        report=partial(report, attempt),
        stop=attempt.stop,
    )


def report(attempt: Attempt, done: float, total: float | None, message: str) -> None:
    """Keep the newest progress for the ledger's thread to store."""
    attempt.output.progress = (
        float(done),
        None if total is None else float(total),
        attempt.output.clean(message)[:ERROR_LIMIT],
    )


def ended(attempt: Attempt, started: int, value: object) -> Outcome:
    """The outcome of a body that returned."""
    if attempt.stop.is_set():
        return stopped(attempt, started)
    result, note = kept(attempt, value)
    return Outcome(
        attempt,
        RunStatus.SUCCEEDED,
        started,
        utc_now_us(),
        result=result,
        result_note=note,
    )


def stopped(attempt: Attempt, started: int, error: str | None = None) -> Outcome:
    """The outcome of a body that ended after it had been asked to stop."""
    if attempt.timed_out:
        text = f"It ran longer than its {attempt.job.timeout_seconds} s."
        return Outcome(attempt, RunStatus.TIMED_OUT, started, utc_now_us(), error=text)
    return Outcome(
        attempt, RunStatus.CANCELLED, started, utc_now_us(), attempt.stop_reason, error=error
    )


def failed(attempt: Attempt, started: int, error: BaseException) -> Outcome:
    """The outcome of a body that raised, `SystemExit` included."""
    if (
        isinstance(error, (asyncio.CancelledError, TimeoutError, Terminated))
        and attempt.stop.is_set()
    ):
        return stopped(attempt, started)
    if isinstance(error, TimeoutError) and attempt.deadline_passed(utc_now_us() - started):
        attempt.timed_out = True
        return stopped(attempt, started)
    text = attempt.output.clean("".join(traceback.format_exception(error)))
    said = text_of(error).strip()
    name = type(error).__name__
    first = attempt.output.clean(f"{name}: {said}" if said else name).split("\n")[0]
    return Outcome(
        attempt,
        RunStatus.FAILED,
        started,
        utc_now_us(),
        error=first[:ERROR_LIMIT],
        traceback=text[-RESULT_LIMIT:],
        error_types=names_of(type(error)),
    )


def text_of(error: BaseException) -> str:
    """What an error says of itself, if it can."""
    try:
        return str(error)
    except Exception as worse:
        return f"its text cannot be read ({type(worse).__name__})"


def kept(attempt: Attempt, value: object) -> tuple[str | None, str | None]:
    """A returned value as JSON text to keep, or a note that says why it is not kept."""
    if value is None:
        return None, None
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=plain)
    except Exception as error:  # a value may do anything when it is asked what it is
        note = f"The returned {type(value).__name__} was not kept: {text_of(error)}."
        return None, attempt.output.clean(note)[:ERROR_LIMIT]
    size = len(text.encode(errors="replace"))
    if size > RESULT_LIMIT:
        return None, f"The returned value was not kept: {size} bytes of JSON, the limit is 65536."
    return attempt.output.clean(text.encode(errors="replace").decode()), None


def plain(value: object) -> object:
    """What JSON lacks, as text or lists; models as their fields."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
