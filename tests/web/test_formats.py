"""How values read on a page."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from aegis_web.language import gettext, script_texts, spoken
from aegis_web.web import formats
from aegis_web.web.zones import COOKIE, find_zone, viewer_zone, zones
from tests.web.app import NOW, Person

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=59.9), "59 s ago"),
        (MINUTE, "1 min ago"),
        (59 * MINUTE, "59 min ago"),
        (19 * HOUR + 59 * MINUTE, "19 h ago"),
        (22 * DAY + HOUR, "22 d ago"),
    ],
)
def test_the_past_is_told_in_one_unit(now: None, passed: timedelta, text: str) -> None:
    assert formats.ago(NOW - passed) == text
    assert formats.relative(NOW - passed) == text


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(seconds=1), "in 1 s"),
        (3 * MINUTE, "in 3 min"),
        (5 * HOUR + 12 * MINUTE, "in 5 h 12 min"),
        (5 * HOUR, "in 5 h"),
        (5 * DAY + 6 * HOUR, "in 5 d 6 h"),
        (5 * DAY, "in 5 d"),
    ],
)
def test_the_future_is_told_in_two_units(now: None, left: timedelta, text: str) -> None:
    assert formats.until(NOW + left) == text
    assert formats.relative(NOW + left) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0002, "<1 ms"),
        (0.38, "380 ms"),
        (0.9999, "1.0 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (102, "1 m 42 s"),
        (2 * 3600 + 300, "2 h 05 m"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_lengths_of_time(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_400_000, "12.4 MB"),
        (999_960, "1.0 MB"),
        (250_000_000, "250 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert formats.size(count) == text


def test_numbers_are_grouped() -> None:
    assert formats.number(1_000_000) == "1\u202f000\u202f000"
    assert formats.number(None) == "–"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "Tue 24 Nov 2026, 08:00 UTC"),
        ("Europe/Berlin", "Tue 24 Nov 2026, 09:00 CET"),
        ("America/Sao_Paulo", "Tue 24 Nov 2026, 05:00 UTC-03"),
        ("Asia/Kathmandu", "Tue 24 Nov 2026, 13:45 UTC+05:45"),
    ],
)
def test_absolute_times_name_their_zone(zone: str, text: str) -> None:
    assert formats.clock(datetime(2026, 11, 24, 8, tzinfo=UTC), zone) == text


def test_summer_has_its_own_abbreviation() -> None:
    summer = datetime(2026, 7, 1, 8, 0, 5, tzinfo=UTC)
    assert formats.clock(summer, "Europe/Berlin", seconds=True) == "Wed 1 Jul 2026, 10:00:05 CEST"


def test_short_times_say_only_what_is_needed(now: None) -> None:
    def short(**later: int) -> str:
        return formats.short_clock(NOW + timedelta(**later), "UTC")

    assert short(hours=5) == "Tue 01:47 UTC"
    assert short(days=6) == "Sun 20:47 UTC"
    assert short(days=7) == "30 Nov 20:47 UTC"
    assert short(days=60) == "22 Jan 2027 20:47 UTC"
    assert short(days=-7) == "16 Nov 20:47 UTC"


def test_germans_read_their_own_names_and_signs(now: None) -> None:
    noon = datetime(2026, 3, 24, 11, tzinfo=UTC)
    with spoken("de"):
        assert formats.relative(NOW - 3 * MINUTE) == "vor 3 min"
        assert formats.relative(NOW + 5 * HOUR + 12 * MINUTE) == "in 5 h 12 min"
        assert formats.duration(4.2) == "4,2 s"
        assert formats.duration(102) == "1 min 42 s"
        assert formats.size(12_400_000) == "12,4 MB"
        assert formats.percent(98.46) == "98,5 %"
        assert formats.number(1234.5) == "1\u202f234,5"
        assert formats.clock(noon, "Europe/Berlin") == "Di, 24. März 2026, 12:00 CET"
        assert formats.short_clock(NOW + 7 * DAY, "UTC") == "30. Nov. 20:47 UTC"


def test_scripts_tell_relative_times_in_the_same_words() -> None:
    with spoken("de"):
        told = script_texts()
        for message in ("now", "in %(time)s", "%(time)s ago"):
            in_script = message.replace("%(time)s", "{time}")
            assert told[in_script] == gettext(message, time="{time}")


@pytest.mark.parametrize("form", [formats.ago, formats.until, formats.clock, formats.short_clock])
def test_no_time_is_a_dash(form: object) -> None:
    assert callable(form)
    assert form(None) == "–"


def test_the_account_names_the_zone_first(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Person, "zone", "Asia/Tokyo")
    assert zone_of(app, cookie="Europe/Berlin", signed_in=True) == "Asia/Tokyo"


def test_the_browser_names_the_zone_next(app: Flask) -> None:
    assert zone_of(app, cookie="Europe/Berlin", signed_in=True) == "Europe/Berlin"
    assert zone_of(app, cookie="Europe/Berlin", signed_in=False) == "Europe/Berlin"


@pytest.mark.parametrize(
    "cookie", [None, "", "Nowhere/Land", "../../etc/passwd", "America", "x" * 99]
)
def test_a_useless_cookie_leaves_the_zone_of_the_installation(
    app: Flask, cookie: str | None
) -> None:
    assert zone_of(app, cookie=cookie, signed_in=True) == "UTC"


def test_outside_of_a_request_times_are_in_the_zone_of_the_installation(app: Flask) -> None:
    with app.app_context():
        assert viewer_zone().key == "UTC"


def zone_of(app: Flask, *, cookie: str | None, signed_in: bool) -> str:
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
    with app.test_request_context("/", headers=headers):
        if signed_in:
            from flask_security import current_user

            assert current_user.is_authenticated
        return viewer_zone().key


def test_zones_to_choose_from_exist_and_start_with_utc() -> None:
    names = zones()
    assert names[0] == "UTC"
    assert "Europe/Berlin" in names
    assert all(find_zone(name) for name in names)
    assert not any(name.startswith(("Etc/", "posix/", "US/")) for name in names)


def test_an_old_name_in_use_stays_choosable() -> None:
    assert "US/Eastern" in zones("US/Eastern")
    assert zones("UTC").count("UTC") == 1
