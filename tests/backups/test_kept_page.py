"""The picture of what is kept: lanes and marks, what goes next and when, and the same in words."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from aegis_web.backups.models import SAFETY, UPLOADED
from aegis_web.backups.picture import DRAWN, Picture, picture_of
from aegis_web.backups.retention import Known, Retention, Rules, next_to_go, why_kept
from aegis_web.backups.tiers import DAILY, HOURLY, MONTHLY, WEEKLY
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Job, JobState
from tests.backups.conftest import AddBackup
from tests.support.applications import Browser, MakeApp, signed_in
from tests.support.browsers import assert_accessible_and_fits

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
DEFAULTS = {HOURLY: 0, DAILY: 7, WEEKLY: 4, MONTHLY: 12}


def drawn(
    backups: list[Known], *, planned: bool = True, counts: dict[str, int] | None = None
) -> Picture:
    """The picture of `backups`, in an application's context."""
    rules = Rules(counts or DEFAULTS, ZoneInfo("UTC"))
    fires = [NOON + timedelta(days=day, hours=14) for day in range(32)] if planned else []
    newest_first = sorted(backups, key=lambda one: one.made_at, reverse=True)
    found = Retention(
        newest_first,
        why_kept(newest_first, rules, NOON),
        rules,
        fires,
        next_to_go(newest_first, rules, fires or [NOON]),
    )
    return picture_of(found, NOON)


def nights(days: int) -> list[Known]:
    """A proven backup of each of the last nights, as pruning leaves them."""
    all_of_them = [
        Known(day, NOON - timedelta(days=days - day, hours=10), proven=True)
        for day in range(1, days + 1)
    ]
    kept = why_kept(all_of_them, Rules(DEFAULTS, ZoneInfo("UTC")), NOON)
    return [one for one in all_of_them if kept[one.id]]


@pytest.fixture
def in_app(app: Flask) -> Iterator[None]:
    with app.test_request_context():
        yield


def test_each_tier_has_a_lane_with_a_mark_for_each_backup_it_keeps(in_app: None) -> None:
    picture = drawn(nights(400))
    lanes = {lane.name: lane for lane in picture.lanes}
    assert list(lanes) == ["Daily", "Weekly", "Monthly", "Goes next"]
    held = {name: (lane.count, lane.of, len(lane.marks)) for name, lane in lanes.items()}
    assert held == {
        "Daily": (7, 7, 7),
        "Weekly": (4, 4, 4),
        "Monthly": (12, 12, 12),
        "Goes next": (2, None, 2),  # of the oldest day, and of the oldest week
    }
    places = [mark.x for mark in lanes["Monthly"].marks]
    assert places == sorted(places, reverse=True)  # newest first, now at the right
    assert min(places) == 0
    assert len(set(places)) == 12
    assert {mark.kind for mark in lanes["Daily"].marks} == {"ok"}
    assert [tick.text for tick in picture.ticks] == ["now", "1 week", "1 month", "6 months"]


def test_the_table_says_the_same(in_app: None) -> None:
    picture = drawn(nights(400))
    assert len(picture.rows) == 21
    assert picture.rows[0].reasons == "Newest, Last 24 hours, Daily, Weekly, Monthly"
    assert [row.made_at for row in picture.rows if row.leaving] == list(picture.leaving)
    assert all(row.reasons for row in picture.rows)


def test_what_goes_next_is_told_with_the_backup_after_which_it_goes(in_app: None) -> None:
    picture = drawn(nights(3), counts={HOURLY: 0, DAILY: 5, WEEKLY: 0, MONTHLY: 0})
    assert picture.leaving_at == NOON + timedelta(days=2, hours=14)
    assert picture.leaving == (NOON - timedelta(days=2, hours=10),)
    unplanned = drawn(nights(400), planned=False)
    assert unplanned.leaving_at is None
    assert unplanned.leaving == ()  # another one today does not replace the one of this night


