"""Durations: read as people write them, shown as they read them, exact both ways."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis_web.parameters.durations import duration_iso, duration_words, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1 hour, 30 minutes", timedelta(minutes=90)),
        ("2 days", timedelta(days=2)),
        ("1.5 h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("-5m", timedelta(minutes=-5)),
        ("PT1H30M", timedelta(minutes=90)),
        ("p1w", timedelta(weeks=1)),
        ("P1DT0.5S", timedelta(days=1, milliseconds=500)),
    ],
)
def test_it_reads_what_people_and_programs_write(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "90", "soon", "5 parsecs", "1h x", "P", "PT", "1:30", "m", "٣"]
)
def test_it_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write it like"):
        parse_duration(text)


def test_it_refuses_what_is_too_long() -> None:
    with pytest.raises(ValueError, match="too long a duration"):
        parse_duration("999999999999d")


@given(st.timedeltas())
def test_words_and_iso_are_exact(duration: timedelta) -> None:
    assert parse_duration(duration_words(duration)) == duration
    assert parse_duration(duration_iso(duration)) == duration


def test_words_are_short() -> None:
    assert duration_words(timedelta(0)) == "0s"
    assert duration_words(timedelta(days=1, hours=2, seconds=30)) == "1d 2h 30s"
