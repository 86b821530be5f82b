"""Time in tests: fixed where a rule depends on it, waited for where a process does."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import pytest
import time_machine

T = TypeVar("T")
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    """The clock stands still at noon of Tuesday 10 March 2026, UTC, until the test moves it."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def wait_until(predicate: Callable[[], T], seconds: float = 10) -> T:
    """The first true value of `predicate`.

    Raises: AssertionError when there is none within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds} s: {predicate}")
        time.sleep(0.02)
    return value
