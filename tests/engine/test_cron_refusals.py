"""What is not a usable cron expression, and how people are told."""

import time

import pytest

from aegis_web.engine.cron import CronError, parse
from aegis_web.errors import Invalid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("60 * * * *", ["minute", '"60"', "above 59", "0 to 59"]),
        ("-1 * * * *", ["minute", '"-1"', "whole number"]),
        ("1.5 * * * *", ["minute", '"1.5"', "whole number"]),
        ("a * * * *", ["minute", '"a"', "not understood"]),
        ("*/0 * * * *", ["minute", "step must be 1 or more"]),
        ("*/x * * * *", ["minute", '"*/x"', "not understood"]),
        ("1,,2 * * * *", ["minute", "between two commas"]),
        ("1, * * * *", ["minute", "between two commas"]),
        ("1-2-3 * * * *", ["minute", '"1-2-3"']),
        ("٣ * * * *", ["minute", "not understood"]),
        ("\x00 * * * *", ["minute", "not understood"]),
        ("\N{PILE OF POO} * * * *", ["minute", "not understood"]),
        ("? * * * *", ["minute", "write *"]),
        ("H/0 * * * *", ["minute", '"H/0"', "1 or more"]),
        ("H(0-60) * * * *", ["minute", "60 is above 59"]),
        ("H(30-10) * * * *", ["minute", "backwards"]),
        ("H(1 * * * *", ["minute", "H(0-29)"]),
        ("0-H * * * *", ["minute", '"0-H"', '"H" stands alone']),
        ("* 24 * * *", ["hour", '"24"', "above 23", "0 to 23"]),
        ("* 22-2 * * *", ["hour", '"22-2"', "backwards", "two ranges"]),
        ("* * 0 * *", ["day of month", '"0"', "below 1", "1 to 31"]),
        ("* * 32 * *", ["day of month", "above 31"]),
        ("* * 32W * *", ["day of month", '"32W"']),
        ("* * mon * *", ["day of month", '"mon"']),
        ("* * * 13 *", ["month field", '"13"', "1 to 12"]),
        ("* * * january *", ["month field", "first three letters: jan"]),
        ("* * * mon *", ["month field", '"mon" is none of jan']),
        ("* * * * 8", ["day of week", '"8"', "above 7", "0 and 7 are Sunday"]),
        ("* * * * jan", ["day of week", '"jan" is none of sun']),
        ("* * * * monday", ["day of week", "first three letters: mon"]),
        ("* * * * 5-1", ["day of week", '"5-1"', "backwards"]),
        ("* * * * fri#6", ["day of week", '"fri#6"', "at most five times"]),
        ("* * * * L", ["day of week", '"L"']),
        ("", ["empty", "Example"]),
        ("   ", ["empty"]),
        ("* * * *", ["five fields", "has 4"]),
        ("0 0 2 * * *", ["five fields", "has 6", "seconds"]),
        ("0 2 * * * /usr/bin/backup", ["has 6", "command"]),
        ("@reboot", ["@reboot", "not a time", "@daily"]),
        ("@every 5m", ["interval trigger"]),
        ("@fortnightly", ['"@fortnightly" is not known', "@weekly"]),
        ("@daily 5", ["@daily stands alone"]),
        ("*" * 201, ["201 characters", "at most 200"]),
        ("*" * 50_000, ["50000 characters"]),
    ],
)
def test_it_refuses_and_names_the_field_what_was_typed_and_what_is_allowed(
    text: str, words: list[str]
) -> None:
    with pytest.raises(CronError) as refusal:
        parse(text)
    for word in words:
        assert word in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_refusal_is_invalid_input_for_the_field_cron_and_a_value_error() -> None:
    with pytest.raises(CronError) as refusal:
        parse("61 * * * *")
    assert isinstance(refusal.value, Invalid)
    assert isinstance(refusal.value, ValueError)
    assert refusal.value.errors == {"cron": str(refusal.value)}
    assert str(refusal.value).startswith('The minute field says "61": 61 is above 59. Allowed: ')


@pytest.mark.parametrize(
    "text",
    [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 30,31 feb *",
        "0 0 30 2 */2",
        "*/5 * 31W apr *",
        "0 0 */31 2 fri#5",
    ],
)
def test_it_refuses_an_expression_that_never_fires_and_does_so_at_once(text: str) -> None:
    before = time.perf_counter()
    with pytest.raises(CronError, match=r"never fires"):
        parse(text)
    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  5   4 * *\t* ", "5 4 * * *"),
        ("5 4 * * *\n", "5 4 * * *"),
        ("05 004 * * *", "5 4 * * *"),
        ("0 0 * JAN Sun", "0 0 * 1 0"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * sun-thu", "0 0 * * 0-4"),
        ("0 0 * * fri-mon", "0 0 * * 5,6,0,1"),
        ("0 0 * * fri-sun", "0 0 * * 5-7"),
        ("0 0 * * fri-mon/2", "0 0 * * 5,0"),
        ("0 0 * nov-feb *", "0 0 * 1,2,11,12 *"),
        ("0 0 * * mon-5", "0 0 * * 1-5"),
        ("0 0 * * 1/2", "0 0 * * 1,3,5,7"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("7-7/3 * * * *", "7 * * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@MIDNIGHT", "0 0 * * *"),
    ],
)
def test_two_ways_to_write_the_same(text: str, same: str) -> None:
    one, other = parse(text), parse(same)
    assert one.pattern.rule == other.pattern.rule
    assert one.pattern.times.hours == other.pattern.times.hours
    assert one.pattern.times.minutes == other.pattern.times.minutes
    assert one.fixed == other.fixed


def test_the_text_is_kept_with_single_spaces() -> None:
    assert parse("  5  4 * * Mon ").text == "5 4 * * Mon"


def test_hourly_follows_the_clock_and_daily_is_a_fixed_time() -> None:
    assert not parse("@hourly").fixed
    assert parse("@daily").fixed
    assert not parse("*/5 3 * * *").fixed
    assert not parse("30 */2 * * *").fixed
    assert parse("0-59 0-23 * * *").fixed
