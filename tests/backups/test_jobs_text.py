"""The jobs beside a backup as text: all of them, as they are stored, and no secret."""

import base64
import difflib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from aegis_web.audit.models import Actor
from aegis_web.backups import jobs_text
from aegis_web.backups.actions import back_up
from aegis_web.backups.jobs_text import HIDDEN, as_yaml
from aegis_web.backups.models import Backup
from aegis_web.backups.proving import prove
from aegis_web.config import Settings
from aegis_web.engine.triggers import from_json
from aegis_web.extensions import transaction
from aegis_web.jobs.actions import create_job, delete_job
from aegis_web.jobs.definition import POLICIES, Definition
from aegis_web.jobs.models import Calendar, Group, Job, Origin

ALICE = Actor("alice@example.org", 1)
SECRET = "hush, a päss/word+that is = long"
NIGHTLY = {"kind": "cron", "expression": "0 2 * * 1-5", "zone": "Europe/Berlin"}
OFTEN = {
    "kind": "interval",
    "every": 90,
    "unit": "minutes",
    "anchor": "2026-03-01T00:00:00+00:00",
    "zone": "UTC",
}
STRANGE = [
    "yes", "no", "null", "~", "1e3", "1_000", "0x1f", "1:30", "2026-11-29", "=", "<<", "- a", "-",
    "a: b", "a:", ": ", "#no comment", "a #b", "'", '"', "'\"", "{a}", "[b", "&c", "*d", "!e", "|",
    ">", "%f", "@g", "`h", "? i", " before", "after ", "two  blanks", "emoji 🦊 and ümläut",
    "back\\slash", "not\\nbroken", "‮turned", "...", "---",
]  # fmt: skip
SAME = [  # as the columns are called
    "name", "id", "key", "description", "owner", "tags", "origin", "service", "arguments",
    "trigger", "state", "pause_reason", "pause_until",
    *(name for name in POLICIES if name not in ("priority", "calendar_id")),
]  # fmt: skip
LINES = "First.\n\n  - indented: yes\n\ttab\n# no comment\nLast, with blanks  \n\n"


@pytest.fixture
def app(any_app: Flask, request: pytest.FixtureRequest) -> Flask:
    """On both databases, with functions of which one takes a secret."""
    if "postgresql" in any_app.extensions["aegis.settings"].database_url:
        request.getfixturevalue("postgres_client")
    for name in ("send_report", "call_partner", "tidy_up"):
        any_app.extensions["aegis.registry"].add(f"tests.jobs.functions:{name}")
    return any_app


def add(app: Flask, name: str, trigger: dict[str, Any] = NIGHTLY, **facts: Any) -> int:
    service = facts.pop("service", "tidy_up")
    with app.app_context():
        return create_job(Definition(name, service, from_json(trigger), **facts), ALICE)


def backed_up(app: Flask) -> tuple[Backup, str]:
    """A backup and the text beside it."""
    with app.app_context():
        backup = back_up(ALICE)
    return backup, file_of(app, backup).read_text("utf-8")


def file_of(app: Flask, backup: Backup) -> Path:
    settings: Settings = app.extensions["aegis.settings"]
    return settings.backup_dir / f"{backup.file_name}.jobs.yaml"