def test_what_no_tier_keeps_any_more_goes_with_the_next_one(in_app: None) -> None:
    picture = drawn(nights(400), counts={HOURLY: 0, DAILY: 2, WEEKLY: 0, MONTHLY: 0})
    assert len(picture.leaving) == 20
    assert picture.lanes[-1].count == 20
    assert picture.rows[-1].reasons == ""


def test_a_backup_that_is_not_proven_looks_otherwise(in_app: None) -> None:
    bad = Known(2, NOON, proven=False)
    picture = drawn([Known(1, NOON - timedelta(days=1), proven=True), bad])
    kinds = {lane.name: [mark.kind for mark in lane.marks] for lane in picture.lanes}
    assert kinds["Daily"] == ["late", "ok"]
    assert picture.lanes[0].count == 1


def test_other_reasons_have_a_lane_where_they_alone_keep_one(in_app: None) -> None:
    safe = Known(1, NOON - timedelta(days=3), proven=True, origin=SAFETY)
    none = {HOURLY: 0, DAILY: 0, WEEKLY: 0, MONTHLY: 0}
    foreign = Known(9, NOON - timedelta(days=2), proven=True, origin=UPLOADED)
    lanes = drawn([safe, foreign, *nights(1)], counts=none).lanes
    names = [lane.name for lane in lanes]
    assert names == ["Newest", "Last 24 hours", "Before a restore", "From elsewhere", "Goes next"]


def test_of_very_many_only_the_newest_are_drawn(in_app: None) -> None:
    many = [Known(n, NOON - timedelta(hours=n), proven=True) for n in range(1, DRAWN + 31)]
    picture = drawn(many, counts={HOURLY: 1000, DAILY: 0, WEEKLY: 0, MONTHLY: 0})
    assert (picture.lanes[0].count, len(picture.lanes[0].marks)) == (DRAWN + 30, DRAWN)
    assert (len(picture.rows), picture.left_out) == (DRAWN, 30)


def test_before_the_first_backup_the_lanes_are_there_and_a_sentence(
    admin: Browser, backup_job: int
) -> None:
    page = admin.get("/backups").text
    assert "What is kept" in page
    assert "0 of 12" in page
    assert "Each backup will be a mark" in page
    assert "Next to go" not in page


def test_the_page_names_what_goes_next(
    app: Flask, admin: Browser, backup_job: int, add_backup: AddBackup
) -> None:
    for days in range(9):
        add_backup(days + 0.5)
    page = admin.get("/backups").text
    assert re.search(r"7 of 7", page)
    assert re.search(r"Next to go, once the backup of <time.*?</time> is proven: <time", page)
    with app.app_context(), transaction() as session:
        session.get_one(Job, backup_job).state = JobState.PAUSED
    assert "Next to go, once another backup is proven" in admin.get("/backups").text


def test_where_nothing_is_kept_there_is_no_picture(make_app: MakeApp) -> None:
    browser = signed_in(make_app(AEGIS_COMPONENTS="scheduler"))
    assert "What is kept" not in browser.get("/backups").text


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible_and_fits(
    backup_job: int, add_backup: AddBackup, open_signed_in: Callable[..., Page], theme: str
) -> None:
    for days in (0, 1, 2, 3, 4, 5, 6, 7, 14, 21, 40, 70, 100, 200, 360):
        add_backup(days)
    second = 1 / 86_400  # so near that both are of one day, at whatever hour this runs
    add_backup(1 - second, proven_at=None)
    add_backup(2 + second, origin=SAFETY)
    page = open_signed_in("/backups", theme=theme)
    lanes = page.locator(".ag-kept .ag-timeline-row")
    expect(lanes.filter(has_text="Daily").locator("rect")).to_have_count(8)
    assert_accessible_and_fits(page)
    page.locator("#backups-kept-table summary").click()
    expect(page.locator("#backups-kept-table tbody tr")).to_have_count(17)
    assert_accessible_and_fits(page)
