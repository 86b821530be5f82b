"""The Calendars page: listing, making, changing and deleting blackout calendars."""

from datetime import datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from aegis_web.audit.models import Actor, AuditEntry
from aegis_web.calendars.actions import create_calendar, delete_calendar
from aegis_web.calendars.definition import PERIODS_LIMIT, CalendarDefinition, Period
from aegis_web.errors import Conflict
from aegis_web.extensions import transaction
from aegis_web.jobs.models import Calendar, Job
from tests.jobs.conftest import text_of
from tests.runs.rows import add_job
from tests.support.applications import Browser

HTMX = {"HX-Request": "true"}
FORM: dict[str, Any] = {
    "name": "Year's end",
    "zone": "Europe/Berlin",
    "period_name": ["Christmas", "Stocktaking", ""],
    "period_from": ["2026-12-24T00:00", "2026-12-30T08:00", ""],
    "period_until": ["2026-12-27T00:00", "2026-12-30T18:00", ""],
}
PERIODS = [
    {"name": "Christmas", "from": "2026-12-24T00:00", "until": "2026-12-27T00:00"},
    {"name": "Stocktaking", "from": "2026-12-30T08:00", "until": "2026-12-30T18:00"},
]


def calendars(app: Flask) -> list[Calendar]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Calendar).order_by(Calendar.id)))


def audit(app: Flask) -> list[AuditEntry]:
    with app.app_context(), transaction() as session:
        query = select(AuditEntry).where(AuditEntry.subject.startswith("calendar:"))
        return list(session.scalars(query.order_by(AuditEntry.id)))


def test_the_empty_page_says_what_calendars_are_for(admin: Browser) -> None:
    page = text_of(admin.get("/calendars"))
    assert "No calendars yet" in page
    assert 'aria-current="page"' in page.partition('nav-link-title">Calendars')[0][-200:]


