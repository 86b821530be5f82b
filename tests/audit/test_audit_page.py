"""The Audit page: who did what, when, why and from where, found by each of its filters."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from flask import Flask

from aegis_web.audit.actions import check_audit
from aegis_web.audit.models import CODE, Actor, Origin, origin
from tests.audit.rows import BOB, chained, note
from tests.runs.rows import add_job
from tests.support.applications import Browser, signed_in
from tests.support.tampering import past_the_triggers
from tests.tokens.test_tokens import bearer, make

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CANARY = "c4n4ry-in-the-c0al-mine"
PART = {"HX-Request": "true"}


@pytest.fixture
def admin(any_app: Flask, frozen: time_machine.Traveller) -> Browser:
    """The browser of Alice, an administrator, who has signed in at that noon."""
    return signed_in(any_app)


@pytest.fixture
def three(any_app: Flask, admin: Browser, frozen: time_machine.Traveller) -> list[int]:
    """Three rows, a minute apart: Alice pauses, Bob runs, code creates."""
    rows = [note(any_app, "job.pause", "job:1", reason="They move 100%")]
    frozen.shift(timedelta(minutes=1))
    rows.append(note(any_app, "job.run", "job:2", after={"run": 7}, actor=BOB))
    frozen.shift(timedelta(minutes=1))
    rows.append(note(any_app, "calendar.create", "calendar:1", actor=CODE))
    return rows


def told(admin: Browser, query: str = "") -> dict[int, str]:
    """The rows of the page, each as its words, by their numbers."""
    page = unescape(admin.get(f"/audit{query}").text)
    _, *parts = page.partition("</tbody></table>\n<div")[0].split('<tr role="row" id="audit-')
    return {
        int(part.partition('"')[0]): " ".join(re.sub(r"^[^>]*>|<[^>]+>", " ", part).split())
        for part in parts
    }


def test_a_row_says_who_what_when_why_and_from_where(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app, "Nightly import")
    data = {"reason": "Stock & count", "lasting": ""}
    there = {"REMOTE_ADDR": "127.0.0.9"}
    answer = admin.post(f"/jobs/{job}/pause", data=data, environ_overrides=there)
    assert answer.status_code == 303
    ((_, row),) = told(admin).items()
    assert row.startswith("now Tue 12:00 UTC Paused Job Nightly import Before and after")
    assert "State: Active → Paused until somebody resumes it" in row
    assert row.endswith("alice@example.org 127.0.0.9 Stock & count")
    assert f'href="/jobs/{job}"><bdi>Nightly import' in admin.get("/audit").text
    assert chained(any_app)[0].address == "127.0.0.9"
    assert origin.get() == Origin()


def test_a_row_says_by_which_token_it_was_asked_for(any_app: Flask, admin: Browser) -> None:
    token, job = make(admin, "jobs:run"), add_job(any_app)
    program = any_app.test_client()
    assert program.post(f"/jobs/{job}/run", headers=bearer(token)).status_code == 202
    made, ran = chained(any_app)
    assert (made.action, made.token) == ("token.create", None)
    assert (ran.action, ran.token) == ("job.run", token.split("_")[1])
    assert f"token {ran.token}…" in told(admin)[ran.id]
    assert token[-43:] not in admin.get("/audit/rows.csv").text


def test_before_and_after_unfold_field_by_field(any_app: Flask, admin: Browser) -> None:
    note(
        any_app,
        "calendar.change",
        "calendar:1",
        before={"name": "A", "zone": "UTC", "periods": []},
        after={"name": "B", "zone": "UTC", "periods": [], "note": "x"},
        reason="x",
    )
    note(any_app, "account.sign_in", "account:1")
    signed, changed = told(admin).values()
    assert "name: A → B" in changed
    assert "zone" not in changed
    assert "note" not in changed
    assert "Before and after" not in signed
    assert "Signed in Account alice@example.org" in signed


def test_an_edit_of_a_job_reads_as_on_the_jobs_own_page(any_app: Flask, admin: Browser) -> None:
    job = add_job(any_app, owner="Team Red")
    was, said = {"owner": "Team Red"}, {"owner": "Team Blue"}
    note(any_app, "job.change", f"job:{job}", before=was, after=said)
    note(any_app, "job.change", "job:77", before=was, after=said)  # is gone
    gone, changed = told(admin).values()
    assert "Owner Team Red Team Blue" in changed
    assert "Job 77" in gone
    assert "owner Team Red Team Blue" in gone


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [2, 1, 0]),
        ("?who=ALICE", [0]),
        ("?who=example", [1, 0]),
        ("?who=nobody", []),
        ("?thing=job", [1, 0]),
        ("?verb=run", [1]),
        ("?thing=job&verb=pause", [0]),
        ("?thing=calendar&verb=pause", []),
        ("?who=bob&thing=job", [1]),
        ("?who=bob&verb=pause", []),
        ("?subject=job:1", [0]),
        ("?subject=job:1&who=bob", []),
        ("?subject=job", []),
        ("?q=MOVE", [0]),
        ("?q=100%25", [0]),
        ("?q=1_0", []),
        ("?q=move&who=bob", []),
        ("?q=move&subject=job:1&thing=job&who=alice", [0]),
        ("?since=2026-03-10T12:01:00Z", [2, 1]),
        ("?until=2026-03-10T12:01:00Z", [0]),
        ("?since=2026-03-10T12:01&until=2026-03-10T12:02", [1]),  # in the zone of the viewer
        ("?thing=job&since=2026-03-10T12:01:00Z", [1]),
        ("?who=%27+or+1=1+--", []),
    ],
)
def test_each_filter_finds_its_rows(
    admin: Browser, three: list[int], query: str, found: list[int]
) -> None:
    assert list(told(admin, query)) == [three[number] for number in found]


def test_a_wrong_filter_is_named_and_kept(admin: Browser, three: list[int]) -> None:
    for query, message in {
        "?since=soon": "Give a date and time",
        "?since=2026-03-10T12:00Z&until=2026-03-10T12:00Z": "Choose an end that is later",
        "?before=x": "Give a number",
        f"?who={'w' * 201}": "Shorten the text",
        "?q=%00": "NUL",
    }.items():
        answer = admin.get(f"/audit{query}")
        assert answer.status_code == 422, query
        assert message in answer.text
        assert admin.get(f"/audit/rows.csv{query}").status_code == 422
    assert 'value="soon"' in admin.get("/audit?since=soon").text


def test_pages_follow_each_other_in_both_directions(
    any_app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_web.audit.search.list_entries.__defaults__", (2,))
    rows = [note(any_app, subject=f"job:{number}") for number in range(5)]  # at the same instant
    newest_first = rows[::-1]
    seen = [list(told(admin))]
    page = admin.get("/audit?who=alice").text
    while match := re.search(r'href="(/audit\?[^"]*before=[^"]*)"', page):
        link = unescape(match[1])
        page = admin.get(link).text
        seen.append(list(told(admin, link.removeprefix("/audit"))))
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    back = re.search(r'href="(/audit\?[^"]*after=[^"]*)"', page)
    assert back is not None
    assert list(told(admin, unescape(back[1]).removeprefix("/audit"))) == newest_first[2:4]
    assert list(told(admin, f"?after={rows[-1]}")) == newest_first[:2]  # nothing is newer
    assert list(told(admin, f"?before={rows[0]}")) == []
    assert list(told(admin, "?before=999999")) == newest_first[:2]


def test_empty_states_say_whether_something_was_left_out(admin: Browser) -> None:
    assert "Nothing was done yet" in admin.get("/audit").text
    assert "Nothing matches" in admin.get("/audit?who=bob").text


def test_the_fragment_is_the_table_alone(admin: Browser, three: list[int]) -> None:
    assert admin.get("/audit", headers=PART).text.lstrip().startswith('<div id="audit-table">')


def test_strangers_see_nothing(any_app: Flask, admin: Browser) -> None:
    stranger = any_app.test_client()
    for path in ("/audit", "/audit/rows.csv"):
        assert stranger.get(path).headers["Location"].startswith("/sign-in")


def test_the_state_of_the_chain_is_as_the_last_check_found_it(
    any_app: Flask, admin: Browser, three: list[int], frozen: time_machine.Traveller
) -> None:
    assert "Not checked yet" in admin.get("/audit").text
    with any_app.app_context():
        check_audit()
    frozen.shift(timedelta(hours=1))
    page = admin.get("/audit").text
    assert "Tue 10 Mar 2026, 12:02 UTC" in page
    assert f"{three[-1]}:{chained(any_app)[-1].hash}" in page
    with past_the_triggers(any_app) as connection:
        connection.exec_driver_sql("UPDATE audit SET actor = 'x' WHERE action = 'job.run'")
    assert "The audit is not sound" not in admin.get("/audit").text  # no view checks
    with any_app.app_context():
        check_audit()
    page = admin.get("/audit").text
    assert "The audit is not sound" in page
    assert f"Row {three[1]} was edited" in page


# --- the download -----------------------------------------------------------------------------


def test_the_file_holds_the_rows_of_the_filter(
    any_app: Flask, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_web.audit.export.BATCH", 2)
    rows = [note(any_app, after={"n": "ü"}, reason='Say "why"') for _ in range(5)]
    note(any_app, actor=BOB)
    answer = admin.get(f"/audit/rows.csv?who=alice&before={rows[2]}")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=audit-2026-03-10")
    first, *lines = answer.text.splitlines()
    assert first.startswith("id,at,who,action,subject,reason,address,token,before,after,")
    assert [int(line.partition(",")[0]) for line in lines] == rows[::-1]
    row = chained(any_app)[4]
    assert lines[0] == (
        f"{row.id},2026-03-10T12:00:00Z,alice@example.org,job.pause,job:1,"
        f'"Say ""why""",,,,"{{""n"": ""ü""}}",5,{row.hash}'
    )


