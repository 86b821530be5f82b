"""`H` in a cron expression: a value of the job's own, the same for ever."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger, from_json, seeded, zone_named

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SEEDS = [f"job-{number}" for number in range(600)]


def minutes(text: str, seed: str) -> tuple[int, ...]:
    return parse(text, seed).pattern.times.minutes


def test_the_same_seed_always_chooses_the_same() -> None:
    """These values are in databases: they may never change."""
    assert minutes("H * * * *", "nightly report") == (31,)
    assert parse("H H * * *", "nightly report").words() == "Every day at 18:31"
    assert minutes("H/15 * * * *", "nightly report") == (1, 16, 31, 46)


def test_jobs_spread_over_the_hour() -> None:
    counts = Counter(minutes("H * * * *", seed)[0] for seed in SEEDS)
    assert len(counts) == 60
    assert max(counts.values()) < 30


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("H/15 * * * *", {(n, n + 15, n + 30, n + 45) for n in range(15)}),
        ("H(0-29) * * * *", {(n,) for n in range(30)}),
        ("H(0-29)/10 * * * *", {(n, n + 10, n + 20) for n in range(10)}),
        ("H(5-5) * * * *", {(5,)}),
        ("H/90 * * * *", {(n,) for n in range(60)}),
        ("0,H(30-59) * * * *", {(0, n) for n in range(30, 60)}),
        ("h * * * *", {(n,) for n in range(60)}),
    ],
)
def test_it_chooses_within_range_and_step(text: str, allowed: set[tuple[int, ...]]) -> None:
    chosen = {minutes(text, seed) for seed in SEEDS}
    assert chosen <= allowed
    assert len(chosen) > len(allowed) * 0.9


def test_days_are_days_that_every_month_and_week_has() -> None:
    dates = {parse("0 0 H * *", seed).pattern.rule.dates.days for seed in SEEDS}
    assert dates == {(n,) for n in range(1, 29)}
    weekdays = {parse("0 0 * * H(mon-fri)", seed).pattern.rule.weekdays.days for seed in SEEDS}
    assert weekdays == {(n,) for n in range(5)}
    months = {parse("0 0 1 H *", seed).pattern.rule.months for seed in SEEDS}
    assert months == {(n,) for n in range(1, 13)}


def test_fields_of_one_job_are_chosen_apart() -> None:
    pairs = {
        (e.pattern.times.minutes[0], e.pattern.times.hours[0])
        for e in (parse("H H * * *", seed) for seed in SEEDS)
    }
    assert len(pairs) > 450


def test_a_hashed_daily_time_is_a_fixed_time() -> None:
    assert parse("H H * * *", "a").fixed
    assert not parse("H * * * *", "a").fixed


def test_the_seed_stays_with_the_trigger() -> None:
    trigger = seeded(CronTrigger(parse("H 3 * * *"), zone_named("UTC")), "a job")
    data = trigger.to_json()
    assert data == {"kind": "cron", "expression": "H 3 * * *", "seed": "a job", "zone": "UTC"}
    assert from_json(data) == trigger
    assert from_json(data).next_after(NEW_YEAR) == trigger.next_after(NEW_YEAR)
    assert seeded(trigger, "renamed") == trigger
    assert seeded(trigger, "its clone", again=True) != trigger


def test_an_expression_without_it_has_no_seed() -> None:
    assert parse("5 3 * * *", "a job") == parse("5 3 * * *")
    assert "seed" not in CronTrigger(parse("5 3 * * *", "x"), zone_named("UTC")).to_json()