def told(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(backed_up(app)[1])
    return found


def jobs(app: Flask) -> list[Job]:
    query = select(Job).where(Job.deleted_at.is_(None), Job.origin != Origin.TRIAL)
    with app.app_context(), transaction() as session:
        return list(session.scalars(query.order_by(Job.id)))


def test_it_says_what_the_tables_say(app: Flask) -> None:
    for number, name in enumerate(STRANGE):
        add(
            app,
            name,
            NIGHTLY if number % 2 else OFTEN,
            service="send_report",
            arguments={"recipient": name, "copies": number},
            description=LINES if number % 3 else name,
            owner=name,
            tags=(name, "nightly"),
            retry_errors=("ConnectionError", "shop.Busy"),
            retries=number % 4,
            timeout_seconds=number or None,
        )
    paused = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    with app.app_context(), transaction() as session:
        session.execute(
            update(Job)
            .where(Job.id % 5 == 0)
            .values(state="paused", pause_reason="yes: no\n", pause_until=paused)
        )
    found = told(app)
    assert len(found["jobs"]) == len(STRANGE)
    for said, job in zip(found["jobs"], jobs(app), strict=True):
        assert {name: said[name] for name in SAME} == {name: getattr(job, name) for name in SAME}
        assert (said["priority"], said["calendar"]) == ("normal", None)
        assert said["when"] == from_json(job.trigger).words()
    counts = {tag["name"]: tag["jobs"] for tag in found["tags"]}
    assert counts == dict.fromkeys(STRANGE, 1) | {"nightly": len(STRANGE)}
    assert list(counts) == sorted(counts)


def test_it_names_what_jobs_share_and_leaves_out_what_is_gone(app: Flask) -> None:
    period = {"name": "Easter: long", "from": "2027-03-26T00:00", "until": "2027-03-30T00:00"}
    with app.app_context(), transaction() as session:
        calendar = Calendar(name="Public holidays", zone="Europe/Berlin", periods=[period])
        session.add_all([calendar, Group(name="reports", max_running=2)])
        session.flush()
        number = calendar.id
    gone = add(app, "gone", tags=("gone",))
    add(app, "kept", group_name="reports", group_limit=2, calendar_id=number)
    with app.app_context():
        delete_job(gone, ALICE)
    found = told(app)
    assert [(job["name"], job["calendar"], job["group_name"]) for job in found["jobs"]] == [
        ("kept", "Public holidays", "reports")
    ]
    assert found["tags"] == []
    assert found["groups"] == [{"name": "reports", "max_running": 2}]
    zone = "Europe/Berlin"
    assert found["calendars"] == [{"name": "Public holidays", "zone": zone, "periods": [period]}]


def test_no_secret_is_in_it_in_any_form(app: Flask) -> None:
    number = add(app, "calls", service="call_partner", arguments={"token": SECRET, "path": "/x"})
    sealed = jobs(app)[0].arguments["token"]["sealed"]
    known = backed_up(app)[1]
    with app.app_context(), transaction() as session:
        session.get_one(Job, number).service = "a function that is gone"
    unknown = backed_up(app)[1]
    with app.app_context(), transaction() as session:  # from before it was a secret
        session.get_one(Job, number).service = "call_partner"
        session.get_one(Job, number).arguments = {"token": SECRET, "path": "/x"}
    open_once = backed_up(app)[1]
    raw = SECRET.encode()
    forms = {
        SECRET, sealed, json.dumps(SECRET)[1:-1], quote(SECRET), quote(SECRET, safe=""),
        raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(),
        repr(raw)[2:-1], "hush", "word+that",
    }  # fmt: skip
    for text in (known, unknown, open_once):
        assert [form for form in forms if form in text] == []
        assert yaml.safe_load(text)["jobs"][0]["arguments"] == {"path": "/x", "token": HIDDEN}
        assert "    token:\n      secret: not here\n" in text


def test_without_a_change_only_the_head_differs(app: Flask) -> None:
    for name in ("one", "two", "three"):
        add(app, name, service="send_report", arguments={"recipient": name, "copies": 2})
    (first, before), (second, after) = backed_up(app), backed_up(app)
    heads = [text.split("\n\n", 1)[0] for text in (before, after)]
    assert before.split("\n\n", 1)[1] == after.split("\n\n", 1)[1]
    assert [head.count("\n") for head in heads] == [4, 4]
    assert all(line.startswith("# ") for head in heads for line in head.splitlines())
    for head, backup in zip(heads, (first, second), strict=True):
        assert f"# Backup: {backup.file_name}\n" in head
        assert f"# Made at: {backup.made_at.isoformat()}\n" in head
        assert "Secrets are not in it" in head


def test_one_change_is_one_line(app: Flask) -> None:
    for name in ("one", "two", "three"):
        add(app, name, description=LINES)
    _backup, before = backed_up(app)
    with app.app_context(), transaction() as session:
        session.scalars(select(Job).filter_by(name="two")).one().owner = "The team"
    _backup, after = backed_up(app)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if line[0] in "+-" and line[1:3] != "# "]
    assert changed[2:] == ["-  owner: ''", "+  owner: The team"]


def test_it_is_of_the_same_instant_as_the_backup(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(app, "before")
    told_of = jobs_text.jobs_as_text

    def later(*given: Any) -> str | None:
        add(app, "after the copy began")
        return told_of(*given)

    monkeypatch.setattr(jobs_text, "jobs_as_text", later)
    backup, text = backed_up(app)
    assert [job["name"] for job in yaml.safe_load(text)["jobs"]] == ["before"]
    with app.app_context():
        prove(backup.id, ALICE)
    with app.app_context(), transaction() as session:
        contents = session.get_one(Backup, backup.id).contents or {}
        assert [name for *_, name in contents["jobs"]] == ["before"]


def test_its_owner_alone_may_read_it(app: Flask) -> None:
    backup, _text = backed_up(app)
    assert file_of(app, backup).stat().st_mode & 0o777 == 0o600


def test_where_it_cannot_be_told_the_backup_is_made_all_the_same(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    number = add(app, "odd")
    nested: Any = "x"
    for _level in range(400):
        nested = [nested]
    with app.app_context(), transaction() as session:
        session.get_one(Job, number).arguments = {"deep": nested}
    with app.app_context():
        backup = back_up(ALICE)
        prove(backup.id, ALICE)
    assert not file_of(app, backup).exists()
    assert "has no text of its jobs (RecursionError" in caplog.text


def test_a_trigger_of_another_machine_has_no_words(app: Flask) -> None:
    number = add(app, "far away")
    with app.app_context(), transaction() as session:
        session.get_one(Job, number).trigger = {**NIGHTLY, "zone": "Mars/Olympus"}
    (job,) = told(app)["jobs"]
    assert (job["when"], job["trigger"]["zone"]) == (None, "Mars/Olympus")


def test_too_much_to_read_is_left_out(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = add(app, "gone", description="x" * 9000)
    with app.app_context():
        delete_job(gone, ALICE)
    for name in ("long", "longer"):
        add(app, name, description="ä" * 1500)
    said = "more than 4,000 characters"
    monkeypatch.setattr(jobs_text, "LARGEST", 16_000)
    with app.app_context():
        assert not file_of(app, back_up(ALICE)).exists()  # its rows alone fit, with names do not
        assert caplog.text.count(said) == 1
        monkeypatch.setattr(jobs_text, "as_yaml", None)  # with which nothing is written
        add(app, "longest", description="x" * 3000)
        assert not file_of(app, back_up(ALICE)).exists()
        assert caplog.text.count(said) == 2
        monkeypatch.undo()
        assert file_of(app, back_up(ALICE)).exists()


texts = st.text() | st.text("ab \n\t\r'\":#-\x85\u2028\u2029\ufeff\x00\ud800🦊", max_size=12)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, values, min_size=1, max_size=3))
def test_whatever_stands_in_a_table_is_read_back_as_it_was(thing: dict[str, Any]) -> None:
    assert yaml.safe_load(as_yaml(thing)) == [thing]
    assert yaml.safe_load(f"jobs:\n{as_yaml(thing)}") == {"jobs": [thing]}
