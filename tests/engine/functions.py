"""Service functions for the engine's tests."""

import asyncio
import functools
import json
import logging
import re
import sys
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from pydantic import SecretStr

from aegis_web.context import current_run
from aegis_web.registry import service

called: list[object] = []
release = threading.Event()
in_thread = service(runs_in="thread")  # they share memory with the test


@in_thread
def note(text: str = "called") -> str:
    """Remembers that it was called."""
    called.append(text)
    return text


async def note_async(text: str = "async") -> str:
    """Remembers that its body was awaited."""
    await asyncio.sleep(0)
    called.append(text)
    return text


@in_thread
def fail() -> None:
    """Raises."""
    raise ValueError("the invoice has no number")


@in_thread
def nothing() -> None:
    """Does nothing."""


@in_thread
def wait_for_release() -> None:
    """Runs until the test lets it go or somebody stops it."""
    while not release.wait(0.01) and not current_run().stop_requested():
        pass


async def wait_forever() -> None:
    """Runs until it is cancelled."""
    await asyncio.sleep(3600)


@in_thread
def speak() -> dict[str, object]:
    """Prints, logs, reports progress, and tells about its run."""
    run = current_run()
    print("printed")
    logging.getLogger("speaker").warning("logged")
    run.progress(1, 4, "a quarter")
    return {"run": run.run_id, "job": run.job_name, "attempt": run.attempt}


@in_thread
def speak_in_structures() -> None:
    """Logs with structlog."""
    structlog.get_logger().info("structured", invoices=3)


@in_thread
def close_the_streams() -> None:
    """Closes what it prints to, as a careless library does."""
    sys.stdout.close()
    sys.stderr.close()


@in_thread
def raise_without_words() -> None:
    """Raises an error that has no text."""
    raise ValueError


@in_thread
def pause_for(length: timedelta = timedelta(0)) -> None:
    """Sleeps."""
    time.sleep(length.total_seconds())


@in_thread
def speak_and_wait() -> None:
    """Says that it has begun, waits for the test, says that it has ended."""
    print("begun")
    wait_for_release()
    print("ended")


@in_thread
def deaf() -> None:
    """Runs until the test lets it go; does not hear that it should stop."""
    release.wait(30)


@in_thread
def odd_result() -> object:
    """Returns what JSON cannot hold."""
    return object()


ask = None


@in_thread
def ask_until_released() -> None:
    """Uses the scheduler while it runs."""
    while not release.wait(0.01):
        if callable(ask):
            ask()


def _logged(function: Any) -> Any:
    """A decorator as teams write them: it hides that the function is async."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@in_thread
@_logged
async def note_behind_a_decorator() -> str:
    """Remembers that its body was awaited."""
    await asyncio.sleep(0)
    called.append("decorated")
    return "decorated"


@in_thread
def note_secret(token: SecretStr) -> str:
    """Says its secret aloud."""
    print(f"the token is {token.get_secret_value()}")
    raise ValueError(token.get_secret_value())


async def exit_in_a_task() -> None:
    """Ends the program, as it thinks, in a task of its own."""

    async def leave() -> None:
        raise SystemExit(3)

    await asyncio.gather(leave())


class _Unreadable(Exception):
    """An error that fails again when somebody wants to read it."""

    def __str__(self) -> str:
        raise ValueError("no text")


@in_thread
def raise_unreadable() -> None:
    """Raises what cannot be read."""
    raise _Unreadable


@in_thread
def deep_result() -> object:
    """Returns what is nested too deeply to be written as JSON."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


class _Angry:
    def isoformat(self) -> str:
        raise KeyError("no \x00 format")


@in_thread
def angry_result() -> object:
    """Returns what raises when it is written as JSON."""
    return _Angry()


@in_thread
def say_secret_in_all_ways(token: SecretStr) -> dict[str, str]:
    """Says its secret as it is, escaped, and line by line."""
    text = token.get_secret_value()
    print(text)
    print(repr(text))
    for line in text.splitlines():
        logging.getLogger("speaker").warning("logged %s", line)
    return {"token": text}


def ways_to_say(text: str) -> list[str]:
    """Twelve ways in which programs tell secrets without meaning to."""
    basic = b64encode(f"alice:{text}".encode()).decode()
    return [
        text,
        repr(text),
        json.dumps({"token": text}),
        f"https://example.org/?token={quote(text, safe='')}",
        urlencode({"token": text}),
        re.sub("%..", lambda digits: digits[0].lower(), quote(text, safe="")),
        f"Authorization: Basic {basic}",
        b64encode(text.encode()).decode(),
        b64encode(f"x{text}y".encode()).decode(),
        urlsafe_b64encode(f"no{text}".encode()).decode(),
        text.encode().hex(),
        f"bytes {text.encode()!r}",
    ]


@in_thread
def say_secret_in_twelve_ways(token: SecretStr) -> dict[str, str]:
    """Says its secret in the log, in its progress and as its result, and fails with it too."""
    ways = ways_to_say(token.get_secret_value())
    for way in ways:
        print(way)
        logging.getLogger("speaker").warning("a call failed: %s", way)
    current_run().progress(1, 2, ways[6])
    raise ValueError(" ".join(ways))


@in_thread
def fail_at_first(times: int = 1) -> str:
    """Raises a `ConnectionResetError` the first times it is called."""
    called.append("tried")
    print(f"try {len(called)}")
    if len(called) <= times:
        raise ConnectionResetError("the line was cut")
    return "done"


@in_thread
def wait_at_first() -> str:
    """Hangs the first time it is called, until somebody stops it."""
    called.append("tried")
    if len(called) == 1:
        wait_for_release()
    return "done"


@service(idempotent=True, runs_in="thread")
def safe_to_repeat() -> None:
    """May safely run twice; runs until the test lets it go or somebody stops it."""
    called.append("tried")
    wait_for_release()


@in_thread
def fail_when_released() -> None:
    """Raises as soon as the test lets it go."""
    wait_for_release()
    raise ValueError("it was told to fail")
