"""When a failed attempt is followed by another one."""

import pytest

from aegis_web.engine.retries import LONGEST_DELAY_SECONDS, Retry, names_of
from aegis_web.jobs.models import Backoff
from aegis_web.runs.models import RunStatus

THRICE = Retry(retries=2, delay_seconds=10)


class Busy(ConnectionError):
    """An error with base classes."""


def test_failures_and_timeouts_are_tried_again_as_often_as_said() -> None:
    for status in (RunStatus.FAILED, RunStatus.TIMED_OUT):
        assert [THRICE.again(status, number, ()) for number in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.LOST])
def test_nothing_else_is_tried_again(status: RunStatus) -> None:
    assert not THRICE.again(status, 1, ())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("Busy", True),
        (f"{__name__}.Busy", True),
        ("OSError", True),
        ("builtins.ConnectionError", True),
        ("ValueError", False),
        ("object", False),
    ],
)
def test_errors_are_known_by_their_name_or_that_of_a_base(wanted: str, expected: bool) -> None:
    rule = Retry(retries=1, errors=frozenset({wanted}))
    assert rule.again(RunStatus.FAILED, 1, names_of(Busy)) is expected


def test_a_timeout_counts_as_a_timeout_error() -> None:
    assert Retry(1, errors=frozenset({"TimeoutError"})).again(RunStatus.TIMED_OUT, 1, ())
    assert not Retry(1, errors=frozenset({"KeyError"})).again(RunStatus.TIMED_OUT, 1, ())


def test_a_lost_run_of_an_idempotent_function_has_at_least_three_attempts() -> None:
    rule = Retry(when_lost=True)
    lost = [rule.again(RunStatus.LOST, number, ()) for number in (1, 2, 3)]
    assert lost == [True, True, False]
    assert Retry(retries=9, when_lost=True).again(RunStatus.LOST, 9, ())


def test_a_run_whose_own_process_died_is_tried_again_by_either_rule() -> None:
    died = (RunStatus.FAILED, 1, ())
    assert Retry(retries=1).again(*died)
    assert not Retry(retries=1, errors=frozenset({"OSError"})).again(*died)
    assert Retry(errors=frozenset({"OSError"}), when_lost=True).again(*died)
    assert not Retry(when_lost=True).again(RunStatus.FAILED, 1, names_of(ValueError))


def test_the_delay_is_fixed_or_doubles_up_to_a_day() -> None:
    assert [THRICE.delay_us(number, 0.5) for number in (1, 2, 5)] == [10_000_000] * 3
    doubling = Retry(retries=99, delay_seconds=10, backoff=Backoff.EXPONENTIAL)
    delays = [doubling.delay_us(number, 0.5) // 1_000_000 for number in (1, 2, 3, 99)]
    assert delays == [10, 20, 40, LONGEST_DELAY_SECONDS]


def test_the_delay_is_spread_to_both_sides() -> None:
    assert (THRICE.delay_us(1, 0.0), THRICE.delay_us(1, 1.0)) == (9_000_000, 11_000_000)
