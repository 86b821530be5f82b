"""Policies of jobs declared in code: by APScheduler's words, by ours, by the registration."""

from typing import Any

import pytest

from aegis_web.engine.scheduler import LedgerScheduler
from aegis_web.errors import Invalid
from aegis_web.jobs.models import CatchUp, Job
from aegis_web.registry import service
from tests.engine import functions
from tests.engine.conftest import MakeNode
from tests.engine.test_declarations import facts, start_with

OURS: dict[str, Any] = {
    "overlap": "queue_one",
    "timeout_seconds": 600,
    "retries": 3,
    "retry_delay_seconds": 5,
    "retry_backoff": "exponential",
    "retry_errors": ["OSError"],
    "priority": 0,
    "queue_limit": 10,
    "catch_up": "all",
}


@service(retries=2, grace_seconds=90)
def careful() -> None:
    """Has defaults of its own."""


def declared(make_node: MakeNode, function: Any, **options: Any) -> Job:
    """The job that a start with one declaration leaves."""

    def declare(scheduler: LedgerScheduler) -> None:
        scheduler.add_job(function, "interval", hours=1, id="own", **options)

    return start_with(make_node, declare).jobs()[0]


def test_our_policies_can_be_declared(make_node: MakeNode) -> None:
    job = declared(make_node, functions.note, **OURS)
    assert {name: getattr(job, name) for name in OURS} == OURS


def test_three_starts_with_policies_leave_the_same_row(make_node: MakeNode) -> None:
    options = {**OURS, "retry_errors": ("OSError", "KeyError")}
    rows = [facts(declared(make_node, functions.note, **options)) for _ in range(3)]
    assert rows[0] == rows[1] == rows[2]


def test_a_policy_that_the_code_drops_is_dropped(make_node: MakeNode) -> None:
    declared(make_node, functions.note, **OURS)
    job = declared(make_node, functions.note)
    assert (job.retries, job.retry_errors, job.timeout_seconds) == (0, [], None)


def test_the_registration_says_what_a_declaration_leaves_out(make_node: MakeNode) -> None:
    job = declared(make_node, careful)
    assert (job.retries, job.grace_seconds, job.catch_up) == (2, 90, CatchUp.NONE)


def test_a_declaration_overrules_the_registration(make_node: MakeNode) -> None:
    job = declared(make_node, careful, retries=0, misfire_grace_time=5)
    assert (job.retries, job.grace_seconds) == (0, 5)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"retries": 10**9}, "retries"),
        ({"max_instances": 101}, "max_instances"),
        ({"misfire_grace_time": 400 * 86_400}, "misfire_grace_time"),
        ({"jitter": 3600}, "jitter"),
        ({"on_lost": "rerun"}, "on_lost"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_its_word(
    make_node: MakeNode, options: dict[str, Any], field: str
) -> None:
    node = make_node(start=False)
    with pytest.raises(Invalid) as refused:
        node.scheduler.add_job(functions.note, "interval", hours=1, **options)
    assert list(refused.value.errors) == [field]
