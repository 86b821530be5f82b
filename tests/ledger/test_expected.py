"""Which fire times a job had, by what it said when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from aegis_web.engine.cron import parse
from aegis_web.engine.triggers import CronTrigger, DateTrigger, Trigger
from aegis_web.ledger.expected import (
    Rule,
    count_expected,
    expected_times,
    next_expected,
    rule_at,
)

UTC_ZONE = ZoneInfo("UTC")
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def cron(text: str) -> Trigger:
    return CronTrigger(parse(text), UTC_ZONE)


def walked(rules: list[Rule], after: datetime, until: datetime) -> list[datetime]:
    """The same by looking at each minute."""
    found = []
    for rule in rules:
        now = rule.first_at or rule.after
        if rule.first_at:
            found.append(rule.first_at)
        end = min(until, rule.until or until)
        while (following := rule.trigger.next_after(now)) is not None and following <= end:
            found.append(following)
            now = following
    return sorted(each for each in found if after < each <= until)


@given(
    hours=st.lists(st.integers(1, 200), min_size=1, max_size=4),
    texts=st.lists(st.sampled_from(["0 * * * *", "*/20 * * * *", "30 2 * * *"]), min_size=4),
    begin=st.integers(-10, 300),
    length=st.integers(0, 400),
    by_hand=st.booleans(),
)
def test_it_counts_what_a_walk_over_all_fire_times_finds(
    hours: list[int], texts: list[str], begin: int, length: int, by_hand: bool
) -> None:
    rules, at = [], START
    for number, (span, text) in enumerate(zip(hours, texts, strict=False)):
        last = number == len(hours) - 1
        first = at + timedelta(minutes=7) if by_hand and number == 1 else None
        rules.append(Rule(cron(text), at, None if last else at + span * HOUR, first))
        at += span * HOUR
    after, until = START + begin * HOUR, START + (begin + length) * HOUR
    expected = walked(rules, after, until)
    assert count_expected(rules, after, until) == len(expected)
    assert expected_times(rules, after, until, 10_000) == expected
    assert expected_times(rules, after, until, 3) == expected[-3:]


def test_a_date_that_had_passed_when_the_job_was_made_is_one_fire_time() -> None:
    at = START - HOUR
    rules = [Rule(DateTrigger(at, UTC_ZONE), START, None, at)]
    assert count_expected(rules, at - HOUR, START) == 1
    assert expected_times(rules, at - HOUR, START, 5) == [at]
    assert count_expected(rules, at, START) == 0
    assert next_expected(rules, START) is None


def test_the_next_fire_time_is_that_of_the_rule_which_holds_then() -> None:
    rules = [
        Rule(cron("30 * * * *"), START, START + 2 * HOUR),
        Rule(cron("0 5 * * *"), START + 2 * HOUR, None),
    ]
    assert next_expected(rules, START) == START + HOUR / 2
    assert next_expected(rules, START + 1.5 * HOUR) == START + 5 * HOUR
    assert rule_at(rules, START + HOUR) is rules[0]
    assert rule_at(rules, START + 3 * HOUR) is rules[1]
    assert rule_at(rules, START) is None