def test_a_posted_form_makes_a_calendar_and_leaves_empty_rows_out(
    app: Flask, admin: Browser
) -> None:
    answer = admin.post("/calendars", data=FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/calendars")
    (calendar,) = calendars(app)
    assert (calendar.name, calendar.zone) == ("Year's end", "Europe/Berlin")
    assert calendar.periods == PERIODS
    (entry,) = audit(app)
    assert (entry.action, entry.actor) == ("calendar.create", "alice@example.org")
    assert entry.after["periods"] == PERIODS


def test_the_list_says_what_is_forbidden_now_and_next_and_for_whom(
    frozen: time_machine.Traveller, app: Flask, admin: Browser
) -> None:
    now = {"period_from": ["2026-03-09T00:00", "2026-03-20T08:00", ""]}
    now |= {"period_until": ["2026-03-10T13:01", "2026-03-20T18:00", ""]}
    admin.post("/calendars", data={**FORM, **now})
    add_job(app, "Nightly import", calendar_id=calendars(app)[0].id)
    row = text_of(admin.get("/calendars")).partition('id="calendar-1"')[2].partition("</tr>")[0]
    for words in ("Blackout", "Christmas", "Tue 13:01 CET", "Stocktaking", "Nightly import"):
        assert words in row
    frozen.shift(60)
    row = text_of(admin.get("/calendars")).partition('id="calendar-1"')[2].partition("</tr>")[0]
    assert "Jobs may run" in row
    assert "Christmas" not in row


def test_the_form_shows_the_calendar_with_a_row_to_spare(admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    page = text_of(admin.get("/calendars/1/edit"))
    assert page.count('name="period_name"') == 3
    for text in ("Year's end", "Europe/Berlin", "Christmas", "2026-12-30T18:00"):
        assert f'value="{text}"' in page


def test_saving_changes_it_raises_its_revision_and_is_noted(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    changed = {**FORM, "period_name": ["Christmas", "", ""], "revision": "1"}
    changed |= {"period_from": [FORM["period_from"][0], "", ""]}
    changed |= {"period_until": [FORM["period_until"][0], "", ""]}
    assert admin.post("/calendars/1", data=changed).status_code == 303
    (calendar,) = calendars(app)
    assert (calendar.periods, calendar.revision) == (PERIODS[:1], 2)
    entry = audit(app)[-1]
    assert entry.action == "calendar.change"
    assert (entry.before["periods"], entry.after["periods"]) == (PERIODS, PERIODS[:1])


def test_saving_it_unchanged_changes_nothing(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    admin.post("/calendars/1", data={**FORM, "revision": "1"})
    assert calendars(app)[0].revision == 1
    assert len(audit(app)) == 1


def test_a_save_that_is_sent_again_is_no_conflict(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    for _ in range(2):
        answer = admin.post("/calendars/1", data={**FORM, "name": "Second", "revision": "1"})
        assert answer.status_code == 303
    assert calendars(app)[0].revision == 2


def test_who_saves_second_is_told_and_may_save_anyway(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    admin.post("/calendars/1", data={**FORM, "name": "First", "revision": "1"})
    answer = admin.post("/calendars/1", data={**FORM, "name": "Second", "revision": "1"})
    page = text_of(answer)
    assert answer.status_code == 409
    assert "Somebody else changed this calendar" in page
    assert 'value="Second"' in page
    assert 'name="revision" value="2"' in page
    assert calendars(app)[0].name == "First"
    assert admin.post("/calendars/1", data={**FORM, "revision": "2"}).status_code == 303


CASES: dict[str, tuple[dict[str, Any], str, str]] = {  # what is typed, the field, its message
    "no name": ({"name": " "}, "name", "The calendar needs a name"),
    "a long name": ({"name": "n" * 201}, "name", "at most 200"),
    "NUL": ({"name": "a\0b"}, "name", "cannot be shown"),
    "no zone": ({"zone": ""}, "zone", "no time zone"),
    "an unknown zone": ({"zone": "Mars/Base"}, "zone", "no time zone"),
    "the zone of this machine": ({"zone": "localtime"}, "zone", "a zone of the list"),
    "a period without a name": (
        {"period_name": ["", "B", ""]},
        "name-0",
        "The period needs a name",
    ),
    "an end before its start": (
        {"period_until": ["2026-12-27T00:00", "2026-12-30T08:00", ""]},
        "until-1",
        "not after its start",
    ),
    "no start": ({"period_from": ["", "2026-12-30T08:00", ""]}, "from-0", "Choose a date"),
    "what is no time": (
        {"period_from": ["soon", "2026-12-30T08:00", ""]},
        "from-0",
        "is not a date and time",
    ),
    "an offset": (
        {"period_until": ["2026-12-27T00:00+02:00", "2026-12-30T18:00", ""]},
        "until-0",
        "Leave out the offset",
    ),
    "a year far away": (
        {"period_until": ["2026-12-27T00:00", "9999-12-31T23:59", ""]},
        "until-1",
        "out of reach",
    ),
    "a wrong one behind an unreadable one": (
        {
            "period_from": ["soon", "2026-12-30T08:00", ""],
            "period_until": ["2026-12-27T00:00", "2026-12-30T07:00", ""],
        },
        "until-1",
        "not after its start",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_names_the_field_and_keeps_what_was_typed(
    app: Flask, admin: Browser, case: tuple[dict[str, Any], str, str]
) -> None:
    changed, field, message = case
    answer = admin.post("/calendars", data={**FORM, **changed})
    page = text_of(answer)
    assert answer.status_code == 422
    assert calendars(app) == []
    named = page.partition('role="alert"')[2].partition("</ul>")[0]
    assert f'href="#field-{field}"' in named
    assert message in named
    assert f'id="field-{field}-error"' in page
    assert 'value="2026-12-30T08:00"' in page


def test_too_many_periods_are_refused(app: Flask, admin: Browser) -> None:
    rows = PERIODS_LIMIT + 1
    many = {name: [FORM[name][0]] * rows for name in ("period_name", "period_from", "period_until")}
    answer = admin.post("/calendars", data={**FORM, **many})
    assert answer.status_code == 422
    assert "These are 201 periods" in text_of(answer)


@pytest.mark.parametrize("name", ["Year's end", "YEAR'S END"])
def test_a_name_that_is_taken_is_refused(app: Flask, admin: Browser, name: str) -> None:
    admin.post("/calendars", data=FORM)
    answer = admin.post("/calendars", data={**FORM, "name": name})
    assert answer.status_code == 422
    assert "already a calendar with this name" in text_of(answer)
    assert len(calendars(app)) == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_a_period_can_be_added_and_removed_before_it_is_saved(
    app: Flask, admin: Browser, headers: dict[str, str]
) -> None:
    page = text_of(admin.post("/calendars/new", data={**FORM, "add": "1"}, headers=headers))
    assert page.count('name="period_name"') == 4
    page = text_of(admin.post("/calendars/new", data={**FORM, "remove": "0"}, headers=headers))
    assert page.count('name="period_name"') == 2
    assert 'value="Christmas"' not in page
    assert 'value="Stocktaking"' in page
    assert calendars(app) == []


def test_it_is_not_deleted_while_a_job_uses_it(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    for name in ("Alpha", "Beta", "Gamma", "Omega"):
        add_job(app, name, calendar_id=1)
    answer = admin.post("/calendars/1/delete")
    assert answer.status_code == 409
    assert "used by “Alpha”, “Beta”, “Gamma” and 1 more" in text_of(answer)
    assert len(calendars(app)) == 1
    page = text_of(admin.get("/calendars/1/edit"))
    assert "Jobs use this calendar" in page
    assert "Omega" in page


def test_it_is_deleted_when_only_deleted_jobs_had_it(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    job_id = add_job(app, calendar_id=1)
    admin.post(f"/jobs/{job_id}/delete")
    assert admin.post("/calendars/1/delete").headers["Location"] == "/calendars"
    assert calendars(app) == []
    assert audit(app)[-1].action == "calendar.delete"
    with app.app_context(), transaction() as session:
        assert session.get_one(Job, job_id).calendar_id is None


def test_a_job_cannot_take_a_calendar_that_was_deleted_meanwhile(
    app: Flask, admin: Browser
) -> None:
    admin.post("/calendars", data=FORM)
    admin.post("/calendars/1/delete")
    job = {"name": "Late", "service": "prune_history", "trigger": "cron", "cron": "0 9 * * *"}
    answer = admin.post("/jobs", data={**job, "zone": "UTC", "calendar": "1"})
    assert answer.status_code == 422
    assert "is not there any more" in text_of(answer)


@pytest.mark.parametrize("number", ["0", "77", "9223372036854775807", "9" * 30])
def test_one_that_never_was_is_not_found(admin: Browser, number: str) -> None:
    assert admin.get(f"/calendars/{number}/edit").status_code == 404
    for path in (f"/calendars/{number}", f"/calendars/{number}/delete"):
        assert admin.post(path, data=FORM).status_code == 404


def test_a_stranger_is_sent_to_the_door(client: Browser) -> None:
    for path in ("/calendars", "/calendars/new", "/calendars/1/edit"):
        assert client.get(path).status_code == 303


def test_a_zone_that_this_machine_does_not_know_breaks_no_page(app: Flask, admin: Browser) -> None:
    admin.post("/calendars", data=FORM)
    job = add_job(app, calendar_id=1)
    with app.app_context(), transaction() as session:
        session.get_one(Calendar, 1).zone = "Mars/Base"
    for path in ("/calendars", "/calendars/1/edit", "/jobs", f"/jobs/{job}", "/"):
        assert admin.get(path).status_code == 200, path


def test_both_databases_keep_the_same(any_app: Flask) -> None:
    period = Period("Freeze", datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001
    alice = Actor("alice@example.org")
    wanted = CalendarDefinition("Freeze", "UTC", (period,))
    with any_app.app_context():
        number = create_calendar(wanted, alice)
    add_job(any_app, calendar_id=number)
    with any_app.app_context():
        with pytest.raises(Conflict, match="used by “Nightly import”"):
            delete_calendar(number, alice)
        with transaction() as session:
            session.get_one(Job, 1).calendar_id = None
        delete_calendar(number, alice)
    assert calendars(any_app) == []
