"""What fire times amount to: starts, runs at once, pile-ups, and runs that are skipped."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger, IntervalTrigger, Trigger
from aegis_web.forecast import streams
from aegis_web.forecast.load import Expected, Load, PileUp, Skip
from aegis_web.forecast.streams import Expectation, Source, Walk, streams_of
from aegis_web.jobs.models import Overlap
from tests.support.clocks import NOON

EVERY_SECOND = IntervalTrigger(1, "seconds", NOON - timedelta(hours=1), ZoneInfo("UTC"))


def cron(text: str) -> Trigger:
    return CronTrigger(parse(text), ZoneInfo("UTC"))


def job(number: int, seconds: float | None = None, **values: Any) -> Expectation:
    return Expectation(number, seconds, **{"overlap": Overlap.SKIP, "max_running": 1, **values})


def expected(*jobs: tuple[str | Trigger, Expectation]) -> Expected:
    """The forecast of some jobs from Tuesday noon on."""
    triggers = ((cron(t) if isinstance(t, str) else t, each) for t, each in jobs)
    known = [(Source(trigger, NOON), each) for trigger, each in triggers]
    load, walk = Load(), Walk(NOON)
    for stream in streams_of(known, NOON).values():
        load.add(stream, walk.fires(stream, ()))
    return load.result()


def hours(values: Sequence[int], count: int, reduce: Any = sum) -> list[int]:
    """Quarters as the first hours."""
    return [reduce(values[hour * 4 : hour * 4 + 4]) for hour in range(count)]


def test_starts_are_counted_by_quarter_and_runs_last_as_long_as_usual() -> None:
    found = expected(("30 13 * * *", job(1, 5_000)), ("0 14 * * *", job(2)), ("0 14 * * *", job(3)))
    assert hours(found.starts, 4) == [0, 1, 2, 0]
    assert sum(found.starts) == 21
    assert hours(found.at_once, 4, max) == [0, 1, 3, 0]
    assert (found.jobs, found.unknown) == (3, 2)


@pytest.mark.parametrize(("overlap", "at_once"), [(Overlap.SKIP, 1), (Overlap.RUN, 3)])
def test_a_job_goes_at_once_as_often_as_its_policy_lets_it(overlap: str, at_once: int) -> None:
    long = job(1, 5 * 3600 // 2, overlap=overlap)
    assert max(expected(("0 * * * *", long)).at_once) == at_once
    often = job(1, 2.5, overlap=overlap)
    assert max(expected((EVERY_SECOND, often)).at_once) == at_once


def test_the_same_jobs_that_start_together_are_one_pile_up_the_largest_first() -> None:
    nightly = [("0 2 * * *", job(number)) for number in range(1, 13)]
    hourly = [("0 * * * *", job(number)) for number in range(21, 26)]
    few = [("7 * * * *", job(number)) for number in range(31, 35)]
    spread = [("0 5 * * *", job(number, spread=True)) for number in range(41, 49)]
    steady = [("* * * * *", job(number)) for number in range(51, 61)]
    found = expected(*nightly, *hourly, *few, *spread, *steady)
    assert found.pile_ups == [
        PileUp(14 * 60, 7, 17, tuple(range(1, 11))),  # the rare ones are named
        PileUp(60, 160, 5, tuple(range(21, 26))),
    ]


@pytest.mark.parametrize(
    ("trigger", "values", "skips"),
    [
        ("*/5 * * * *", {"seconds": 420}, [(1007, 2015, 300, True)]),
        ("*/5 * * * *", {"seconds": 299}, []),
        ("*/5 * * * *", {"seconds": None}, []),
        ("*/5 * * * *", {"seconds": 420, "max_running": 2}, []),
        ("*/5 * * * *", {"seconds": 700, "max_running": 2}, [(670, 2015, 300, True)]),
        ("*/5 * * * *", {"seconds": 420, "overlap": Overlap.QUEUE}, []),
        ("*/5 * * * *", {"seconds": 420, "overlap": Overlap.RUN}, []),
        ("0 9,10,17 * * *", {"seconds": 4000}, [(7, 21, 3600, False)]),
        ("0 9,10,17 * * *", {"seconds": 4000, "overlap": Overlap.QUEUE_ONE}, []),
        ("0 * * * *", {"seconds": 9000, "overlap": Overlap.QUEUE_ONE}, [(99, 167, 3600, True)]),
        (EVERY_SECOND, {"seconds": 2.5}, [(403_199, 604_799, 1, True)]),
    ],
)
def test_runs_are_skipped_that_find_the_one_before_still_going(
    trigger: str | Trigger, values: dict[str, Any], skips: list[tuple[int, int, float, bool]]
) -> None:
    found = expected((trigger, job(1, **values)))
    assert [(each.skipped, each.of, each.gap, each.regular) for each in found.skips] == skips
    assert found.skipping_jobs == len(skips)


def test_what_is_only_counted_by_day_is_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BUDGET", 0)
    found = expected(("0 12 * * *", job(1)), ("0 12 * * *", job(2)))
    assert sum(found.starts) == 12  # noon itself has passed
    assert max(found.starts) == 1
    assert (found.rough, found.pile_ups) == (2, [])


def test_it_comes_back_from_json_as_it_was() -> None:
    found = expected(*(("*/5 * * * *", job(number, 700)) for number in range(9)))
    assert Expected.from_json(found.to_json()) == found
    assert isinstance(found.skips[0], Skip)
