"""Each known defect of APScheduler 3 about time, and that our triggers do not have it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aegis_web.engine import cron
from aegis_web.engine.triggers import (
    CronTrigger,
    FieldsTrigger,
    IntervalTrigger,
    as_apscheduler,
    from_apscheduler,
    from_json,
    jitter_of,
    preview,
)
from aegis_web.errors import Invalid

UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(text: str, zone: ZoneInfo, after: str, n: int) -> list[str]:
    trigger = CronTrigger(cron.parse(text), zone)
    return [f"{fire:%Y-%m-%d %H:%M}" for fire in preview(trigger, at(after), n)]


@pytest.mark.parametrize(
    "trigger",
    [
        IntervalTrigger(1, "seconds", at("2026-01-01"), UTC_ZONE),
        FieldsTrigger({"second": "*"}, ZoneInfo("Europe/Berlin")),
    ],
)
def test_backlog_enumerates_every_missed_time__it_is_counted(
    trigger: IntervalTrigger | FieldsTrigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    original = type(trigger)._following

    def counted(self: IntervalTrigger, instant: datetime) -> datetime | None:
        nonlocal steps
        steps += 1
        return original(self, instant)  # type: ignore[arg-type]

    monkeypatch.setattr(type(trigger), "_following", counted)
    down_from, back_at = at("2026-03-25"), at("2026-04-01")
    assert trigger.count_between(down_from, back_at) == 604_800
    assert trigger.last_between(down_from, back_at, 1) == [back_at]
    assert steps < 200


def test_replace_existing_restart_starves_interval__restarts_do_not_move_it() -> None:
    started = at("2026-01-01T00:00:00")
    trigger = from_apscheduler("interval", {"seconds": 2}, "UTC", started)
    fired = []
    for restart in range(4):  # every 1.5 s, up for 1.5 s
        now = started + timedelta(seconds=1.5 * restart)
        again = from_json(trigger.to_json())
        following = again.next_after(now)
        while following is not None and following <= now + timedelta(seconds=1.5):
            fired.append((following - started).total_seconds())
            following = again.next_after(following)
    assert fired == [2, 4, 6]


def test_interval_jitter_drifts__fire_times_stay_on_the_anchor() -> None:
    trigger_args = {"seconds": 60, "jitter": 10}
    assert jitter_of("interval", trigger_args) == 10
    trigger = as_apscheduler(from_apscheduler("interval", trigger_args, "UTC", at("2026-01-01")))
    previous = at("2026-01-01") + timedelta(seconds=7)  # that late did it start
    for minute in range(1, 100):
        following = trigger.get_next_fire_time(previous, previous)
        assert following == at("2026-01-01") + timedelta(minutes=minute)
        previous = following + timedelta(seconds=7)


def test_crontab_weekday_zero_is_monday__zero_and_seven_are_sunday() -> None:
    workdays = fires("0 9 * * 1-5", UTC_ZONE, "2026-01-03", 6)
    assert workdays[0] == "2026-01-05 09:00"  # a Monday
    assert workdays[4:] == ["2026-01-09 09:00", "2026-01-12 09:00"]
    for sunday in ("0", "7", "sun"):
        assert fires(f"0 9 * * {sunday}", UTC_ZONE, "2026-01-01", 1) == ["2026-01-04 09:00"]


def test_crontab_dom_dow_is_and__either_is_enough() -> None:
    assert fires("0 0 13 * fri", UTC_ZONE, "2024-01-01", 3) == [
        "2024-01-05 00:00",
        "2024-01-12 00:00",
        "2024-01-13 00:00",
    ]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("day_of_week", "mon-fri/2"),
        ("day_of_week", "mon#2"),
        ("day_of_week", "monfoo"),
        ("month", "jan-dec/6"),
        ("day", "lastfoo"),
        ("day", "1st mon/2"),
    ],
)
def test_named_range_suffix_ignored__it_is_refused(field: str, text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        from_apscheduler("cron", {field: text}, "UTC", at("2026-01-01"))
    assert text.split("/")[0] in refusal.value.errors[field]


def test_named_range_suffix_ignored__crontab_gives_it_its_meaning() -> None:
    assert cron.parse("0 9 * * mon-fri/2").words() == "Every Monday, Wednesday and Friday at 09:00"
    assert cron.parse("0 9 * * mon#2").words() == "On the second Monday of every month at 09:00"
    assert cron.parse("0 9 1 jan-dec/6 *").words() == "On the 1st of January and July at 09:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 9 * * sun-thu", "At 09:00, Sunday to Thursday"),
        ("0 9 * * 7", "Every Sunday at 09:00"),
        ("*/60 9 * * *", "Every day at 09:00"),
        ("0 */24 * * *", "Every day at 00:00"),
        ("0 9 */31 * *", "On the 1st of every month at 09:00"),
        ("5-5/2 9 * * *", "Every day at 09:05"),
        ("@daily", "Every day at 00:00"),
        ("0 9 L * *", "On the last day of every month at 09:00"),
    ],
)
def test_legal_crontab_rejected__it_is_understood(text: str, words: str) -> None:
    assert cron.parse(text).words() == words


def test_impossible_date__it_is_refused_when_it_is_written() -> None:
    with pytest.raises(cron.CronError, match="never fires"):
        cron.parse("0 0 30 2 *")
    with pytest.raises(Invalid, match="never fire"):
        from_apscheduler("cron", {"month": 2, "day": 30}, "UTC", at("2026-01-01"))


def test_dst_gap_and_overlap__a_fixed_time_fires_once_a_day() -> None:
    assert fires("30 1 * * *", NEW_YORK, "2026-10-31T12:00", 2) == [
        "2026-11-01 05:30",
        "2026-11-02 06:30",
    ]
    assert fires("30 2 * * *", NEW_YORK, "2026-03-07T12:00", 2) == [
        "2026-03-08 07:00",
        "2026-03-09 06:30",
    ]


def test_dst_gap_and_overlap__a_wildcard_fires_at_no_time_that_it_does_not_name() -> None:
    assert fires("30 */2 * * *", NEW_YORK, "2026-03-08T05:00", 3) == [
        "2026-03-08 05:30",  # 00:30
        "2026-03-08 08:30",  # 04:30, as 02:30 does not exist
        "2026-03-08 10:30",
    ]


def test_dst_gap_and_overlap__every_fire_time_exists_on_the_clock() -> None:
    trigger = as_apscheduler(CronTrigger(cron.parse("30 2 * * *"), NEW_YORK))
    shown = trigger.get_next_fire_time(None, at("2026-03-08T00:00"))
    assert shown is not None
    assert shown.isoformat() == "2026-03-08T03:00:00-04:00"
