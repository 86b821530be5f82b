"""What `add_job` means by its trigger arguments, and our triggers as APScheduler sees them."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger as ApsCron
from apscheduler.triggers.date import DateTrigger as ApsDate
from apscheduler.triggers.interval import IntervalTrigger as ApsInterval

from aegis_web.engine import cron
from aegis_web.engine.triggers import (
    CronTrigger,
    DateTrigger,
    FieldsTrigger,
    IntervalTrigger,
    Trigger,
    as_apscheduler,
    from_apscheduler,
    jitter_of,
)
from aegis_web.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")
ANCHOR = datetime(2026, 5, 1, 7, 0, tzinfo=UTC)


def read(trigger: Any = None, **trigger_args: Any) -> Trigger:
    return from_apscheduler(trigger, trigger_args, "Europe/Berlin", ANCHOR)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("trigger_args", "words"),
    [
        ({"hour": 9, "minute": 0}, "Every day at 09:00"),
        ({"hour": 6, "minute": 30}, "Every day at 06:30"),
        ({"day_of_week": "mon-fri", "hour": 18}, "At 18:00, Monday to Friday"),
        ({"day_of_week": "mon", "hour": 8}, "Every Monday at 08:00"),
        ({"minute": "*/10"}, "Every 10 minutes"),
        ({}, "Every second"),
        ({"hour": 9, "minute": None}, "Every day at 09:00"),
    ],
)
def test_cron_keywords(trigger_args: dict[str, Any], words: str) -> None:
    trigger = read("cron", **trigger_args)
    assert isinstance(trigger, FieldsTrigger)
    assert trigger.words() == words
    assert trigger.zone == BERLIN


@pytest.mark.parametrize(
    ("trigger_args", "every", "unit"),
    [
        ({"hours": 4}, 4, "hours"),
        ({"minutes": 30}, 30, "minutes"),
        ({"days": 1}, 1, "days"),
        ({"weeks": 2}, 2, "weeks"),
        ({"days": 14}, 2, "weeks"),
        ({"weeks": 1, "days": 1}, 8, "days"),
        ({"hours": 24}, 24, "hours"),
        ({"days": 1, "hours": 12}, 36, "hours"),
        ({"days": 1, "minutes": 1}, 1441, "minutes"),
        ({"hours": 1, "minutes": 60}, 2, "hours"),
        ({"minutes": 90}, 90, "minutes"),
        ({"seconds": 300}, 5, "minutes"),
        ({"hours": 0.5}, 30, "minutes"),
        ({"hours": 1, "seconds": 0}, 1, "hours"),
    ],
)
def test_interval_keywords_become_one_unit(
    trigger_args: dict[str, Any], every: int, unit: str
) -> None:
    assert read("interval", **trigger_args) == IntervalTrigger(every, unit, ANCHOR, BERLIN)


def test_an_interval_starts_at_its_start_date_and_ends_with_its_end_date() -> None:
    trigger = read("interval", hours=1, start_date="2026-06-01 10:00:00", end_date="2026-06-02")
    assert isinstance(trigger, IntervalTrigger)
    assert trigger.anchor == utc(2026, 6, 1, 8)
    assert trigger.ends_at == utc(2026, 6, 1, 22)


def test_cron_keywords_keep_start_end_and_zone() -> None:
    trigger = read(
        "cron", hour=9, start_date=date(2026, 6, 1), end_date="2026-06-02", timezone="Asia/Tokyo"
    )
    assert trigger == FieldsTrigger(
        {"hour": "9"}, ZoneInfo("Asia/Tokyo"), utc(2026, 5, 31, 15), utc(2026, 6, 1, 15)
    )


@pytest.mark.parametrize(
    ("run_date", "expected"),
    [
        ("2026-12-24 18:00:00", utc(2026, 12, 24, 17)),
        ("2026-12-24", utc(2026, 12, 23, 23)),
        ("2026-12-24T18:00:00+05:30", utc(2026, 12, 24, 12, 30)),
        (datetime(2026, 12, 24, 18), utc(2026, 12, 24, 17)),  # noqa: DTZ001 - as people write it
        (utc(2026, 12, 24, 18), utc(2026, 12, 24, 18)),
        (date(2026, 12, 24), utc(2026, 12, 23, 23)),
    ],
)
def test_a_date_takes_all_that_apscheduler_takes(run_date: object, expected: datetime) -> None:
    assert read("date", run_date=run_date) == DateTrigger(expected, BERLIN)
    assert read(run_date=run_date) == DateTrigger(expected, BERLIN)


def test_no_trigger_and_a_date_without_a_date_mean_now() -> None:
    assert read() == DateTrigger(ANCHOR, BERLIN)
    assert read("date") == DateTrigger(ANCHOR, BERLIN)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
        (UTC, "UTC"),
        (timezone(timedelta(hours=2)), "Etc/GMT-2"),
        (timezone(timedelta(hours=-5)), "Etc/GMT+5"),
    ],
)
def test_a_zone_is_kept_by_its_name(given: object, key: str) -> None:
    trigger = read("cron", hour=9, timezone=given)
    assert trigger.zone.key == key
    offset = timedelta(hours={"Etc/GMT-2": 2, "Etc/GMT+5": -5}.get(key, 9 if "Tokyo" in key else 0))
    assert trigger.next_after(ANCHOR).astimezone(timezone(offset)).hour == 9  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("trigger", "trigger_args", "field", "words"),
    [
        ("sundial", {}, "trigger", "cron, interval or date"),
        ("cron", {"hours": 9}, "hours", "takes no hours"),
        ("interval", {"hour": 9}, "hour", "takes no hour"),
        ("date", {"hour": 9}, "hour", "takes no hour"),
        ("cron", {"hour": 25}, "hour", "25 is above 23"),
        ("cron", {"hour": 9, "timezone": "Mars/Olympus"}, "timezone", "no time zone"),
        ("cron", {"hour": 9, "timezone": timezone(timedelta(minutes=5))}, "timezone", "name"),
        ("cron", {"hour": 9, "timezone": 5}, "timezone", "name of a time zone"),
        ("cron", {"hour": 9, "start_date": "soon"}, "start_date", 'start_date="soon"'),
        ("cron", {"hour": 9, "start_date": "2026-02-30"}, "start_date", "is not a date"),
        ("cron", {"hour": 9, "start_date": 5}, "start_date", "must be a date"),
        (
            "cron",
            {"hour": 9, "start_date": "2026-02-02", "end_date": "2026-02-01"},
            "end_date",
            "before start_date",
        ),
        ("interval", {}, "seconds", "needs a length"),
        ("interval", {"minutes": 0}, "seconds", "needs a length"),
        ("interval", {"minutes": -5}, "minutes", "from 0 up"),
        ("interval", {"minutes": "5"}, "minutes", "from 0 up"),
        ("interval", {"minutes": float("nan")}, "minutes", "from 0 up"),
        ("interval", {"minutes": float("inf")}, "minutes", "too long"),
        ("interval", {"days": 10**10}, "days", "too long"),
        ("interval", {"days": 4000}, "every", "3,650 days"),
        ("interval", {"seconds": 0.5}, "seconds", "whole number of seconds"),
        ("date", {"run_date": "24.12.2026"}, "run_date", "Write 2026-12-24"),
    ],
)
def test_it_refuses_and_names_the_keyword(
    trigger: str, trigger_args: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        read(trigger, **trigger_args)
    assert words in refusal.value.errors[field]


def test_a_cron_trigger_object_keeps_its_fields() -> None:
    trigger = read(ApsCron(day_of_week="mon-fri", hour=9, timezone="Asia/Tokyo"))
    assert trigger == FieldsTrigger({"day_of_week": "mon-fri", "hour": "9"}, ZoneInfo("Asia/Tokyo"))


def test_a_crontab_read_by_apscheduler_keeps_apschedulers_meaning() -> None:
    trigger = read(ApsCron.from_crontab("0 9 * * 1-5", timezone="UTC"))
    assert trigger.words() == "At 09:00, Tuesday to Saturday"


def test_an_interval_and_a_date_object_are_kept() -> None:
    start, end = utc(2026, 6, 1), utc(2026, 7, 1)
    every = ApsInterval(minutes=90, start_date=start, end_date=end, timezone=BERLIN)
    assert read(every) == IntervalTrigger(90, "minutes", start, BERLIN, ends_at=end)
    day = ApsInterval(days=1, start_date=start, timezone=BERLIN)
    assert read(day) == IntervalTrigger(1, "days", start, BERLIN)
    assert read(ApsDate(start, timezone="UTC")) == DateTrigger(start, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "trigger",
    [
        AndTrigger([ApsCron(hour=9, timezone="UTC")]),
        OrTrigger([ApsCron(hour=9, timezone="UTC")]),
        CalendarIntervalTrigger(months=1, start_date="2026-01-01", timezone="UTC"),
    ],
)
def test_it_refuses_trigger_objects_that_it_cannot_keep(trigger: object) -> None:
    with pytest.raises(Invalid, match=r"A (And|Or|CalendarInterval)Trigger cannot be kept"):
        read(trigger)


def test_jitter_is_told_apart_from_the_trigger() -> None:
    assert jitter_of("cron", {"hour": 9, "jitter": 120}) == 120
    assert jitter_of("interval", {"hours": 1}) == 0
    assert jitter_of(None, {}) == 0
    assert jitter_of(ApsInterval(hours=1, jitter=30, timezone="UTC"), {}) == 30
    assert jitter_of(ApsDate(ANCHOR), {}) == 0
    assert read("cron", hour=9, jitter=120) == read("cron", hour=9)


@pytest.mark.parametrize("jitter", [-1, 86_401, "5", True, 0.5, float("nan"), float("inf")])
def test_it_refuses_a_jitter_that_cannot_be(jitter: object) -> None:
    with pytest.raises(Invalid, match="jitter: jitter must be whole seconds from 0 to 86,400"):
        jitter_of("cron", {"jitter": jitter})


def test_our_trigger_comes_back_from_behind_apschedulers_interface() -> None:
    trigger = CronTrigger(cron.parse("0 2 * * *"), BERLIN)
    assert from_apscheduler(as_apscheduler(trigger), {}, "UTC", ANCHOR) is trigger
    assert as_apscheduler(trigger) == as_apscheduler(trigger)
    assert as_apscheduler(trigger) != as_apscheduler(
        CronTrigger(trigger.expression, ZoneInfo("UTC"))
    )
    assert len({as_apscheduler(trigger), as_apscheduler(trigger)}) == 1
    assert str(as_apscheduler(trigger)) == "Every day at 02:00"


def test_it_answers_apscheduler_with_the_first_from_now_or_the_next_after_the_previous() -> None:
    trigger = as_apscheduler(CronTrigger(cron.parse("0 2 * * *"), BERLIN))
    now = utc(2026, 5, 1, 0)
    assert trigger.get_next_fire_time(None, now) == now
    assert trigger.get_next_fire_time(now, now) == utc(2026, 5, 2, 0)
    assert trigger.get_next_fire_time(utc(2026, 4, 1), now) == utc(2026, 4, 2, 0)
    assert trigger.get_next_fire_time(None, now).tzinfo == BERLIN  # type: ignore[union-attr]


def test_a_date_that_has_passed_is_still_given_once() -> None:
    trigger = as_apscheduler(DateTrigger(utc(2020, 1, 1), BERLIN))
    assert trigger.get_next_fire_time(None, utc(2026, 1, 1)) == utc(2020, 1, 1)
    assert trigger.get_next_fire_time(utc(2020, 1, 1), utc(2026, 1, 1)) is None


def test_an_apscheduler_scheduler_takes_it() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    try:
        year_end = CronTrigger(cron.parse("59 23 31 12 *"), ZoneInfo("UTC"))
        job = scheduler.add_job(print, as_apscheduler(year_end))
        assert (job.next_run_time.month, job.next_run_time.day) == (12, 31)
    finally:
        scheduler.shutdown()
