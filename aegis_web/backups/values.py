"""What a value in a backup from elsewhere must be, so that the product can read and show it."""

import json
from enum import Enum
from typing import Any

from aegis_web.jobs.models import Backoff, CatchUp, JobState, OnLost, Origin, Overlap, Priority
from aegis_web.runs.models import Kind, Lane, Reason, RunStatus

LATEST_US = 253_402_300_799_999_999  # the end of the year 9999, in microseconds since the epoch
DEEPEST = 100  # levels of JSON that a page can read and show
LONGEST_NAME = 1_000  # characters; the product itself takes 200
LONGEST_JSON = 2**24  # characters
OBJECTS = {"trigger", "arguments", "definition"}  # columns that the product reads by their keys
LISTS = {"tags", "retry_errors", "scopes", "only_tags"}  # of texts
NUMBERS, PARTS = {"jobs"}, {"periods"}  # lists of whole numbers, and of objects
CHOICES: dict[tuple[str, str], type[Enum]] = {  # columns that hold one of a few values
    ("jobs", "origin"): Origin,
    ("jobs", "state"): JobState,
    ("jobs", "overlap"): Overlap,
    ("jobs", "catch_up"): CatchUp,
    ("jobs", "retry_backoff"): Backoff,
    ("jobs", "on_lost"): OnLost,
    ("jobs", "priority"): Priority,
    ("runs", "kind"): Kind,
    ("runs", "status"): RunStatus,
    ("runs", "reason"): Reason,
    ("runs", "lane"): Lane,
    ("attempts", "status"): RunStatus,
    ("attempts", "reason"): Reason,
    ("run_counts", "status"): RunStatus,
    ("job_results", "status"): RunStatus,
}
STRANGE = "It was not made by this product: {0}. Take a backup that Aegis Web has made."


def choice_of(table: str, name: str) -> str | None:
    """What SQL says of a good value of a column that holds one of a few; None for others."""
    choice = CHOICES.get((table, name))
    if choice is None:
        return None
    return f'"{name}" IN ({", ".join(repr(each.value) for each in choice)})'


def strange_value(table: str, name: str) -> str:
    """What to say of a value that is none."""
    return STRANGE.format(f"its table {table} has a value in {name} that is none")


def readable(text: str) -> bool:
    """Whether Python can read this JSON and write it out again, however deep in calls it is."""
    try:
        if len(text) > LONGEST_JSON:
            return False
        level: list[Any] = [[json.loads(text)]]
        json.dumps(level, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):  # none, huge, half a sign, nested
        return False
    depth = 0
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, (dict, list))
        ]
    return depth <= DEEPEST
