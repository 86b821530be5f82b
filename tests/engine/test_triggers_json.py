"""Triggers as plain values, in and out, and what all kinds have in common."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine import cron
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    from_json,
    preview,
    zone_named,
)
from aegis_web.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


KINDS: list[tuple[Trigger, dict[str, Any]]] = [
    (
        CronTrigger(cron.parse("0 2 * * mon"), BERLIN),
        {"kind": "cron", "expression": "0 2 * * mon", "zone": "Europe/Berlin"},
    ),
    (
        CronTrigger(cron.parse("@daily"), BERLIN, at("2026-01-01"), at("2026-02-01")),
        {
            "kind": "cron",
            "expression": "@daily",
            "zone": "Europe/Berlin",
            "starts_at": "2026-01-01T00:00:00+00:00",
            "ends_at": "2026-02-01T00:00:00+00:00",
        },
    ),
    (
        FieldsTrigger({"hour": "9", "day_of_week": "mon-fri"}, BERLIN, ends_at=at("2026-02-01")),
        {
            "kind": "fields",
            "fields": {"day_of_week": "mon-fri", "hour": "9"},
            "zone": "Europe/Berlin",
            "ends_at": "2026-02-01T00:00:00+00:00",
        },
    ),
    (
        IntervalTrigger(90, "minutes", at("2026-01-01"), BERLIN),
        {
            "kind": "interval",
            "every": 90,
            "unit": "minutes",
            "anchor": "2026-01-01T00:00:00+00:00",
            "zone": "Europe/Berlin",
        },
    ),
    (
        DateTrigger(at("2026-12-24T17:00"), BERLIN),
        {"kind": "date", "at": "2026-12-24T17:00:00+00:00", "zone": "Europe/Berlin"},
    ),
]


@pytest.mark.parametrize(("trigger", "data"), KINDS)
def test_a_trigger_survives_json(trigger: Trigger, data: dict[str, Any]) -> None:
    assert trigger.to_json() == data
    again = from_json(json.loads(json.dumps(data)))
    assert again == trigger
    assert hash(again) == hash(trigger)
    assert again.kind == data["kind"]
    assert str(again.zone) == data["zone"]


@pytest.mark.parametrize(("trigger", "data"), KINDS)
def test_next_count_and_newest_agree(trigger: Trigger, data: dict[str, Any]) -> None:
    after, until = at("2025-12-20"), at("2026-12-31")
    walked = [fire for fire in preview(trigger, after, 10_000) if fire <= until]
    assert walked
    assert trigger.count_between(after, until) == len(walked)
    assert trigger.last_between(after, until, 7) == walked[-7:]
    assert trigger.count_between(walked[0], walked[0]) == 0
    assert trigger.count_between(walked[0] - timedelta(microseconds=1), walked[0]) == 1
    assert trigger.last_between(after, until, 0) == []


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"kind": "sundial"}, "kind", "cron, fields, interval, date"),
        ({"kind": None}, "kind", "Choose one of"),
        ({"kind": ["cron"]}, "kind", "Choose one of"),
        ({"zone": "Mars/Olympus"}, "zone", 'no time zone "Mars/Olympus"'),
        ({"zone": "../../etc/passwd"}, "zone", "no time zone"),
        ({"zone": "\x00"}, "zone", "no time zone"),
        ({"zone": "x" * 50_000}, "zone", "no time zone"),
        ({"zone": None}, "zone", "no time zone"),
        ({"expression": "61 * * * *"}, "cron", "minute"),
        ({"expression": 5}, "cron", "five fields"),
        ({"starts_at": "tomorrow"}, "starts_at", "ISO 8601"),
        ({"starts_at": 5}, "starts_at", "ISO 8601"),
        ({"ends_at": "2026-01-01T00:00:00"}, "ends_at", "with its zone"),
        ({"end": "2026-01-01T00:00:00+00:00"}, "end", "has no value"),
    ],
)
def test_it_refuses_values_that_cannot_be_used(
    change: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        from_json({"kind": "cron", "expression": "0 2 * * *", "zone": "UTC"} | change)
    assert words in refusal.value.errors[field]
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("kind", ["cron", "fields", "interval", "date"])
def test_it_names_what_is_missing(kind: str) -> None:
    data = next(data for _, data in KINDS if data["kind"] == kind)
    for name in data.keys() - {"kind", "ends_at"}:
        with pytest.raises(Invalid) as refusal:
            from_json({key: value for key, value in data.items() if key != name})
        assert f"needs “{name}”" in refusal.value.errors[name]


def test_a_date_fires_once() -> None:
    trigger = DateTrigger(at("2026-12-24T17:00"), BERLIN)
    assert preview(trigger, at("2026-01-01"), 5) == [at("2026-12-24T17:00")]
    assert trigger.next_after(at("2026-12-24T17:00")) is None
    assert trigger.words() == "Once, on 24 December 2026 at 18:00"


def test_limits_include_both_ends() -> None:
    start, end = at("2026-01-02T01:00"), at("2026-01-04T01:00")
    trigger = CronTrigger(cron.parse("0 2 * * *"), BERLIN, start, end)
    expected = [start, at("2026-01-03T01:00"), end]
    assert preview(trigger, at("2020-01-01"), 10) == expected
    assert trigger.count_between(at("2020-01-01"), at("2030-01-01")) == 3
    assert trigger.last_between(at("2020-01-01"), at("2030-01-01"), 10) == expected


def test_a_known_zone_is_found() -> None:
    assert zone_named("America/Argentina/Buenos_Aires").key == "America/Argentina/Buenos_Aires"
