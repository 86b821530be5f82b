"""Triggers in German: sentences of their own shape, not English ones with other words."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine.clockmarks import clock_marks, coming_change
from aegis_web.engine.cron import CronError, parse
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    as_apscheduler,
    in_english,
    preview,
)
from aegis_web.language import spoken

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # rhythms
        ("* * * * *", "Jede Minute"),
        ("*/15 * * * *", "Alle 15 Minuten"),
        ("5/15 * * * *", "Alle 15 Minuten ab Minute 5 jeder Stunde"),
        ("0 * * * *", "Stündlich"),
        ("5 * * * *", "Stündlich zur Minute 5"),
        ("7,23 * * * *", "Stündlich zu den Minuten 7 und 23"),
        ("0 */2 * * *", "Alle 2 Stunden"),
        ("30 */6 * * *", "Alle 6 Stunden zur Minute 30"),
        ("15 1-23/2 * * *", "Alle 2 Stunden ab 01:15"),
        ("0 9-17 * * *", "Stündlich von 09:00 bis 17:00"),
        ("*/15 9-17 * * mon-fri", "Alle 15 Minuten von 09:00 bis 17:45, Montag bis Freitag"),
        ("*/5 */2 * * *", "Alle 5 Minuten in jeder 2. Stunde ab 00:00"),
        ("* 3,7 * * *", "Jede Minute in den Stunden 03 und 07"),
        ("0,7 3,7,11 * * mon", "Zu den Minuten 0 und 7 in den Stunden 03, 07 und 11, jeden Montag"),
        # days of the week
        ("0 2 * * *", "Täglich um 02:00"),
        ("0 9,17 * * *", "Täglich um 09:00 und 17:00"),
        ("0 9 * * 1-5", "Um 09:00, Montag bis Freitag"),
        ("0 9 * * mon,wed,fri", "Jeden Montag, Mittwoch und Freitag um 09:00"),
        ("0 9 * * fri#2", "Am zweiten Freitag jedes Monats um 09:00"),
        ("0 8 * * mon,friL", "Jeden Montag und am letzten Freitag jedes Monats um 08:00"),
        # days of the month
        ("0 0 1,15 * *", "Am 1. und 15. jedes Monats um 00:00"),
        ("0 0 1-7,L * *", "Am 1. bis 7. und letzten Tag jedes Monats um 00:00"),
        ("0 0 15W * *", "Am nächstgelegenen Arbeitstag zum 15. jedes Monats um 00:00"),
        ("0 0 */2 * *", "An jedem 2. Tag jedes Monats (1., 3., 5. … 31.) um 00:00"),
        ("0 0 13 * fri", "Am 13. jedes Monats und jeden Freitag um 00:00"),
        ("0 0 1-7 * */7", "Jeden Sonntag, der auf den 1. bis 7. des Monats fällt, um 00:00"),
        # months
        ("0 2 * jan *", "Täglich im Januar um 02:00"),
        ("0 9 * 1-3 1-5", "Um 09:00, Montag bis Freitag, von Januar bis März"),
        ("0 0 1 1,7 *", "Am 1. im Januar und Juli um 00:00"),
        ("0 0 1 nov-feb *", "Am 1. jedes Monats von November bis Februar um 00:00"),
        ("0 12 24 dec *", "Jedes Jahr am 24. Dezember um 12:00"),
        ("0 0 29 2 *", "In jedem Schaltjahr am 29. Februar um 00:00"),
    ],
)
def test_a_cron_expression_in_german(text: str, words: str) -> None:
    with spoken("de"):
        assert parse(text).words() == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"second": "*/10"}, "Alle 10 Sekunden"),
        ({"second": "5,35"}, "Zu den Sekunden 5 und 35 jeder Minute"),
        ({"minute": "*/15", "second": "*/10"}, "Alle 10 Sekunden in diesen Minuten: alle 15 Minut"),
        ({"hour": 9, "week": "1-3,5"}, "Täglich um 09:00, in den Kalenderwochen 1 bis 3 und 5"),
        ({"month": 2, "day": 29, "year": 2028}, "Am 29. Februar um 00:00, im Jahr 2028"),
        ({"hour": 9, "day": 1, "year": "2027,2028"}, "Am 1. jedes Monats um 09:00, in den Jahren "),
    ],
)
def test_fields_in_german(fields: dict[str, Any], words: str) -> None:
    with spoken("de"):
        assert FieldsTrigger(fields, BERLIN).words().startswith(words)


START = datetime(2026, 5, 4, 6, 30, tzinfo=UTC)  # a Monday, 08:30 in Berlin


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (IntervalTrigger(1, "minutes", START, BERLIN), "Jede Minute"),
        (IntervalTrigger(30, "minutes", START, BERLIN), "Alle 30 Minuten"),
        (IntervalTrigger(1, "days", START, BERLIN), "Täglich um 08:30"),
        (IntervalTrigger(2, "weeks", START, BERLIN), "Alle 2 Wochen am Montag um 08:30"),
        (DateTrigger(START, BERLIN), "Einmal, am 4. Mai 2026 um 08:30"),
    ],
)
def test_other_triggers_in_german(trigger: Trigger, words: str) -> None:
    with spoken("de"):
        assert trigger.words() == words
        assert in_english(trigger) != words  # what is stored or logged stays English
        assert str(as_apscheduler(trigger)) == in_english(trigger)


def test_what_a_change_of_the_clock_does_in_german() -> None:
    trigger = CronTrigger(parse("30 2 * * *"), BERLIN)
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    with spoken("de"):
        (mark,) = clock_marks(trigger, before, preview(trigger, before, 1)).values()
        assert mark.words() == (
            "die Uhren werden am Sonntag, 25. Oktober 2026 um 03:00 zurückgestellt: "
            "läuft einmal, beim ersten 02:30"
        )
        assert coming_change(trigger, before, datetime(2026, 11, 1, tzinfo=UTC)) == (
            "Die Uhren werden am Sonntag, 25. Oktober 2026 um 03:00 zurückgestellt: "
            "läuft einmal, beim ersten 02:30."
        )


def test_a_refusal_in_german_names_field_and_cure() -> None:
    with spoken("de"), pytest.raises(CronError) as refused:
        parse("61 * * * *")
    assert str(refused.value) == (
        "Im Feld Minute steht „61“: 61 ist größer als 59. Erlaubt: 0 bis 59; dazu * für alle, "
        "Bereiche (0-29), Schritte (*/2) und Listen (0,29)."
    )