def test_the_file_is_sent_in_parts(any_app: Flask, admin: Browser) -> None:
    note(any_app)
    answer = admin.get("/audit/rows.csv", buffered=False)
    assert answer.is_streamed
    answer.close()


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_field_of_the_file_is_a_formula(any_app: Flask, admin: Browser, sign: str) -> None:
    note(any_app, subject=f"{sign}1+1", reason=f"{sign}cmd", actor=Actor(f"{sign}x"))
    text = admin.get("/audit/rows.csv").data.decode()
    _, found = csv.reader(io.StringIO(text, newline=""))
    assert found[2:6] == [f"'{sign}x", "job.pause", f"'{sign}1+1", f"'{sign}cmd"]


# --- secrets ----------------------------------------------------------------------------------


def test_no_secret_ever_stands_in_it(any_app: Flask, admin: Browser) -> None:
    form = {
        "name": "Ask a partner", "service": "http_request", "arg.url": "https://example.org/",
        "arg.method": "GET", "arg.token": CANARY, "trigger": "cron", "cron": "0 9 * * *",
        "zone": "UTC", "overlap": "skip", "catch_up": "latest", "priority": "1",
        "retry_backoff": "fixed", "on_lost": "mark",
    }  # fmt: skip
    made = admin.post("/jobs", data=form)
    assert made.status_code == 303, made.text
    path = made.headers["Location"]
    again = {**form, "arg.token": f"{CANARY}-2", "revision": "1", "note": "A new one"}
    assert admin.post(path, data=again).status_code == 303
    admin.post(f"{path}/delete", data={})
    feed = admin.post("/feeds", data={"name": "Team", "tag": ""})
    assert feed.status_code == 201
    rows = chained(any_app)
    assert {"job.create", "job.change", "job.delete", "feed.create"} <= {r.action for r in rows}
    stored = " ".join(f"{row.before}{row.after}{row.reason}{row.subject}" for row in rows)
    sealed = re.findall(r"'sealed'", stored)
    texts = stored, admin.get("/audit").text, admin.get("/audit/rows.csv").text
    assert not [text for text in texts if CANARY in text]
    assert not sealed
