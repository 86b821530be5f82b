"""Policies that contradict themselves are refused by name, with a cure."""

from typing import Any

import pytest

from aegis_web.engine.policy_rules import check, smallest_gap
from aegis_web.engine.triggers import from_json
from aegis_web.registry import ServiceFunction, service
from tests.engine import functions
from tests.engine.conftest import every

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"grace_seconds": -1}, "grace_seconds", "0 seconds up to 365 days"),
    ({"grace_seconds": 365 * 86_400 + 1}, "grace_seconds", "365 days"),
    ({"grace_seconds": 1.5}, "grace_seconds", "whole number"),
    ({"max_running": 0}, "max_running", "1 to 100"),
    ({"max_running": None}, "max_running", "whole number"),
    ({"max_running": True}, "max_running", "whole number"),
    ({"timeout_seconds": 0}, "timeout_seconds", "1 second up to 30 days"),
    ({"jitter_seconds": -5}, "jitter_seconds", "0 seconds up to 1 day"),
    ({"jitter_seconds": 86_401}, "jitter_seconds", "1 day"),
    ({"retries": 10**9}, "retries", "0 to 100"),
    ({"retry_delay_seconds": 90_000}, "retry_delay_seconds", "1 day"),
    ({"retry_backoff": "sideways"}, "retry_backoff", "fixed, exponential"),
    ({"retry_errors": "ValueError"}, "retry_errors", "a list"),
    ({"retry_errors": ["Value Error"]}, "retry_errors", "'Value Error'"),
    ({"retry_errors": ["E"] * 21}, "retry_errors", "at most 20"),
    ({"overlap": "maybe"}, "overlap", "replace"),
    ({"catch_up": ""}, "catch_up", "latest"),
    ({"on_lost": "pray"}, "on_lost", "mark, rerun"),
    ({"priority": 7}, "priority", "0 (high)"),
    ({"queue_limit": 0}, "queue_limit", "1 to 100,000"),
    ({"group_name": "mail", "group_limit": 0}, "group_limit", "1 to 1,000"),
    ({"group_limit": 3}, "group_name", "needs a group"),
    ({"group_name": " "}, "group_name", "Write one"),
    ({"group_name": "g" * 201}, "group_name", "Shorten"),
]


@pytest.mark.parametrize(("policies", "field", "text"), WRONG, ids=lambda value: str(value)[:40])
def test_it_names_the_field_and_the_cure(policies: dict[str, Any], field: str, text: str) -> None:
    errors = check(policies, None, None)
    assert list(errors) == [field]
    assert text in errors[field]


def test_all_that_is_right_passes() -> None:
    right = {
        "grace_seconds": None,
        "overlap": "queue_one",
        "max_running": 100,
        "catch_up": "all",
        "timeout_seconds": None,
        "jitter_seconds": 59,
        "retries": 100,
        "retry_delay_seconds": 0,
        "retry_backoff": "exponential",
        "retry_errors": ["OSError", "myshop.errors.Busy"],
        "on_lost": "mark",
        "group_name": "mail",
        "group_limit": 1,
        "calendar_id": None,
        "priority": 0,
        "queue_limit": None,
    }
    assert check(right, every(60), ServiceFunction(functions.note)) == {}
    assert check({}, every(60), None) == {}


def test_a_jitter_as_long_as_the_interval_is_refused() -> None:
    assert "60 s apart" in check({"jitter_seconds": 60}, every(60), None)["jitter_seconds"]


@pytest.mark.parametrize(
    ("trigger", "seconds"),
    [
        ({"kind": "cron", "expression": "0,10 9 1 * *"}, 600),
        ({"kind": "cron", "expression": "*/5 8-18 * * mon-fri"}, 300),
        ({"kind": "fields", "fields": {"second": "0,7"}}, 7),
        ({"kind": "interval", "every": 1, "unit": "hours", "anchor": "2200-01-01T00:00Z"}, 3600),
        ({"kind": "date", "at": "2026-05-01T00:00Z"}, None),
        ({"kind": "fields", "fields": {"year": "2020"}}, None),
    ],
)
def test_the_smallest_gap_is_that_of_the_rule(trigger: dict[str, Any], seconds: int | None) -> None:
    gap = smallest_gap(from_json({**trigger, "zone": "Europe/Berlin"}))
    assert seconds == (None if gap is None else gap.total_seconds())


def test_limits_of_a_trigger_hide_no_gap() -> None:
    rule = {"kind": "cron", "expression": "0 * * * *", "zone": "UTC"}
    past = from_json({**rule, "ends_at": "2001-01-01T00:00Z"})
    assert "jitter_seconds" in check({"jitter_seconds": 3600}, past, None)


def test_only_an_idempotent_function_is_run_again() -> None:
    @service(idempotent=True)
    def safe() -> None:
        """May run twice."""

    rerun = {"on_lost": "rerun"}
    assert "idempotent=True" in check(rerun, None, ServiceFunction(functions.note))["on_lost"]
    assert check(rerun, None, ServiceFunction(safe)) == {}
    assert check(rerun, None, None) == {}
