"""How pages look: the account keeps it, and every page, fragment and macro obeys."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from time_machine import Traveller
from werkzeug.test import TestResponse

from aegis_web.accounts.models import Account
from aegis_web.accounts.preferences import LABELS
from aegis_web.extensions import db, transaction
from aegis_web.runs.models import RunStatus
from tests.runs.rows import add_job, add_log, add_run
from tests.support.applications import EMAIL, Browser
from tests.support.clocks import NOON
from tests.web.test_pages import PART

from .conftest import audited


def kept(app: Flask) -> tuple[dict[str, str] | None, str | None]:
    with app.app_context():
        account = db.session.scalars(select(Account)).unique().one()
        return account.preferences, account.zone


def choose(client: FlaskClient, **wanted: str) -> TestResponse:
    headers = {"Referer": "http://localhost/runs?q=a"}
    return client.post("/account/preferences", data=wanted, headers=headers)


def test_a_choice_is_kept_recorded_and_leads_back(admin: Browser, app: Flask) -> None:
    answer = choose(admin, density="compact", theme="dark", zone="Europe/Berlin")
    assert (answer.status_code, answer.location) == (303, "/runs?q=a")
    entry = audited(app)[-1]
    assert (entry.actor, entry.action) == (EMAIL, "account.change_preferences")
    assert entry.before == {"theme": None, "density": "comfortable", "zone": None}
    assert entry.after == {"theme": "dark", "density": "compact", "zone": "Europe/Berlin"}
    choose(admin, density="compact")
    assert audited(app)[-1].id == entry.id
    choose(admin, zone="")
    preferences, zone = kept(app)
    assert preferences is not None
    assert (preferences["density"], preferences["theme"], zone) == ("compact", "dark", None)


def test_another_browser_shows_the_same_and_a_stranger_the_theme_alone(
    admin: Browser, app: Flask
) -> None:
    choose(admin, density="compact", theme="dark")
    with app.app_context():
        account = db.session.scalars(select(Account)).unique().one()
    other = app.test_client()
    assert isinstance(other, Browser)
    other.sign_in(account)
    assert root(other, "/") == ("compact", "dark")
    with admin.session_transaction() as session:
        session.clear()
    assert root(admin, "/sign-in") == ("comfortable", "dark")
    assert root(app.test_client(), "/sign-in") == ("comfortable", "system")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("theme", "pink", "Choose one of: system, light, dark."),
        ("times_in", "", "Choose one of: job, mine, utc."),
        ("times_as", "vague", "Choose one of: relative, absolute."),
        ("density", "x" * 50_000, "Choose one of: comfortable, compact."),
        ("zone", "Mars/Base", "There is no such time zone."),
        ("zone", "../../etc/passwd", "There is no such time zone."),
        ("zone", "localtime", "There is no such time zone."),
        ("zone", "UTC\0", "There is no such time zone."),
        ("zone", "🦉", "There is no such time zone."),
    ],
)
def test_an_unknown_value_is_refused_by_name(
    admin: Browser, app: Flask, field: str, value: str, said: str
) -> None:
    answer = choose(admin, **{"theme": "dark", field: value})
    assert answer.status_code == 422
    named = 'id="field-zone-error">' if field == "zone" else f"{LABELS[field]}</strong>"
    assert named + said in answer.text
    assert kept(app) == (None, None)


def test_other_fields_of_the_form_change_nothing(admin: Browser, app: Flask) -> None:
    choose(admin, density="compact", email="eve@example.org", active="", roles="", id="2")
    with app.app_context():
        account = db.session.scalars(select(Account)).unique().one()
        assert (account.id, account.email, account.active) == (1, EMAIL, True)
        assert [role.name for role in account.roles] == ["admin"]
    assert set(kept(app)[0] or ()) == {"times_in", "times_as", "density", "language"}


def test_htmx_loads_the_page_anew_only_where_the_page_says_otherwise(admin: Browser) -> None:
    choices = [("theme", "dark", None), ("times_in", "utc", "true"), ("zone", "UTC", "true")]
    for name, value, anew in choices:
        answer = admin.post("/account/preferences", data={name: value}, headers=PART)
        assert (answer.status_code, answer.headers.get("HX-Refresh")) == (204, anew)


def test_a_value_of_another_release_is_left_out(admin: Browser, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.scalars(select(Account)).unique().one().preferences = {
            "density": "airy",
            "times_as": "absolute",
            "smell": "roses",
        }
    assert root(admin, "/") == ("comfortable", "system")
    assert 'value="absolute" aria-pressed="true"' in admin.get("/").text


@pytest.mark.parametrize(
    ("times_in", "of_job", "of_none"),
    [
        ("job", "09:30 CET", "21:00 JST"),
        ("mine", "17:30 JST", "21:00 JST"),
        ("utc", "08:30 UTC", "12:00 UTC"),
    ],
)
def test_all_pages_and_their_parts_show_the_chosen_zone(
    frozen: Traveller, admin: Browser, app: Flask, times_in: str, of_job: str, of_none: str
) -> None:
    due = NOON.replace(hour=8, minute=30)
    berlin = {"kind": "cron", "expression": "30 9 * * *", "zone": "Europe/Berlin"}
    tomorrow = due + timedelta(days=1)
    job = add_job(app, trigger=berlin, zone="Europe/Berlin", next_run_at=tomorrow)
    run = add_run(app, job, RunStatus.FAILED, due, error="no")
    add_log(app, run, ["info hello"], at=due)
    choose(admin, times_in=times_in, zone="Asia/Tokyo")
    for path in ("/", "/jobs", "/runs", f"/jobs/{job}", f"/runs/{run}"):
        for headers in ({}, PART):
            text = admin.get(path, headers=headers).text
            assert of_job in text or of_job.replace(" ", ":00 ") in text, (path, headers)
    assert f"{of_job[:5]}:00.000" in admin.get(f"/runs/{run}").text
    assert of_none in admin.get("/account").text


def test_times_are_relative_or_absolute_as_chosen(
    frozen: Traveller, admin: Browser, app: Flask
) -> None:
    add_run(app, add_job(app), RunStatus.SUCCEEDED, NOON - timedelta(hours=3))
    alone = r'at-status ag-nowrap">.*?<div class="ag-sub">(<time.*?</time>)'
    two = r'at-left ag-nowrap">(.*?)</td>'
    assert 'title="Tue 10 Mar 2026, 09:00:00 UTC" tabindex="0"' in part(admin, "/jobs", alone)
    assert texts(part(admin, "/jobs", alone)) == ["3 h ago"]
    assert texts(part(admin, "/runs", two)) == ["3 h ago", "Tue 09:00 UTC"]
    choose(admin, times_as="absolute")
    assert texts(part(admin, "/jobs", alone)) == ["Tue 09:00 UTC"]
    assert texts(part(admin, "/runs", two)) == ["Tue 09:00 UTC", "3 h ago"]


def part(client: FlaskClient, path: str, pattern: str) -> str:
    """What the pattern finds first in the fragment at `path`."""
    found = re.search(pattern, client.get(path, headers=PART).text, re.DOTALL)
    assert found
    return found[1]


def texts(markup: str) -> list[str]:
    """What the times in the markup say."""
    return re.findall(r">([^<>]+)</time>", markup)


def root(client: FlaskClient, path: str) -> tuple[Any, ...]:
    """Density and theme as the page's first line says."""
    found = re.search(r'data-density="(\w+)" data-theme="(\w+)"', client.get(path).text)
    assert found
    return found.groups()
